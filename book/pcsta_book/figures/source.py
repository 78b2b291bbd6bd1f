"""Package source inside a chapter, taken from the live object so that it cannot drift."""

import ast
import inspect
import textwrap
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from pcsta_book.places import ROOT


def source(obj: Any, docstring: bool = True) -> Markdown:
    """The source of a function, class, method or module as highlighted code, with its place.

    docstring: False leaves that of a function or class out, where the text has just said it.
    Raises TypeError for objects without Python source (numbers, arrays, instances).
    """
    obj = inspect.unwrap(obj)  # what is behind a decorator
    lines, first = inspect.getsourcelines(obj)
    if not docstring and obj.__doc__ and not inspect.ismodule(obj):
        defined: Any = ast.parse(textwrap.dedent("".join(lines))).body[0]
        text = defined.body[0]
        del lines[text.lineno - 1 : text.end_lineno]
    code = textwrap.dedent("".join(lines)).rstrip()
    path = Path(inspect.getsourcefile(obj) or "").resolve()
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    where = f"`{place}`" + (f", line {first}" if first else "")
    return Markdown(f"{where}\n\n```python\n{code}\n```")  # type: ignore[no-untyped-call]
