"""Tables of the book: the paper's as printed, ours from records, never in one column."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import norm, ttest_rel

from pcsta_book.experiments import paper, records, tables
from pcsta_book.experiments.variants import VARIANTS


def record(**accuracies) -> dict:
    """A record whose lines have these accuracies, one a seed."""
    lines = {
        name.replace("_", "-"): {
            "says": VARIANTS[name.replace("_", "-")].says,
            "changes": {},
            "results": {
                "cross-subject": [
                    {"seed": s, "clips": 10, "accuracy": a} for s, a in enumerate(values)
                ]
            },
        }
        for name, values in accuracies.items()
    }
    return {
        "title": "a test", "command": "pcsta ablate --out runs/x --rows A,B", "model": {"x": 1},
        "data": {"name": "fake", "synthetic": True, "clips": 10, "fingerprint": "f"},
        "recipe": {"name": "r"}, "protocols": ["cross-subject"], "seeds": [0, 1, 2],
        "lines": lines, "versions": {"python": "3", "torch": "2", "pcsta": "0"},
        "commit": "abcdef0", "hardware": "h",
        "date": "2020-01-01", "seconds": 60,
    }  # fmt: skip


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    found = record(A=[0.5, 0.6, 0.7], origin_own=[0.6, 0.65, 0.85])
    records.write(tmp_path / "mine.json", found)
    return found


@pytest.mark.parametrize("number", paper.TABLES)
def test_a_table_of_the_paper_shows_every_cell_as_printed(number):
    text = tables.paper_table(number).data
    for row in paper.TABLES[number].rows:
        line = next(x for x in text.splitlines() if f"| {row.method} |" in x and (
            all(f"{v:.1f}" in x for v in row.values.values() if v is not None)
        ))  # fmt: skip
        slips = [s for s in paper.SLIPS if s.table == number and s.method == row.method]
        assert ("†" in line) == bool(slips)
        assert row.reference is None or f"| [{row.reference}] |" in line
        if slips:
            assert slips[0].found in text.replace("The mean", "the mean")


def test_half_widths_and_intervals_ask_what_the_paired_t_test_asks():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.normal(0, 1, 5), rng.normal(0.8, 1, 5)
        d = a - b
        low, high = ttest_rel(a, b).confidence_interval(0.95)
        assert tables.half_width(d) == pytest.approx((high - low) / 2)
        outside = ttest_rel(a, b).pvalue < 0.05
        assert tables.interval(d).startswith("**") == outside
    assert tables.half_width(np.array([1.0])) == float("inf")  # one seed says nothing


def test_a_table_of_ours_has_means_differences_and_its_command(book):
    text = tables.result_table("mine", ["A", "origin-own"], "A caption").data
    plain = text.replace(tables.NBSP, " ")
    assert "60.0 ± 10.0" in plain and "70.0 ± 13.2" in plain
    assert "+10.0 (-2.4 to +22.4)" in plain  # paired by seed
    assert "pcsta ablate --out runs/x --rows A,origin-own" in text
    assert "synthetic clips" in text and "commit `abcdef0`" in text and "2020-01-01" in text
    assert "over seeds 0 to 2" in text.split("<details>")[1]
    assert "seed 4, on" in tables.provenance({**book, "seeds": [4]})
    assert "record. Two words." in tables.provenance({**book, "note": "Two words."})


def test_what_another_edition_of_the_dataset_gave_is_named_so(book, monkeypatch):
    monkeypatch.setattr(tables, "current", lambda: {"now", "now, poses alone"})
    one, before = ({"name": "synthetic", "fingerprint": made} for made in ("now", "before"))
    earlier = "earlier edition of the embedded dataset"
    assert not tables.edition(book)  # of other data
    assert not tables.edition({"data": one})
    assert not tables.edition({"data": book["data"], "source": {"data": one}})
    for record in ({"data": before}, {"data": book["data"], "source": {"data": before}}):
        assert earlier in tables.edition(record)

    book["data"] |= before
    monkeypatch.setattr(records, "read", lambda name: book)
    assert earlier in tables.result_table("mine", ["A"], "A caption").data
    assert tables.provenance(book).startswith(tables.edition(book))


def test_a_table_of_many_columns_is_set_tighter_and_a_long_command_is_folded():
    assert "pcsta-tight" in tables.paper_table(6).data
    assert "pcsta-tight" not in tables.paper_table(5).data
    command = (
        "pcsta ablate sbu --config narrow --recipe paper-sbu --seeds 5 --protocol folds --rows A"
    )
    folded = tables._folded(command)
    lines = folded.splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= 76
    assert folded.replace(" \\\n   ", "") == command  # what a shell reads
    assert tables._folded("pcsta table 1\npcsta table 3") == "pcsta table 1\npcsta table 3"


def test_what_was_not_run_shows_its_command(book):
    text = tables.result_table("other", ["A"], "Table 1", "pcsta table 1 --out runs/t").data
    assert "not run" in text and "pcsta table 1 --out runs/t" in text


def test_differences_are_paired_and_absent_where_there_is_nothing_to_pair(book):
    assert np.allclose(records.accuracies(book, "A"), [50, 60, 70])
    assert np.allclose(records.difference(book, "origin-own", "cross-subject"), [10, 5, 15])
    assert records.difference(book, "A") is None  # varies nothing
    assert records.difference(book, "contiguous") is None  # not in this record
    assert records.columns(book) == {"cross-subject": "cross-subject"}
    folds = {"protocols": ["fold-1", "fold-2"]}
    assert records.columns(folds) == {"mean of five folds": ""}


def test_a_record_as_text_shows_mean_and_spread(book):
    head, line, _ = tables.format_table(book).splitlines()
    assert head.split() == ["cross-subject"]
    assert line.split() == ["A", "60.0", "±", "10.0", *VARIANTS["A"].says.split()]


def test_a_forest_has_a_mark_and_its_interval_where_there_is_one():
    _, ax = plt.subplots()
    ours, of_paper = {"CS": (10.0, 12.4), "CV": (-1.0, 2.0)}, {"CS": (1.0, 0)}
    tables.forest(ax, {"origin": ours, "of the paper": of_paper})
    drawn = [(d.lines[0].get_xdata()[0], d.lines[2]) for d in ax.containers]
    assert [mean for mean, _ in drawn] == [10, -1, 1]
    assert np.allclose(drawn[0][1][0].get_segments()[0][:, 0], [-2.4, 22.4])
    assert not drawn[2][1]
    assert [text.get_text() for text in ax.texts] == ["origin", "of the paper"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CS", "CV"]
    plt.close("all")


def test_attention_is_shown_beside_its_controls_where_a_record_has_it(book, monkeypatch):
    def score(x):
        figures = {"uniform": 0.5, "permuted": 0.4, "other_clip": x - 0.1, "best_constant": 0.6}
        ahead = {"other_clip": [0.02, 0.15 + x / 10], "best_constant": [-0.1, 0.3]}
        return {"top_hand": x, **figures, "intervals": {}, "ahead": ahead, "clips": 9, "frames": 90}

    for one, x in zip(book["lines"]["A"]["results"]["cross-subject"], (0.7, 0.8, 0.9), strict=True):
        minimum = {name: value for name, value in score(x).items() if isinstance(value, float)}
        one["attention"] = {"spatial": {"left 1": score(x)}, "minimum": minimum}
    monkeypatch.setattr(records, "read", lambda name: book)
    names = ["top hand where left 1 alone decides", "top hand, least of the four", "shift shown"]
    text = tables.attention_table("mine", ["A", "origin-own"], names).data.replace(tables.NBSP, " ")
    head, _, left, least = [line for line in text.splitlines() if line.startswith("|")]
    assert [c.strip() for c in head.split("|")[2:7]] == [
        "model", "uniform", "permuted", "other clip", "best constant",
    ]  # fmt: skip
    assert "80.0 ± 10.0 | 50.0 | 40.0 | 70.0 ± 10.0 | 60.0" in left
    assert "+20.0 (-11.9 to +51.9)" in left and "-4.8" not in left
    assert "+10.0 (-0.5 to +20.5)" in left and "+20.0 (-4.8 to +44.8)" in least
    assert "Not run" in tables.attention_table("mine", ["origin-own"], names).data


@pytest.mark.parametrize("seeds_vary, clips_vary", [(3, 0), (0, 4), (3, 4)])
def test_the_interval_over_seeds_and_clips_is_right_as_often_as_it_says(seeds_vary, clips_vary):
    """Drawn scores: seeds and clips differ, and each clip for each seed; 95 % of intervals hold the truth."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        clips = clips_vary * rng.normal(size=(1, 40))
        scores = 7 + seeds_vary * rng.normal(size=(5, 1)) + clips + rng.normal(size=(5, 40))
        found = []
        for each in scores / 100:
            half = 1.96 * each.std(ddof=1) / 40**0.5
            ends = [each.mean() - half, each.mean() + half]
            found.append({"mass": each.mean(), "uniform": 0.0, "ahead": {"uniform": ends}})
        mean, half = tables.ahead(found, "uniform")
        held += abs(mean - 7) <= half
    assert held >= 0.93 * 400


