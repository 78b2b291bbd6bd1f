"""How a training went, judged by its log, and what `pcsta evaluate` says of runs."""

import csv
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from pcsta.checkpoint import read_record
from pcsta.data.check import Finding, format_findings
from pcsta.evaluation import Evaluation

KNOWS = 0.9  # of log K, the loss of a model that knows nothing of its K classes
FALLS = 0.05  # share by which the loss of the last tenth of the epochs is below that of the tenth before


def findings(run: Path, result: Evaluation) -> dict[str, Finding]:
    """The protocol, how each stage whose log lies in this folder learned, and each stream alone."""
    said = f"{result.protocol}, seed {result.seed}"
    found = {"protocol": Finding(ok=True, what=said, do="")}
    for folder in (run / "pose", run):
        if (folder / "log.csv").exists():
            stage = {"pose": "pose", "rgb": "RGB"}[read_record(folder)["stage"]]
            found[f"{stage} stage"] = _stage(folder, len(result.confusion))
    for stream, share in result.streams.items():
        alive, said = share > _knowing(len(result.confusion)), f"{100 * share:.1f} % alone"
        do = "it is dead, and the sum hides it: train its row alone, A or G"
        found[f"{stream} stream"] = Finding(ok=alive, what=said, do=do)
    return found


def _knowing(classes: int) -> float:
    """Accuracy above which a model knows something: a third of the way from chance to all, at most."""
    return min(3 / classes, (1 + 2 / classes) / 3)


def _stage(folder: Path, classes: int) -> Finding:
    """Whether a stage has learned, was given the time, and knows clips that it did not fit."""
    keys = ("rate", "loss", "validation_loss", "accuracy", "validation_accuracy")
    try:
        log = list(csv.DictReader((folder / "log.csv").read_text("utf-8").splitlines()))
        values = [[float(line[key]) for key in keys] for line in log]
        if not all(math.isfinite(value) for line in values for value in line):
            raise ValueError
        rate, loss, held, right, known = zip(*values, strict=True)
    except (KeyError, TypeError, ValueError):  # also for no line
        raise ValueError(f"{folder / 'log.csv'} is damaged: put it back, or delete it") from None
    falls = sum(b < a for a, b in pairwise(loss)) > 0.75 * (len(log) - 1)
    tenth = math.ceil(len(log) / 10)
    gains = fmean(held[-tenth:]) < (1 - FALLS) * fmean(held[-2 * tenth : -tenth] or held)
    do = ""
    if falls and gains and known[-1] < 1:
        do = "it still learns: too few epochs"
    elif min(loss) > KNOWS * math.log(classes):
        wrong = "too low" if falls else "too high"
        do = f"it has learned nothing: the rate is {wrong}, or names belong to other files"
    elif max(known) < _knowing(classes):
        do = "what it has learned is true of no other clip: names belong to other files"
    said = (
        f"{len(log)} epochs, rate {max(rate):.2g}: loss {loss[0]:.2f} to {loss[-1]:.2f},\n"
        f"{'':<24}{100 * right[-1]:.0f} % of fitted and {100 * known[-1]:.0f} % of validation clips right"
    )
    return Finding(ok=not do, what=said, do=do)


def format_report(
    found: Mapping[str, Evaluation], runs: Mapping[str, Path], mean: float | None
) -> str:
    """Accuracies; of a run that is alone also its findings, and the accuracy of each class."""
    lines = [
        f"{name:<16} accuracy {100 * result.accuracy:5.1f} %  ({result.clips} clips"
        + (f", {result.unread} of them unread and counted as errors)" if result.unread else ")")
        for name, result in found.items()
    ]
    if len(found) > 1 and mean is not None:
        lines.append(f"{'mean':<16} accuracy {100 * mean:5.1f} %")
    if len(found) == 1:
        ((name, result),) = found.items()
        lines.append(format_findings(findings(runs[name], result)))
        shares = result.per_class.items()
        lines += [f"  {label:<32} {100 * share:5.1f} %" for label, share in shares]
    return "\n".join(lines)
