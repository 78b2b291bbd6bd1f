"""Tables of the book and of commands: the paper's as printed, ours from records."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from IPython.display import Markdown
from matplotlib.axes import Axes
from scipy.stats import sem
from scipy.stats import t as student

from pcsta.data.clip import HANDS
from pcsta.data.prepare import settings_of
from pcsta.files import fingerprint
from pcsta_book import artifacts
from pcsta_book.experiments import paper, records
from pcsta_book.experiments.bootstrap import grouped_mean
from pcsta_book.experiments.records import Record
from pcsta_book.experiments.variants import VARIANTS, in_words
from pcsta_book.figures.style import CHOSEN, INK, PLAIN

SCORES = {  # of attention: where `attention_scores` has them
    "top hand, one person": ("spatial", "one_person"),
    "top hand, two people": ("spatial", "two_people"),
    **{f"top hand where {hand} alone decides": ("spatial", hand) for hand in HANDS},
    "top hand, least of the four": ("minimum",),
    "mass of p, one person": ("spatial_mass", "one_person"),
    "mass of p, two people": ("spatial_mass", "two_people"),
    "shift shown": ("shift",),
    "mass of p'": ("temporal",),
}
CONTROLS = ("uniform", "permuted", "other_clip", "best_constant")
SOURCE = "Where these figures come from, and the command"
NBSP = "\N{NO-BREAK SPACE}"  # a number and its spread stay on one line of a cell


def paper_table(number: int) -> Markdown:
    """One of the paper's Tables 1 to 6 as printed; averages recomputed, misprints marked.

    The column "mean" is ours, of the printed cells; † marks where the two disagree. "ref." is the
    paper's own number of a work.
    """
    table = paper.TABLES[number]
    slips = [s for s in paper.SLIPS if f"Table {number}" in s.where or s.table == number]
    wrong = [s.method for s in slips if s.table == number]
    rows = []
    for row in table.rows:
        cells = {"row": row.letter} if number == 6 else {}
        cells["method"] = row.method
        if number <= 3:
            cells["ref."] = f"[{row.reference}]" if row.reference else ""
        cells |= {"on pose" if m == "Conditional" else m: mark for m, mark in row.marks.items()}
        words = len(cells)
        cells |= {name: "-" if v is None else f"{v:.1f}" for name, v in row.values.items()}
        if "Avg" in cells:
            cells["Avg"] += f"{NBSP}†" if row.method in wrong else ""
            mean = row.exact_average
            cells["mean"] = "-" if mean is None else f"{mean:.2f}"
        rows.append(cells)
    notes = "".join(
        f"\n{'† ' if s.table == number else ''}{s.where}. Printed: {s.printed}. "
        f"{s.found[0].upper() + s.found[1:]}.\n"
        for s in slips
    )
    if any("o" in row.marks.values() for row in table.rows):
        notes = "\no: pose is used for the attention mechanism only.\n" + notes
    title = table.title[0].lower() + table.title[1:]
    where = paper.PROTOCOLS[table.dataset]["dataset"]
    on = "" if where in title else f" on {where}"
    note = "; its rows in our words" if "Conditional" in table.rows[0].marks else ""
    caption = f"**The paper's Table {number}**, {title}: accuracy in %{on}, as printed{note}."
    return _markdown(f"{caption}\n\n{_table(rows, words, most=8)}\n{notes}")


def result_table(name: str, variants: Iterable[str], caption: str, command: str = "") -> Markdown:
    """Lines of a record as a table: mean and spread over seeds for every protocol.

    The difference to the variant that a line varies is paired by seed, with a 95 % t-interval. Where it
    all comes from is folded.
    command: what a reader would run, printed in place of figures when there is no record
    """
    try:
        record = records.read(name)
    except FileNotFoundError:
        return _markdown(f"**{caption}**: not run.\n\n```sh\n{_folded(command)}\n```")
    variants = [v for v in variants if v in record["lines"]]
    columns = records.columns(record)
    varied = any(VARIANTS[v].against for v in variants if v in VARIANTS)
    rows = []
    for variant in variants:
        cells = {"what": f"`{variant}` {in_words(variant, record['lines'][variant])}"}
        for column, protocol in columns.items():
            cells[column] = spread(records.accuracies(record, variant, protocol))
        for column, protocol in columns.items() if varied else ():
            points = records.difference(record, variant, protocol)
            cells[f"difference, {column}"] = "" if points is None else interval(points)
        rows.append(cells)
    text, said = _table(rows, 1, most=4), edition(record) + records.unread(record)
    source = fold(SOURCE, provenance(record, variants))
    return _markdown(f"**{caption}**\n\n{said}\n\n{text}\n\n{source}")


def attention_table(name: str, variants: Iterable[str], scores: Iterable[str]) -> Markdown:
    """Attention against the truth and all controls, in %: mean and spread over seeds.

    The distances are paired by seed, with the 95 % interval of `ahead`, over seeds and clips, or, where
    the record has none over performances, by Student's t over seeds.
    scores: of SCORES; what the record does not hold is left out
    """
    record, rows = records.read(name), []
    for score, protocol, variant in product(scores, record["protocols"], variants):
        found = records.attention(record, variant, protocol, *SCORES[score])
        if not found:
            continue
        own = next(iter(found[0]))
        figures = {f: 100 * np.array([one[f] for one in found]) for f in (own, *CONTROLS)}
        cells = {"score": f"{score}: {variant}, {protocol}", "model": spread(figures[own])}
        for control in CONTROLS:
            values = figures[control]  # one that no seed moves has no spread
            cells[control.replace("_", " ")] = spread(values if values.std() > 0.05 else values[:1])
        for control in ("other_clip", "best_constant"):
            over_clips, lead = "ahead" in found[0], figures[own] - figures[control]
            cell = written(*ahead(found, control)) if over_clips else interval(lead)
            cells[f"over {control.replace('_', ' ')}"] = cell
        rows.append(cells)
    if not rows:
        return _markdown("Not run.")
    words = f'<div class="pcsta-words">\n\n{_table(rows, 1, most=4)}\n\n</div>\n'
    return _markdown(f"{edition(record)}\n\n{words}")


def ahead(found: Sequence[Mapping[str, Any]], control: str) -> tuple[float, float]:
    """How many points a score is ahead of a control: mean over seeds, half its 95 % interval.

    The interval is over seeds and clips: two half widths, added in squares. That of the seeds is by
    Student's t, on the test clips as they are. That of the clips is the mean of the seeds' own, over
    performances (`attention_scores`), since all seeds share the clips. What seeds and clips do together
    is in both, so the sum is too wide rather than too narrow. It knows nothing of other people.

    found: one score of every seed, as `records.attention` returns it
    """
    own = next(iter(found[0]))
    points = 100 * np.array([one[own] - one[control] for one in found])
    of_clips = 50 * np.diff([one["ahead"][control] for one in found]).mean()
    return float(points.mean()), float(np.hypot(half_width(points), of_clips))


def paired(record: Record, one: str, other: str) -> tuple[float, float]:
    """How many points one line of a record is above another: mean, half its 95 % interval.

    Over seeds and clips, as `ahead`; clips of one subject are drawn together, over all protocols, each
    of which counts alike.
    """
    each, subjects = [], []
    for protocol in record["protocols"]:
        a, b = (records.right(record, line, protocol) for line in (one, other))  # (S, C)
        each.append(100 * (a.astype(float) - b) / a.shape[1])
        subjects += record["tested"][protocol]["subjects"]
    points = np.sum([d.sum(1) for d in each], 0) / len(each)  # (S,)
    clips = np.concatenate([d.mean(0) for d in each]) * (len(subjects) / len(each))
    of_clips = grouped_mean(clips, groups=np.array(subjects))
    halves = half_width(points), (of_clips.high - of_clips.low) / 2
    return float(points.mean()), float(np.hypot(*halves))


@lru_cache
def current() -> frozenset[str]:
    """By which fingerprints records know the embedded dataset of now: with glimpses, as poses alone."""
    stores = (settings_of(artifacts.dataset(), one) for one in (artifacts.sensor(), None))
    return frozenset(map(fingerprint, stores))


def edition(record: Record) -> str:
    """A warning where a record, or what its models started from, is not of the dataset of now; or ""."""
    used = record["data"], record.get("source", {}).get("data", {})
    made = {data["fingerprint"] for data in used if data.get("name") == "synthetic"}
    earlier = made and not made <= current()
    return "**Computed on an earlier edition of the embedded dataset.** " if earlier else ""


def provenance(record: Record, variants: Iterable[str] = ()) -> str:
    """Where the figures come from, and the command that makes them again, as Markdown."""
    data, seeds = record["data"], record["seeds"]
    kind = "synthetic clips" if data["synthetic"] else "real recordings"
    rows = ",".join(v for v in variants if v in VARIANTS)
    command = record["command"].split(" --rows ")[0] + (f" --rows {rows}" if rows else "")
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    notes = (records.unread(record), record.get("note"))
    note = "".join(f" {text}" for text in notes if text)
    several = f"mean ± standard deviation over seeds {seeds[0]} to {seeds[-1]}"
    over = several if len(seeds) > 1 else f"seed {seeds[0]}"
    return (
        f"{edition(record)}Accuracy in %, {over}, on "
        f"`{data['name']}` ({data['clips']} {kind}, prepared as `{data['fingerprint']}`). "
        f"TrainConfig `{record['recipe']['name']}`; {record['hardware']}, {record.get('precision', 'float32')}; {versions}; "
        f"commit `{record['commit']}`; {record['date']}; "
        f"{record['seconds'] / 60:.0f} min of computing for the whole record.{note}\n\n"
        f"```sh\n{_folded(command)}\n```"
    )


def format_table(record: Record) -> str:
    """A record as text: for every protocol mean and spread over seeds, in percent."""
    columns = records.columns(record)
    text = [f"{'':<22}" + "".join(f"{column:>22}" for column in columns)]
    for name, line in record["lines"].items():
        cells = (f"{spread(records.accuracies(record, name, p)):>22}" for p in columns.values())
        text.append(f"{name:<22}{''.join(cells)}   {in_words(name, line)}")
    return "\n".join([*text, *filter(None, [records.unread(record)])])


def forest(ax: Axes, lines: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
    """Differences in points, a line for each row of words, which stand above its marks.

    Several marks are named above the axes, at the right.

    lines: words -> what a mark is of -> mean, and half its 95 % interval (0 for none)
    """
    for y, (words, marks) in enumerate(lines.items()):
        ax.axhline(y + 0.45, color="#E4E4E4", linewidth=1, zorder=0)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.text(0, y - 0.16, words, transform=ax.get_yaxis_transform(), va="bottom", bbox=box)
        for k, (name, (mean, half)) in enumerate(marks.items()):
            ax.errorbar(
                mean, y + 0.07 + 0.17 * k, xerr=half or None, fmt="osD"[k], markersize=4, capsize=2,
                color=(PLAIN, CHOSEN, INK)[k], label="" if y else name,
            )  # fmt: skip
    ax.axvline(0, color="grey", linewidth=0.8, zorder=0)
    ax.set(ylim=(len(lines) - 0.5, -0.6), yticks=[], xlabel="difference in accuracy, points")
    ax.spines["left"].set_visible(False)
    if max(map(len, lines.values())) > 1:
        near = {"borderaxespad": 0, "columnspacing": 1, "handletextpad": 0.3}
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, **near)


# --- cells ----------------------------------------------------------------------------------------
def spread(values: np.ndarray) -> str:
    """Mean ± standard deviation over seeds."""
    few = len(values) < 2
    return f"{values.mean():.1f}" + ("" if few else f"{NBSP}±{NBSP}{values.std(ddof=1):.1f}")


def interval(values: np.ndarray) -> str:
    """Mean and its 95 % interval by Student's t, `written`."""
    return written(values.mean(), half_width(values))


