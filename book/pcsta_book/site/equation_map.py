"""Where each equation of the paper is computed, explained and tested: read off the sources.

A function, class or test that stands for an equation names it in parentheses in the first line of
its docstring: "(eq. 4)", "(eq. 3 to 5)", "(eq. 7; pooling, section 3.3)", "(Table 6)". A chapter
sets a label before the place where it explains one: `(paper-eq-4)=`, `(paper-fusion)=`. The keys
are those of `pcsta_book.experiments.paper.EQUATIONS`.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pcsta_book.experiments.paper import EQUATIONS
from pcsta_book.places import BOOK, ROOT
from pcsta_book.site.contents import notebooks, read

KEYS = tuple(equation.key for equation in EQUATIONS)
Places = dict[str, list[str]]  # key -> where


def keys(docstring: str) -> list[str]:
    """The keys that the first line of a docstring names in parentheses, in their order.

    Raises KeyError for an equation or a table that the paper does not have.
    """
    found = []
    for group in re.findall(r"\(([^()]*)\)", docstring.strip().split("\n", 1)[0]):
        for part in group.split(";"):
            if numbered := re.fullmatch(r"\s*(eq\.|Table)s? (\d(?:(?:, | to | and )\d)*)\s*", part):
                found += [f"{numbered[1]} {n}" for n in _numbers(numbered[2])]
            elif "section" in part:
                found += [key for key in re.split(r",\s*", part.strip()) if key in KEYS]
    for key in found:
        if key not in KEYS:
            raise KeyError(f"the paper has no {key}")
    return found


def _numbers(text: str) -> list[int]:
    numbers = [int(n) for n in re.findall(r"\d", text)]
    return list(range(numbers[0], numbers[1] + 1)) if " to " in text else numbers


def label(key: str) -> str:
    """What a chapter writes before the place that explains an equation: "eq. 4" -> "paper-eq-4"."""
    return "paper-" + re.sub(r"\W+", "-", key).strip("-").lower()


def documented(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, docstring) of the functions, classes and methods of a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + child.name, ast.get_docstring(child) or ""
            yield from documented(child, f"{prefix}{child.name}.")


def computed() -> Places:
    """Dotted names of the objects of both packages."""
    found = defaultdict(list)
    for folder, package in ((ROOT, "pcsta"), (BOOK, "pcsta_book")):
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            module = ".".join(parts).removesuffix(".__init__")
            for name, docstring in documented(ast.parse(path.read_text("utf-8"))):
                for key in keys(docstring):
                    found[key].append(f"{module}.{name}")
    return found


def tested() -> Places:
    """Tests, as "test_file.py::test_name"."""
    found = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, docstring in documented(ast.parse(path.read_text("utf-8"))):
            for key in keys(docstring) if name.startswith("test_") else ():
                found[key].append(f"{path.name}::{name}")
    return found


def explained(book: Path) -> Places:
    """Names of the chapters (without suffix) that hold the equation's label."""
    found = defaultdict(list)
    labels = {label(key): key for key in KEYS}
    for path in notebooks(book):
        text = "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
        for name in re.findall(r"^\(([\w-]+)\)=\s*$", text, re.M):
            if name in labels:
                found[labels[name]].append(path.stem)
    return found
