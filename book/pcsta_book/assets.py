"""Files beside the modules that use them: tables in TOML, HTML that Python fills in."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the server says without it that the chapters are not here
    from jinja2 import Environment

HERE = Path(__file__).parent


def table(name: str) -> dict[str, Any]:
    """The content of a TOML file, e.g. "figures/notation.toml"."""
    return tomllib.loads((HERE / name).read_text("utf-8"))


def html(template: str, **values: Any) -> str:
    """A template of Jinja, e.g. "figures/player.html", with its values, which are escaped."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
