"""What `pcsta evaluate` says of a training's course, where classes are few."""

import pytest

from fakes import make_store, tiny
from pcsta import course
from pcsta.config import TrainConfig, row
from pcsta.evaluation import Evaluation
from pcsta.training import train


@pytest.mark.parametrize(
    "classes, share, alive",
    [
        (2, 1.0, True),
        (2, 0.5, False),
        (3, 2 / 3, True),
        (3, 0.5, False),
        (60, 0.06, True),
        (60, 0.02, False),
    ],
)
def test_a_stream_is_alive_from_what_luck_does_not_reach(tmp_path, classes, share, alive):
    confusion = [[0] * classes] * classes
    result = Evaluation(
        share, 100, {}, confusion, {"pose": share, "RGB": share}, "cross-subject", 0
    )
    found = course.findings(tmp_path, result)
    assert {found[f"{stream} stream"]["ok"] for stream in result.streams} == {alive}


def test_a_run_that_is_right_in_all_it_does_not_fit_has_learned_long_enough(tmp_path, monkeypatch):
    recipe = TrainConfig(pose_epochs=4, batch=4, validation=0.25)
    run = train(
        make_store(tmp_path / "store", clips=16),
        row("A", tiny()),
        recipe,
        tmp_path / "run",
        progress=False,
    )
    head, *lines = (run / "log.csv").read_text().splitlines()
    keys = head.split(",")

    def told(accuracy, held=(0.4, 0.3, 0.2, 0.1)):
        values = {"loss": [0.4, 0.3, 0.2, 0.1], "validation_loss": held}
        written = [head]
        for k, line in enumerate(lines):
            cells = dict(zip(keys, line.split(","), strict=True))
            cells |= {name: str(v[k]) for name, v in values.items()} | {
                "validation_accuracy": str(accuracy)
            }
            written.append(",".join(cells.values()))
        (run / "log.csv").write_text("\n".join(written) + "\n")
        result = Evaluation(accuracy, 4, {}, [[0] * 3] * 3, {}, "cross-subject", 0)
        return course.findings(run, result)["pose stage"]

    assert told(1.0)["ok"]
    assert not told(0.9)["ok"] and "too few epochs" in told(0.9)["do"]
    assert told(0.9, (0.4, 0.3, 0.2, 0.195))["ok"], "it hardly falls any more"
