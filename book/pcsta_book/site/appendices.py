"""Appendices that are generated at every build from the one place that knows.

A page holds a line `<!-- made here: NAME -->`; NAME is one of `PAGES` below, and its Markdown is put
in that line's place while Sphinx reads the page. Listed as an extension by `pcsta_book.site.extension`.
"""

import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from pcsta.data.clip import HANDS
from pcsta_book.experiments import paper
from pcsta_book.figures.notation import AXES, SYMBOLS, short
from pcsta_book.figures.style import HAND_COLOURS, HAND_LINES, HAND_MARKERS
from pcsta_book.places import ROOT
from pcsta_book.site import equation_map, execute
from pcsta_book.site.contents import notebooks, read

MADE_HERE = re.compile(r"^<!-- made here: ([\w-]+) -->$", re.M)
EXERCISE = re.compile(r"^\*\*(\d+)\.", re.M)
HINT = re.compile(r"^:::|^\*Hint", re.M)
SHAPES = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle"}
LINES = {"-": "solid", "--": "dashed", "-.": "dash and dot", ":": "dotted"}
CHANGELOG = ROOT / ".github" / "CHANGELOG.md"


def table(head: Iterable[str], lines: Iterable[Iterable[str]], style: str = "") -> str:
    """A Markdown table, in a box that the style sheet knows where `style` names it."""
    head = list(head)
    rows = [head, ["---"] * len(head), *map(list, lines)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"::::{{div}} {style}\n{text}\n::::" if style else text


# --- notation -----------------------------------------------------------------------------------
def axes(_: Path) -> str:
    """What the letters of a shape count."""
    lines = ((f"${axis['letter']}$", axis["size"], axis["counts"]) for axis in AXES)
    return table(("axis", "the paper's size", "counts"), lines)


def symbols(_: Path) -> str:
    """The table of symbols."""
    lines = []
    for one in SYMBOLS:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(map(short, one.code)))
        shape = ", ".join(one.shape.split()).replace("TN", r"T \cdot N")
        lines.append((f"${one.latex}$", names, f"$({shape})$" if shape else "", one.says))
    return table(("paper", "code", "shape", "what it is"), lines, "pcsta-symbols")


def hands(_: Path) -> str:
    """Name, colour, marker and line of every hand, as `pcsta_book.figures` draws them."""
    lines = [
        (
            f"**{name}**",
            f'<span class="pcsta-swatch" style="background:{colour}"></span> `{colour}`',
            SHAPES[marker],
            LINES[line],
        )
        for name, colour, marker, line in zip(
            HANDS, HAND_COLOURS, HAND_MARKERS, HAND_LINES, strict=True
        )
    ]
    return table(("hand", "colour", "marker", "line"), lines)


# --- equations ----------------------------------------------------------------------------------
def equations(book: Path) -> str:
    """Where each equation is printed, explained, computed and tested.

    Raises LookupError when one of them is nowhere explained, computed or tested.
    """
    places = {
        "code": equation_map.computed(),
        "tests": equation_map.tested(),
        "chapters": equation_map.explained(book),
    }
    lines = []
    for one in paper.EQUATIONS:
        for what, found in places.items():
            if one.key not in found:
                raise LookupError(
                    f"{one.key}: no {what} name it; see pcsta_book/site/equation_map.py"
                )
        code, tests, chapters = (found[one.key] for found in places.values())
        number = one.key.removeprefix("eq. ")
        label = equation_map.label(one.key)
        lines.append(
            (
                (f"({number}) " if number != one.key else "") + one.says,
                one.section,
                ", ".join(f"[{chapter_number(name)}](#{label})" for name in chapters),
                "<br>".join(map(breakable, code)),
                "<br>".join(breakable(part) for name in tests for part in name.split("::")),
            )
        )
    return table(("equation or step", "section", "chapter", "code", "test"), lines, "pcsta-map")


def breakable(name: str) -> str:
    """A name as code that a narrow cell breaks between its words."""
    return '<code class="literal">' + re.sub(r"([._])", r"\1<wbr>", name) + "</code>"


def chapter_number(name: str) -> str:
    """What a link to a chapter says: "06-spatial-attention" -> "chapter 6"."""
    head = name.split("-", 1)[0]
    return f"chapter {int(head)}" if head.isdigit() else name


# --- solutions ----------------------------------------------------------------------------------
@dataclass
class Exercise:
    """An exercise with its folded solution, as a chapter holds them."""

    number: int
    statement: str  # Markdown, without its hints
    solution: list[str]  # the code of its cells


def exercises(chapter: Path) -> list[Exercise]:
    """All exercises of a chapter that have a solution, in order."""
    found: list[Exercise] = []
    for cell in read(chapter).cells:
        if cell.cell_type == "markdown":
            _, *pieces = EXERCISE.split(cell.source)  # number, words, number, words, ...
            for number, words in zip(pieces[::2], pieces[1::2], strict=True):
                statement = f"**{number}.{HINT.split(words)[0]}".strip()
                found.append(Exercise(int(number), statement, []))
        elif "solution" in cell.metadata.get("tags", []) and found:
            found[-1].solution.append(cell.source)
    return [one for one in found if one.solution]


