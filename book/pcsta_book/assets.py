"""Files beside the modules that use them: tables in TOML, HTML that Python fills in."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jinja2

HERE = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined
)


def table(name: str) -> dict[str, Any]:
    """The content of a TOML file, e.g. "figures/notation.toml"."""
    return tomllib.loads((HERE / name).read_text("utf-8"))


def html(template: str, **values: Any) -> str:
    """A template of Jinja, e.g. "figures/player.html", with its values, which are escaped."""
    return _TEMPLATES.get_template(template).render(values)
