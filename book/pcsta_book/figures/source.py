"""Package source inside a chapter, taken from the live object so that it cannot drift."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from pcsta_book.places import ROOT


def source(obj: Any, docstring: bool = True) -> Markdown:
    """The source of a function, class, method or module as highlighted code, with its place.

    docstring: False leaves the object's own docstring out, where the text has just said it.
    Raises TypeError for objects without Python source (numbers, arrays, instances).
    """
    obj = inspect.unwrap(obj)  # what is behind a decorator
    lines, first = inspect.getsourcelines(obj)
    code = textwrap.dedent("".join(lines))
    if not docstring:
        code = _without_docstring(code)
    path = Path(inspect.getsourcefile(obj) or "").resolve()
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    where = f"`{place}`" + (f", line {first}" if first else "")
    return Markdown(f"{where}\n\n```python\n{code.rstrip()}\n```")  # type: ignore[no-untyped-call]


def _without_docstring(code: str) -> str:
    tree = ast.parse(code)
    node = tree if ast.get_docstring(tree) else tree.body[0]
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if not isinstance(node, kinds) or ast.get_docstring(node) is None:
        return code
    text = node.body[0]
    lines = code.splitlines()
    del lines[text.lineno - 1 : text.end_lineno]
    return "\n".join(lines)