def exercise_label(chapter: str, number: int | str) -> str:
    return f"exercise-{chapter.split('-', 1)[0]}-{number}"


def solutions(book: Path) -> str:
    """Every exercise that has a solution: its words, a link to it, and the code."""
    parts = []
    for path in notebooks(book):
        for i, one in enumerate(exercises(path)):
            if i == 0:
                parts.append(
                    "## " + read(path).cells[0].source.strip().splitlines()[0].lstrip("# ")
                )
            code = "\n\n".join(one.solution).strip()
            parts += [
                f"[Exercise {one.number}](#{exercise_label(path.stem, one.number)})",
                "\n".join(f"> {line}".rstrip() for line in one.statement.splitlines()),
                f"```python\n{code}\n```",
            ]
    return "\n\n".join(parts)


def with_labels(chapter: str, notebook: str) -> str:
    """The notebook with a label before every exercise, a name on every folded check and solution.

    The labels are for links from the solutions. Without the name, a solution would look like any
    other folded cell.
    """
    document = nbformat.reads(notebook, 4)
    for cell in document.cells:
        if cell.cell_type == "markdown":
            label = exercise_label(chapter, r"\1")
            cell.source = EXERCISE.sub(rf"({label})=\n\n\g<0>", cell.source)
            continue
        solution = "solution" in cell.metadata.get("tags", [])
        if solution or "\n@exercise" in f"\n{cell.source}":
            what = "the solution" if solution else "the check"
            names = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}
            cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | names
    return nbformat.writes(document)


# --- the paper's references, the changelog --------------------------------------------------------
def compared(book: Path) -> str:
    """The methods of Tables 1 to 3, the paper's number of each reference, and the work itself.

    Where it appeared stands beside it: three of the works have one first author and one year.
    """
    entries = (book / "references.bib").read_text("utf-8")
    tables: dict[tuple[int, str], list[str]] = {}
    for number in (1, 2, 3):
        for row in paper.TABLES[number].rows:
            if row.reference is not None:
                tables.setdefault((row.reference, row.method), []).append(str(number))
    lines = []
    for (number, method), where in sorted(tables.items()):
        key = paper.REFERENCES[number]
        venue = rf"^@\w+{{{key},[^@]*?^  (?:booktitle|journal) = {{(.*)}},$"
        appeared = re.search(venue, entries, re.M)
        assert appeared is not None, f"references.bib says nowhere where {key} appeared"
        work = f"{{cite:t}}`{key}`, {re.sub('[{}]', '', appeared[1])}"
        lines.append((method, ", ".join(where), f"[{number}]", work))
    return table(("method", "table", "the paper's number", "work"), lines)


def changelog(_: Path) -> str:
    """The repository's changelog below this page's own title."""
    return CHANGELOG.read_text("utf-8").split("\n", 1)[1].strip()


# --- how long -------------------------------------------------------------------------------------
def how_long(book: Path) -> str:
    """Seconds and memory of every page that runs, as they were when it last ran."""
    lines, total = [], 0.0
    for path in notebooks(book):
        if told := execute.told(path):
            total += told["seconds"]
            memory = f"{told['memory'] / 2**20:.0f}" if told["memory"] else "–"
            lines.append((f"[]({path.name})", f"{told['seconds']:.1f}", memory))
    lines.append(("all", f"{total:.0f}", ""))
    head = ("page", "seconds", "memory at most, MiB")
    return f"{table(head, lines, 'pcsta-how-long')}\n\nOn {hardware()}."


def hardware() -> str:
    """The processor's name, its cores and the machine's memory."""
    name, memory = platform.processor() or platform.machine(), ""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        name = found[1] if found else name
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError, AttributeError):
        pass  # not Linux
    return f"{name}, {os.cpu_count()} cores{memory}"


PAGES: dict[str, Callable[[Path], str]] = {
    "axes": axes,
    "symbols": symbols,
    "hands": hands,
    "equations": equations,
    "solutions": solutions,
    "compared": compared,
    "changelog": changelog,
    "how-long": how_long,
}


# --- the Sphinx extension -------------------------------------------------------------------------
def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(app: Any, docname: str, source: list[str]) -> None:
    book = Path(app.srcdir)
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = with_labels(docname, source[0])
    elif MADE_HERE.search(source[0]):
        source[0] = MADE_HERE.sub(lambda m: PAGES[m[1]](book), source[0])
        # what it may be made of: a change there makes it again (one of the package makes all)
        chapters = notebooks(book)
        tests = (ROOT / "tests").rglob("test_*.py")
        for path in (book / "_toc.yml", CHANGELOG, *chapters, *map(execute.kept, chapters), *tests):
            app.env.note_dependency(path)