def written(mean: float, half: float) -> str:
    """A mean and its interval; bold when zero lies outside."""
    text = f"{mean:+.1f} ({mean - half:+.1f}{NBSP}to{NBSP}{mean + half:+.1f})"
    return f"**{text}**" if abs(mean) > half else text


def half_width(values: np.ndarray) -> float:
    """Half the 95 % interval of the mean of a few seeds; infinite for one."""
    return float(student.ppf(0.975, len(values) - 1) * sem(values)) if len(values) > 1 else np.inf


# --- Markdown -------------------------------------------------------------------------------------
def _markdown(text: str) -> Markdown:
    return Markdown(text)  # type: ignore[no-untyped-call]  # IPython states no types


def _table(rows: list[dict[str, str]], words: int, most: int) -> str:
    """Cells by column as a table: `words` columns of text, then numbers; tight above `most`."""
    head = list(rows[0])
    rule = ["---"] * words + ["--:"] * (len(head) - words)
    return markdown_table([head, rule, *(row.values() for row in rows)], tight=len(head) > most)


def markdown_table(lines: Iterable[Iterable[object]], tight: bool = False) -> str:
    """Lines of cells as a Markdown table, the second its rule; tight: smaller, for many columns."""
    text = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
    return f'<div class="pcsta-tight">\n\n{text}\n\n</div>\n' if tight else text


def fold(title: str, text: str) -> str:
    """Markdown that a reader unfolds."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>\n"


def _folded(command: str, width: int = 76) -> str:
    """A command, over several lines at its options where it is long."""
    lines = []
    for whole in command.splitlines():
        options = " --".join(part.replace(" ", NBSP) for part in whole.split(" --"))
        wrapped = textwrap.wrap(
            options, width - 2, subsequent_indent="    ", break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        lines.append(" \\\n".join(wrapped).replace(NBSP, " "))
    return "\n".join(lines)