def of_clips(rights, subjects):
    """A record of two lines: rights (2, S, C) for every protocol."""

    def hexed(row):
        return {"right": np.packbits(row).tobytes().hex()}

    lines = {
        name: {"results": {p: [hexed(row) for row in r[i]] for p, r in rights.items()}}
        for i, name in enumerate("ab")
    }
    tested = {p: {"labels": whose, "subjects": whose} for p, whose in subjects.items()}
    return {"protocols": list(rights), "tested": tested, "lines": lines}


def test_a_paired_difference_counts_every_split_alike_and_every_clip_once():
    rng = np.random.default_rng(0)
    rights = {p: rng.random((2, 3, n)) < 0.5 for p, n in (("split-1", 21), ("split-2", 13))}
    record = of_clips(rights, {p: list(range(r.shape[2])) for p, r in rights.items()})
    mean, half = tables.paired(record, "a", "b")
    each = [100 * (r[0].mean() - r[1].mean()) for r in rights.values()]
    assert mean == pytest.approx(np.mean(each))
    assert half > 0
    assert tables.paired(record, "a", "a") == (0, 0)
    # the same clips in both splits tell less than as many other ones
    same = {p: rights["split-1"] for p in rights}
    apart = {"split-1": list(range(21)), "split-2": list(range(21, 42))}
    once = {p: list(range(21)) for p in rights}
    assert (
        tables.paired(of_clips(same, once), "a", "b")[1]
        > tables.paired(of_clips(same, apart), "a", "b")[1]
    )


@pytest.mark.parametrize("seeds_vary", [0.0, 0.5])
def test_the_paired_interval_is_right_as_often_as_it_says(seeds_vary):
    """95 % of draws of seeds, and of sources of three clips each, hold the true difference."""
    rng, held = np.random.default_rng(3), []
    for _ in range(150):
        ease = rng.normal(0, 1, 50).repeat(3)  # of a source, shared by its clips and all seeds
        seed = rng.normal(0, seeds_vary, (2, 5, 1))
        luck = rng.normal(0, 1, (2, 5, 150))
        above = np.array([0.3, 0.0])[:, None, None]
        rights = {"split-1": ease + seed + luck + above > 0}
        mean, half = tables.paired(
            of_clips(rights, {"split-1": np.arange(50).repeat(3).tolist()}), "a", "b"
        )
        spread = np.sqrt(2 + seeds_vary**2)
        truth = 100 * (norm.cdf(0.3 / spread) - 0.5)
        held.append(abs(mean - truth) <= half)
    assert np.mean(held) > 0.9
