"""The paper as data agrees with itself, but for the slips that it lists."""

from decimal import Decimal

import pytest

from pcsta.config import ROWS, ModelConfig
from pcsta_book.experiments import paper

ALL_ROWS = [(table, row) for table in paper.TABLES.values() for row in table.rows]


def test_tables_have_the_papers_number_of_rows():
    counts = {number: len(table.rows) for number, table in paper.TABLES.items()}
    assert counts == {1: 13, 2: 11, 3: 11, 4: 3, 5: 4, 6: 8}


def test_printed_averages_are_means_except_for_the_listed_slips():
    wrong = set()
    for table, row in ALL_ROWS:
        if row.values.get("Avg") is None:
            continue
        # the paper rounds halves either way, so half a unit is no slip
        if abs(Decimal(str(row.values["Avg"])) - row.exact_average) > Decimal("0.05"):
            wrong.add((table.number, row.method))
    assert wrong == {(s.table, s.method) for s in paper.SLIPS if s.table is not None}
    assert paper.TABLES[6].row("H").exact_average == Decimal("85.75")
    assert paper.TABLES[1].row("STA-LSTM").exact_average == Decimal("77.3")


def test_the_same_method_has_the_same_numbers_in_every_table():
    t = paper.TABLES
    ours = {
        name: t[1].row(f"Ours ({name})").values for name in ("pose only", "RGB only", "pose + RGB")
    }
    assert ours["pose only"] == t[6].row("A").values == t[4].row("Topological order").values
    assert ours["RGB only"] == t[6].row("G").values == t[5].row("RGB only, conditioned").values
    assert ours["pose + RGB"] == t[6].row("K").values == t[5].row("Multi-modal, conditioned").values


def test_the_gain_of_conditioning_is_not_what_the_text_says():
    table = paper.TABLES[5]
    conditioned = table.row("RGB only, conditioned").exact_average
    gain = conditioned - table.row("RGB only, not conditioned").exact_average
    assert float(gain) == pytest.approx(8.8, abs=0.05)


@pytest.mark.parametrize(("table", "row"), ALL_ROWS, ids=lambda x: getattr(x, "method", ""))
def test_cells_are_percentages_and_marks_are_known(table, row):
    assert set(row.marks.values()) <= {"X", "-", "o"}
    assert all(v is None or 0 < v < 100 for v in row.values.values())
    assert row.reference is None or 1 <= row.reference <= 49


def test_unknown_and_ambiguous_rows_are_errors():
    with pytest.raises(KeyError, match="0 rows"):
        paper.TABLES[6].row("Z")
    with pytest.raises(KeyError, match="2 rows"):
        paper.TABLES[2].row("Raw skeleton")


def test_every_row_of_table_6_can_be_configured_as_its_marks_say():
    for row in paper.TABLES[6].rows:
        config = ROWS[row.letter]
        pose, rgb = row.marks["Pose"] == "X", row.marks["RGB"] == "X"
        assert config["streams"] == {(True, False): "pose", (False, True): "rgb"}.get(
            (pose, rgb), "both"
        )
        if rgb:
            assert (config["hands"] == "attention") == (row.marks["Spatial"] == "X")
            assert config["temporal"] == (row.marks["Temporal"] == "X")
            assert config["spatial_conditioned"] == (row.marks["Conditional"] == "X")


def test_the_default_configuration_has_the_papers_sizes():
    config = ModelConfig()
    assert config.frames == paper.SIZES["input"][0] == paper.TRAINING["frames"]
    assert config.pose_widths[2] == paper.SIZES["pose features"]
    assert config.glimpse_features == paper.SIZES["glimpse features"]
    assert config.hidden == paper.SIZES["hidden"]
    assert config.spatial_hidden == paper.SIZES["spatial hidden"]
    assert config.temporal_hidden == paper.SIZES["temporal hidden"]
    assert config.dropout == paper.TRAINING["dropout"]
    assert config.people * 2 == paper.SIZES["hands"]
