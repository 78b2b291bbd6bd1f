"""The paper as data: sizes (section 4), protocols (section 5), equations, Tables 1 to 6.

Fabien Baradel, Christian Wolf and Julien Mille: Pose-conditioned Spatio-Temporal Attention for
Human Action Recognition, arXiv 1703.10106, 2017. Numbers stand as printed, in paper.toml beside
this file. Where the paper contradicts itself, the printed value is kept and `SLIPS` says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from pcsta_book import assets


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    method: str
    marks: Mapping[str, str]  # "X" used, "-" not used, "o" used for the attention only; by column
    values: Mapping[str, float | None]  # accuracy in percent as printed, None for "-"; by column
    reference: int | None  # number in the paper's bibliography, None for its own
    letter: str  # the paper's in Table 6

    @property
    def exact_average(self) -> Decimal | None:
        """Mean of the printed CS and CV, not rounded."""
        cs, cv = self.values.get("CS"), self.values.get("CV")
        if cs is None or cv is None:
            return None
        return (Decimal(str(cs)) + Decimal(str(cv))) / 2


@dataclass(frozen=True)
class Table:
    number: int
    title: str
    dataset: str
    rows: Sequence[Row]

    def row(self, name: str) -> Row:
        """The row of this letter or method. Raises KeyError when there is none, or several."""
        found = [r for r in self.rows if name in (r.letter, r.method)]
        if len(found) != 1:
            raise KeyError(f"Table {self.number} has {len(found)} rows {name!r}")
        return found[0]


class Equation(NamedTuple):
    """A step of the paper, named by `key` in docstrings, tests and chapters (`site.equation_map`)."""

    key: str
    says: str  # formula (LaTeX between dollars) or a few words
    section: str  # where it is printed


class Slip(NamedTuple):
    """A place where the paper contradicts itself or cannot be read."""

    where: str  # table and cell, or section
    printed: str  # what stands there
    found: str  # what the paper's other numbers say
    table: int | None = None
    method: str = ""


def _table(marks: list[str], values: list[str], rows: list[list[Any]], **stated: Any) -> Table:
    """A table as paper.toml has it: `marks` and `values` head the columns of `rows`."""
    made = []
    for method, source, used, *printed in rows:
        by_mark = dict(zip(marks, used.split(), strict=True))
        cells = (None if cell == "-" else cell for cell in printed)
        by_column = dict(zip(values, cells, strict=True))
        named = (source, "") if isinstance(source, int) else (None, source)
        made.append(Row(method, by_mark, by_column, *named))
    return Table(rows=made, **stated)


_DATA = assets.table("experiments/paper.toml")
SIZES: Mapping[str, Any] = _DATA["sizes"]
TRAINING: Mapping[str, Any] = _DATA["training"]
RUNTIME: Mapping[str, Any] = _DATA["runtime"]
PROTOCOLS: Mapping[str, Mapping[str, Any]] = _DATA["protocols"]
TABLES = {table["number"]: _table(**table) for table in _DATA["tables"]}
REFERENCES = {int(number): key for number, key in _DATA["references"].items()}
EQUATIONS = (
    *(Equation(key, *step) for key, step in _DATA["equations"].items()),
    *(Equation(f"Table {n}", f"Table {n}", "5") for n in TABLES),
)
SLIPS = tuple(Slip(**slip) for slip in _DATA["slips"])
