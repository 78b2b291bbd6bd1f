"""Appendices that are generated at every build from the one place that knows.

A page holds a line `<!-- made here: NAME -->`; NAME is one of `PAGES` below, and its Markdown is put
in that line's place while Sphinx reads the page. Listed as an extension by `pcsta_book.site.extension`.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcsta.data.clip import HANDS
from pcsta_book.experiments import paper
from pcsta_book.figures.notation import AXES, SYMBOLS, short
from pcsta_book.figures.style import HAND_COLOURS, HAND_LINES, HAND_MARKERS
from pcsta_book.places import ROOT
from pcsta_book.site import equation_map as equations

MADE_HERE = re.compile(r"^<!-- made here: ([\w-]+) -->$", re.M)
EXERCISE = re.compile(r"^\*\*(\d+)\.", re.M)
SHAPES = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle"}
LINES = {"-": "solid", "--": "dashed", "-.": "dash and dot", ":": "dotted"}


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    rows = [head, ["---"] * len(head), *map(list, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# --- notation -----------------------------------------------------------------------------------
def axes(_: Path) -> str:
    """What the letters of a shape count."""
    return table(
        ("axis", "the paper's size", "counts"), ((f"${a}$", size, says) for a, size, says in AXES)
    )


def symbols(_: Path) -> str:
    """The table of symbols."""

    def shape(text: str) -> str:
        axes = [r"T \cdot N" if axis == "TN" else axis for axis in text.split()]
        return f"$({', '.join(axes)})$" if axes else ""

    found = table(
        ("paper", "code", "shape", "what it is"),
        (
            (
                f"${s.latex}$",
                ", ".join(f"`{name}`" for name in dict.fromkeys(map(short, s.code))),
                shape(s.shape),
                s.says,
            )
            for s in SYMBOLS
        ),
    )
    return f"::::{{div}} pcsta-symbols\n{found}\n::::"


def hands(_: Path) -> str:
    """Name, colour, marker and line of every hand, as `pcsta_book.figures` draws them."""
    return table(
        ("hand", "colour", "marker", "line"),
        (
            (
                f"**{name}**",
                f'<span class="pcsta-swatch" style="background:{colour}"></span> `{colour}`',
                SHAPES[marker],
                LINES[line],
            )
            for name, colour, marker, line in zip(
                HANDS, HAND_COLOURS, HAND_MARKERS, HAND_LINES, strict=True
            )
        ),
    )


# --- equations ----------------------------------------------------------------------------------
def equation_map(book: Path) -> str:
    """Where each equation is printed, explained, computed and tested.

    Raises LookupError when one of them is nowhere explained, computed or tested.
    """
    computed, tested = equations.computed(ROOT), equations.tested(ROOT)
    explained = equations.explained(book)
    lines = []
    for one in paper.EQUATIONS:
        for what, found in (("code", computed), ("tests", tested), ("chapters", explained)):
            if one.key not in found:
                raise LookupError(
                    f"{one.key}: no {what} name it; see pcsta_book/site/equation_map.py"
                )
        number = one.key.removeprefix("eq. ")
        numbered = f"({number}) " if number != one.key else ""
        lines.append(
            (
                numbered + one.says,
                one.section,
                ", ".join(
                    f"[{chapter_number(name)}](#{equations.label(one.key)})"
                    for name in explained[one.key]
                ),
                "<br>".join(f"`{name}`" for name in computed[one.key]),
                "<br>".join(f"`{name.replace('::', '`<br>`')}`" for name in tested[one.key]),
            )
        )
    heads = ("equation or step", "section", "chapter", "code", "test")
    return f"::::{{div}} pcsta-map\n{table(heads, lines)}\n::::"


def chapter_number(name: str) -> str:
    """What a link to a chapter says: "06-spatial-attention" -> "chapter 6"."""
    head = name.split("-", 1)[0]
    return f"chapter {int(head)}" if head.isdigit() else name


# --- solutions ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Exercise:
    """An exercise with its folded solution, as a chapter holds them."""

    chapter: str  # file name without suffix
    number: int
    statement: str  # Markdown, without its hints
    solution: str  # code; "" where no cell is tagged

    @property
    def label(self) -> str:
        return f"exercise-{self.chapter.split('-', 1)[0]}-{self.number}"


def _cells(notebook: str) -> Iterator[tuple[str, str, list[str]]]:
    for cell in json.loads(notebook)["cells"]:
        yield cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])


def exercises(chapter: str, notebook: str) -> list[Exercise]:
    """All exercises of a chapter, in order.

    chapter: its file name without suffix         notebook: the text of its file
    """
    found: list[Exercise] = []
    for kind, text, tags in _cells(notebook):
        if kind == "markdown":
            begins = [m.start() for m in EXERCISE.finditer(text)]
            for begin, end in itertools.pairwise([*begins, len(text)]):
                statement = re.split(r"^:::|^\*Hint", text[begin:end], maxsplit=1, flags=re.M)[0]
                number = EXERCISE.match(text[begin:])
                assert number is not None
                found.append(Exercise(chapter, int(number[1]), statement.strip(), ""))
        elif "solution" in tags and found:
            last = found.pop()
            solution = f"{last.solution}\n\n{text}".strip()
            found.append(Exercise(chapter, last.number, last.statement, solution))
    return [one for one in found if one.solution]


def solutions(book: Path) -> str:
    """Every exercise that has a solution: its words, a link to it, and the code."""
    parts = []
    for path in chapters(book):
        notebook = path.read_text("utf-8")
        found = exercises(path.stem, notebook)
        if not found:
            continue
        title = next(text for kind, text, _ in _cells(notebook) if kind == "markdown")
        parts.append("## " + title.strip().splitlines()[0].lstrip("# "))
        for one in found:
            parts += [
                f"[Exercise {one.number}](#{one.label})",
                "\n".join(f"> {line}".rstrip() for line in one.statement.splitlines()),
                f"```python\n{one.solution}\n```",
            ]
    return "\n\n".join(parts)


def chapters(book: Path) -> list[Path]:
    """The notebooks that the table of contents lists, in its order."""
    listed = re.findall(r"file: (\S+)", (book / "_toc.yml").read_text("utf-8"))
    return [path for name in listed if (path := book / f"{name}.ipynb").exists()]


# --- the paper's references, the changelog --------------------------------------------------------
def compared(book: Path) -> str:
    """The methods of Tables 1 to 3, the paper's number of each reference, and the work itself.

    Where it appeared stands beside it: three of the works have one first author and one year.
    """
    entries = (book / "references.bib").read_text("utf-8")

    def appeared(key: str) -> str:
        where = rf"^@\w+{{{key},[^@]*?^  (?:booktitle|journal) = {{(.*)}},$"
        found = re.search(where, entries, re.M)
        assert found is not None, f"references.bib says nowhere where {key} appeared"
        return re.sub("[{}]", "", found[1])

    lines: dict[tuple[int, str], list[str]] = {}
    for number in (1, 2, 3):
        for row in paper.TABLES[number].rows:
            if row.reference is not None:
                where = lines.setdefault((row.reference, row.method), [])
                where.append(str(number))
    return table(
        ("method", "table", "the paper's number", "work"),
        (
            (method, ", ".join(where), f"[{number}]", f"{{cite:t}}`{key}`, {appeared(key)}")
            for (number, method), where in sorted(lines.items())
            for key in (paper.REFERENCES[number],)
        ),
    )


def changelog(_: Path) -> str:
    """The repository's changelog below this page's own title."""
    text = (ROOT / ".github" / "CHANGELOG.md").read_text("utf-8")
    return text.split("\n", 1)[1].strip()


PAGES: dict[str, Callable[[Path], str]] = {
    "axes": axes,
    "symbols": symbols,
    "hands": hands,
    "equations": equation_map,
    "solutions": solutions,
    "compared": compared,
    "changelog": changelog,
}


# --- the Sphinx extension -------------------------------------------------------------------------
def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(app: Any, docname: str, source: list[str]) -> None:
    book = Path(app.srcdir)
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = with_labels(docname, source[0])
        return
    made = MADE_HERE.findall(source[0])
    if made:
        source[0] = MADE_HERE.sub(lambda m: PAGES[m[1]](book), source[0])
    # what the page is made of: a change there makes it again (a change of the package makes all)
    if "solutions" in made or "equations" in made:
        for path in [*chapters(book), book / "_toc.yml"]:
            app.env.note_dependency(path)
    if "equations" in made:
        for path in (ROOT / "tests").rglob("test_*.py"):
            app.env.note_dependency(path)
    if "changelog" in made:
        app.env.note_dependency(ROOT / ".github" / "CHANGELOG.md")


def with_labels(chapter: str, notebook: str) -> str:
    """The notebook with a label before every exercise, and a name on every folded solution.

    The labels are for links from the solutions. Without the name, a solution would look like any
    other folded cell.
    """
    label = functools.partial(Exercise, chapter, statement="", solution="")
    document = json.loads(notebook)
    for cell in document["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = EXERCISE.sub(
                lambda m: f"({label(number=int(m[1])).label})=\n\n{m[0]}", text
            )
        elif "solution" in cell["metadata"].get("tags", []):
            named = {
                "code_prompt_show": "Show the solution",
                "code_prompt_hide": "Hide the solution",
            }
            cell["metadata"]["mystnb"] = cell["metadata"].get("mystnb", {}) | named
    return json.dumps(document)
