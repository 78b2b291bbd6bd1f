"""A confusion matrix: a plain one, and one whose cells are buttons that show a clip of the cell.

The second is a table of radio buttons; the style sheet that comes with it displays the picture of
the chosen one. It needs neither a kernel nor a script, and the keyboard works as in any form.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import HTML
from jaxtyping import Float, Int, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from pcsta_book import assets
from pcsta_book.figures.pictures import inline
from pcsta_book.figures.style import CHOSEN, INK

Cell = tuple[int, int]  # true class, said class
DARKEST = 0.5  # of the colour map: dark letters stay legible on it


def confusion(
    ax: Axes, matrix: Float[np.ndarray, "C C"] | np.ndarray, classes: Sequence[str]
) -> None:
    """Confusion matrix: rows true classes, columns predicted ones, shares of the row in per cent.

    matrix: (C, C) counts. A class without clips keeps an empty row.
    """
    matrix = np.asarray(matrix, float)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"matrix {matrix.shape} does not fit {len(classes)} classes")
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
    if len(classes) <= 20:  # beyond that the numbers would not be readable
        for row, column in zip(*np.nonzero(share >= 0.5), strict=True):
            ax.text(
                column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=7,
                color="white" if share[row, column] > 55 else INK,
            )  # fmt: skip
    ax.set_xticks(range(len(classes)), classes, rotation=90)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted", ylabel="true")


def confusion_cells(
    matrix: Int[np.ndarray, "C C"],
    classes: Sequence[str],
    clips: Mapping[Cell, tuple[UInt8[np.ndarray, "_ _ 3"], str]],
    groups: Sequence[str] | None = None,
) -> HTML:
    """A confusion matrix in which the reader chooses a cell and sees one of its clips.

    matrix:  (C, C) counts, rows true classes, columns what was said
    classes: (C,) names of the rows and columns
    clips:   (row, column) -> a picture of one clip of that cell, and a caption. Cells without an
             entry cannot be chosen. Beside a mistake stands a clip that rightly got the same
             answer, where `clips` has one: the two should look alike.
    groups:  (C,) what the classes have in common, e.g. the motion; classes of a group stand
             beside each other, and cells inside a group have a purple frame around them

    Raises ValueError when the sizes differ or a clip is given for an empty cell.
    """
    count = len(classes)
    if matrix.shape != (count, count) or (groups is not None and len(groups) != count):
        raise ValueError(f"matrix {matrix.shape} does not fit {count} classes")
    if empty := [cell for cell in clips if matrix[cell] == 0]:
        raise ValueError(f"no clip can stand in the empty cell {empty[0]}")

    mistakes = [cell for cell in clips if cell[0] != cell[1]]
    chosen = max(mistakes or clips, key=lambda cell: matrix[cell], default=None)

    def look_up(true: int, said: int) -> dict[str, Any]:
        picture, caption = clips.get((true, said), (None, ""))
        how = "recognised" if true == said else f"taken for {classes[said]}"
        return {
            "key": f"{true}-{said}", "right": f"{said}-{said}", "chosen": (true, said) == chosen,
            "count": int(matrix[true, said]), "what": f"{classes[true]}, {how}", "caption": caption,
            "look": _look(matrix, (true, said), groups),
            "address": "" if picture is None else inline(picture),
        }  # fmt: skip

    cells = [[look_up(true, said) for said in range(count)] for true in range(count)]
    # a mistake before what it is compared with, whatever the order of the answers
    order = sorted(clips, key=lambda cell: cell[0] == cell[1])
    digest = hashlib.sha256(matrix.tobytes() + repr(classes).encode()).hexdigest()
    page = assets.html(
        "figures/confusion_cells.html", name=f"cells-{digest[:8]}", ink=INK, chosen=CHOSEN,
        classes=classes, cells=cells, choices=[cells[true][said] for true, said in order],
    )  # fmt: skip
    return HTML(page)  # type: ignore[no-untyped-call]


def _look(matrix: np.ndarray, cell: Cell, groups: Sequence[str] | None) -> str:
    """The ground, whose shade is the cell's share of its row, and the frame of its group."""
    row, column = cell
    share = matrix[cell] / max(int(matrix[row].sum()), 1)
    style = f"background:{to_hex(colormaps['Blues'](DARKEST * share))}"
    if groups is not None and groups[row] == groups[column]:
        sides = {"top": (row, -1), "bottom": (row, 1), "left": (column, -1), "right": (column, 1)}
        for side, (index, step) in sides.items():
            beside = index + step
            if not 0 <= beside < len(groups) or groups[beside] != groups[index]:
                style += f";border-{side}:2px solid {CHOSEN}"
    return style
