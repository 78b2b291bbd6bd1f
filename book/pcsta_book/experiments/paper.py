"""The paper as data: sizes (section 4), protocols (section 5), equations, Tables 1 to 6.

Fabien Baradel, Christian Wolf and Julien Mille: Pose-conditioned Spatio-Temporal Attention for
Human Action Recognition, arXiv 1703.10106, 2017. Numbers stand as printed, in paper.toml beside
this file. Where the paper contradicts itself, the printed value is kept and `SLIPS` says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any


def _tuples(value: Any) -> Any:
    """A value of a TOML file whose lists have become tuples, at any depth."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


_DATA = _tuples(tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")))


@dataclass(frozen=True)
class Protocol:
    """How one dataset is split and cropped; `train` is None where section 5 cites a list."""

    dataset: str
    classes: int
    protocols: tuple[str, ...]
    crop: int  # pixels, before resizing to 299
    sensor: str
    videos: int | None = None  # as stated; None where the paper gives "more than 56K"
    train: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Row:
    """One line of a table.

    method:     what is compared
    reference:  number in the paper's bibliography, None for its own
    marks:      "X" used, "-" not used, "o" used for the attention only; by column
    values:     accuracy in percent as printed, None where the paper prints "-"; by column
    letter:     the paper's letter in Table 6
    """

    method: str
    marks: Mapping[str, str]
    values: Mapping[str, float | None]
    reference: int | None = None
    letter: str = ""

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
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """The row of this letter or method. Raises KeyError when there is none, or several."""
        found = [r for r in self.rows if name in (r.letter, r.method)]
        if len(found) != 1:
            raise KeyError(f"Table {self.number} has {len(found)} rows {name!r}")
        return found[0]


@dataclass(frozen=True)
class Equation:
    """A step of the paper, named by `key` in docstrings, tests and chapters (`site.equation_map`).

    says:    formula (LaTeX between dollars) or a few words      section: where it is printed
    """

    key: str
    says: str
    section: str


@dataclass(frozen=True)
class Slip:
    """A place where the paper contradicts itself or cannot be read.

    where:  table and cell, or section      printed: what stands there
    found:  what the paper's other numbers say
    """

    where: str
    printed: str
    found: str
    table: int | None = None
    method: str = ""


def _table(
    number: int, title: str, dataset: str,
    marks: tuple[str, ...], values: tuple[str, ...], rows: tuple[tuple[Any, ...], ...],
) -> Table:  # fmt: skip
    """A table as paper.toml has it: `marks` and `values` head the columns of `rows`."""
    made = []
    for method, source, used, *printed in rows:
        cells = (None if cell == "-" else cell for cell in printed)
        made.append(
            Row(
                method,
                dict(zip(marks, used.split(), strict=True)),
                dict(zip(values, cells, strict=True)),
                source if isinstance(source, int) else None,
                source if isinstance(source, str) else "",
            )
        )
    return Table(number, title, dataset, tuple(made))


SOURCE: str = _DATA["source"]
SIZES: Mapping[str, object] = _DATA["sizes"]
TRAINING: Mapping[str, object] = _DATA["training"]
RUNTIME: Mapping[str, object] = _DATA["runtime"]
PROTOCOLS: Mapping[str, Protocol] = {
    name: Protocol(**stated) for name, stated in _DATA["protocols"].items()
}
TABLES: Mapping[int, Table] = {table["number"]: _table(**table) for table in _DATA["tables"]}
REFERENCES: Mapping[int, str] = {int(n): key for n, key in _DATA["references"].items()}
EQUATIONS = (
    *(Equation(key, *step) for key, step in _DATA["equations"].items()),
    *(Equation(f"Table {n}", f"Table {n}", "5") for n in TABLES),
)
SLIPS = tuple(Slip(**slip) for slip in _DATA["slips"])
