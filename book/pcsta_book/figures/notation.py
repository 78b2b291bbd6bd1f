"""Notation: one table for prose, code and figures; the appendix and the axis labels come from here.

Shapes are written as jaxtyping writes them; where an axis has a size in the paper, that size.
"""

import re
from dataclasses import dataclass

from pcsta_book import assets


@dataclass(frozen=True)
class Symbol:
    """One line of the table.

    latex:  the paper's symbol
    code:   what the code calls it: dotted name of a class or function, or of its field; a colon
            before a parameter or variable
    shape:  axes, "" for what is not an array
    says:   what it is
    """

    latex: str
    code: list[str]
    shape: str
    says: str


_TABLE = assets.table("figures/notation.toml")
AXES: list[dict[str, str]] = _TABLE["axes"]  # letter, the paper's size, what it counts
SYMBOLS = [Symbol(**line) for line in _TABLE["symbols"]]


def symbol(name: str) -> str:
    """The paper's symbol of a code name as matplotlib writes it: "temporal_attention" -> "$p'$".

    Raises KeyError for a name that the table does not have.
    """
    for one in SYMBOLS:
        if name in map(short, one.code):
            plain = one.latex.replace(r"\boldsymbol ", "")
            return f"${plain}$"
    raise KeyError(f"no {name!r} in the notation")


def short(code: str) -> str:
    """The last part of a code name: what a reader types."""
    return re.split(r"[.:]", code)[-1]
