"""A confusion matrix whose cells are buttons: choosing one shows a clip that fell into it.

The matrix is a table, its cells are radio buttons, and the style sheet that comes with it displays
the picture of the chosen one. So it needs neither a kernel nor a script, and the keyboard works as
in any form: Tab reaches the matrix, the arrow keys go from cell to cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from IPython.display import HTML
from jaxtyping import Int, UInt8
from matplotlib import colormaps
from matplotlib.colors import to_hex

from pcsta_book.figures.pictures import inline
from pcsta_book.figures.style import CHOSEN, INK

Cell = tuple[int, int]  # true class, said class
DARKEST = 0.5  # of the colour map: dark letters stay legible on it

# {0} is the id of one matrix: a page may hold several
STYLE = """
#{0} {{ background: white; color: {2}; padding: 4px; }}  /* under the dark theme, too */
#{0} .scroll {{ overflow-x: auto; padding: 2px; }}
#{0} table {{ border-collapse: collapse; font-size: 0.78rem; line-height: 1; margin: 0; width: auto; }}
#{0} th {{ font-weight: 400; padding: 2px 4px; text-align: right; border: 0; }}
#{0} thead th {{ writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; max-height: 9em; }}
#{0} tbody th {{ position: sticky; left: 0; z-index: 1; max-width: 8em; background: white; }}
#{0} td {{ position: relative; min-width: 26px; height: 26px; padding: 0; text-align: center; border: 1px solid #ddd; }}
#{0} input {{ position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }}
#{0} td:has(:checked) {{ outline: 3px solid {1}; outline-offset: -1px; font-weight: 700; }}
#{0} td:has(:focus-visible) {{ outline: 3px dashed {1}; outline-offset: 1px; }}
#{0} .clips {{ display: flex; flex-wrap: wrap; gap: 0.8em; margin-top: 0.8em; }}
#{0} figure {{ display: none; flex: 1 1 300px; max-width: 640px; margin: 0; }}
#{0} figure img {{ display: block; width: 100%; }}
#{0} figcaption {{ font-size: 0.9rem; line-height: 1.4; text-align: left; margin: 0; }}
@media print {{ #{0} .scroll {{ overflow: visible; }} #{0} tr, #{0} figure {{ break-inside: avoid; }} }}
"""


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
             beside each other, and cells inside a group have an orange frame around them

    Raises ValueError when the sizes differ or a clip is given for an empty cell.
    """
    count = len(classes)
    if matrix.shape != (count, count) or (groups is not None and len(groups) != count):
        raise ValueError(f"matrix {matrix.shape} does not fit {count} classes")
    if empty := [cell for cell in clips if matrix[cell] == 0]:
        raise ValueError(f"no clip can stand in the empty cell {empty[0]}")

    name = "cells-" + hashlib.sha256(matrix.tobytes() + repr(classes).encode()).hexdigest()[:8]
    mistakes = [cell for cell in clips if cell[0] != cell[1]]
    chosen = max(mistakes or clips, key=lambda cell: matrix[cell], default=None)

    def what(cell: Cell) -> str:
        true, said = (classes[c] for c in cell)
        return f"{true}, recognised" if true == said else f"{true}, taken for {said}"

    def button(cell: Cell) -> str:
        count = f"{matrix[cell]} {'clip' if matrix[cell] == 1 else 'clips'}"
        return (
            f'<input type="radio" name="{name}" value="{cell[0]}-{cell[1]}"'
            f' aria-label="{escape(what(cell), quote=True)}: {count}"'
            f"{' checked' if cell == chosen else ''}>"
        )

    def figure(cell: Cell) -> str:
        picture, caption = clips[cell]
        text = escape(f"{what(cell)}: {caption}", quote=True)
        return (
            f'<figure data-cell="{cell[0]}-{cell[1]}"><figcaption>{text}</figcaption>'
            f'<img src="{inline(picture)}" alt="{text}"></figure>'
        )

    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in classes)
    rows = ""
    for row, label in enumerate(classes):
        rows += f'<tr><th scope="row">{escape(label)}</th>'
        for cell in ((row, column) for column in range(count)):
            text = str(matrix[cell]) if matrix[cell] else ""
            text += button(cell) if cell in clips else ""
            rows += f'<td style="{_look(matrix, cell, groups)}">{text}</td>'
        rows += "</tr>"
    style = STYLE.format(name, CHOSEN, INK) + "".join(
        f"#{name}:has([value='{row}-{column}']:checked) "
        f":is([data-cell='{row}-{column}'], [data-cell='{column}-{column}']) {{ display: block; }}\n"
        for row, column in clips
    )
    # a mistake before what it is compared with, whatever the order of the answers
    figures = "".join(map(figure, sorted(clips, key=lambda cell: cell[0] == cell[1])))
    return HTML(  # type: ignore[no-untyped-call]
        f'<div class="pcsta-cells" id="{name}"><style>{style}</style><p>Rows: what was done. Columns: '
        "what the model said. Numbers: clips. Choose a cell.</p>"
        '<div class="scroll"><table aria-label="confusion matrix">'
        f'<thead><tr><td style="border:0"></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<div class="clips" aria-live="polite">{figures}</div></div>'
    )


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
