"""Where each equation of the paper is computed, explained and tested: read off the sources.

A function, class or test that stands for an equation names it in parentheses in the first line of
its docstring: "(eq. 4)", "(eq. 3 to 5)", "(eq. 7; pooling, section 3.3)", "(Table 6)". A chapter
sets a label before the place where it explains one: `(paper-eq-4)=`, `(paper-fusion)=`. The keys
are those of `pcsta_book.experiments.paper.EQUATIONS`.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pcsta_book.experiments.paper import EQUATIONS

KEYS = tuple(equation.key for equation in EQUATIONS)


def keys(docstring: str) -> list[str]:
    """The keys that the first line of a docstring names in parentheses, in their order.

    Raises KeyError for an equation or a table that the paper does not have.
    """
    found = []
    for group in re.findall(r"\(([^()]*)\)", docstring.strip().split("\n", 1)[0]):
        for part in re.split(r";", group):
            if numbered := re.fullmatch(r"\s*(eq\.|Tables?) (\d(?:(?:, | to | and )\d)*)\s*", part):
                kind = "eq." if numbered[1] == "eq." else "Table"
                found += [f"{kind} {n}" for n in _numbers(numbered[2])]
            elif "section" in part:
                found += [key for key in re.split(r",\s*", part.strip()) if key in KEYS]
    for key in found:
        if key not in KEYS:
            raise KeyError(f"the paper has no {key}")
    return found


def _numbers(text: str) -> list[int]:
    if ends := re.fullmatch(r"(\d) to (\d)", text):
        return list(range(int(ends[1]), int(ends[2]) + 1))
    return [int(n) for n in re.findall(r"\d", text)]


def label(key: str) -> str:
    """What a chapter writes before the place that explains an equation: "eq. 4" -> "paper-eq-4"."""
    return "paper-" + re.sub(r"\W+", "-", key).strip("-").lower()


def documented(path: Path) -> Iterator[tuple[str, str]]:
    """(dotted name, docstring) of the functions, classes and methods of a Python file."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if text := ast.get_docstring(child):
                    yield name, text
                yield from walk(child, f"{name}.")

    yield from walk(ast.parse(path.read_text("utf-8")), "")


def computed(root: Path) -> dict[str, list[str]]:
    """key -> dotted names of the package's objects; `root` is the repository."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in [*sorted((root / "pcsta").rglob("*.py")), *sorted((root / "book").rglob("*.py"))]:
        place = path.relative_to(root / "book" if "book" in path.relative_to(root).parts else root)
        module = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
        for name, docstring in documented(path):
            for key in keys(docstring):
                found[key].append(f"{module}.{name}")
    return found


def tested(root: Path) -> dict[str, list[str]]:
    """key -> tests, as "test_file.py::test_name"."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, docstring in documented(path):
            for key in keys(docstring) if name.startswith("test_") else ():
                found[key].append(f"{path.name}::{name}")
    return found


def explained(book: Path) -> dict[str, list[str]]:
    """key -> names of the chapters (without suffix) that hold the equation's label."""
    found: dict[str, list[str]] = defaultdict(list)
    labels = {label(key): key for key in KEYS}
    for path in sorted(book.glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                for name in re.findall(r"^\(([\w-]+)\)=\s*$", "".join(cell["source"]), re.M):
                    if name in labels:
                        found[labels[name]].append(path.stem)
    return found
