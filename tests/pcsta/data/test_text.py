"""Tables of numbers: what is read fast is what is read in any form."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsta.data import text
from pcsta.data.dataset import DataError
from pcsta.data.text import parse_table

NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
FORMS = ("%r", "%.4f", "%.3e", "%+.2f", "%g")
ODD = st.sampled_from(
    ["nan", "-inf", "null", "true", "1e99", ".5", "1.", "01", "1_0", "", "[1]", '"1"', "1,5", "١"]
)


def read(rows, delimiter):
    try:
        return parse_table(rows, 3, Path("f"), lambda row: (None, row + 1), delimiter)
    except DataError as error:
        return str(error)


@given(st.data(), st.sampled_from([None, ","]), st.sampled_from(FORMS))
def test_what_is_read_fast_is_what_is_read_in_any_form(data, delimiter, form):
    cells = data.draw(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=4))
    table = [[form % value for value in row] for row in cells]
    if data.draw(st.booleans()):
        table[data.draw(st.integers(0, len(table) - 1))][1] = data.draw(ODD)
    rows = [(delimiter or " ").join(row) for row in table]
    got = read(rows, delimiter)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_as_json", text._as_text)
        expected = read(rows, delimiter)
    if isinstance(expected, str):
        assert got == expected
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "rows",
    [["1 2 3 4", "5 6"], ["1 2 3 4 5 6", ""], ["1 2", "3 4", "5 6"], ["1 2 null", "3 4 5"]],
)
def test_rows_that_make_no_table_are_none(rows):
    assert "line" in read(rows, None)


def test_plain_numbers_take_the_fast_way(monkeypatch):
    monkeypatch.setattr(text, "_as_text", None)
    np.testing.assert_array_equal(
        read(["1 -2.5 25e-2", "0 0 -0"], None), [[1, -2.5, 0.25], [0, 0, 0]]
    )
