"""What every page says about its making: commit, versions, seconds and memory of its chapter.

`{how-long}` on a page becomes a table of all chapters; every page ends with a stamp of its own. No
date: a page that nothing has changed stays the same, byte for byte. Listed as an extension by
`pcsta_book.site.extension`.
"""

from __future__ import annotations

import functools
import os
import platform
import re
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util.docutils import SphinxDirective

from pcsta_book.experiments.records import git_commit


class HowLong(nodes.General, nodes.Element):
    """Where the table goes, once every chapter has run."""


class HowLongDirective(SphinxDirective):
    """`{how-long}`: seconds and memory of every chapter."""

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["how-long"] = True
        return [HowLong()]


def setup(app: Any) -> dict[str, bool]:
    app.add_node(HowLong)
    app.add_directive("how-long", HowLongDirective)
    app.connect("env-updated", _again)
    app.connect("doctree-resolved", _fill)
    app.connect("html-page-context", _stamp)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


# --- the table ------------------------------------------------------------------------------------
def _ran(env: Any, docname: str) -> tuple[float, int | None] | None:
    """Seconds and bytes of a page's code when it last ran; None for a page whose code has not."""
    found: Any = NbMetadataCollector.get_exec_data(env, docname)
    return (found["runtime"], found["memory"]) if found else None


def _again(app: Any, env: Any) -> list[str]:
    """Pages with the table are written again whenever any page is."""
    return [name for name in env.found_docs if env.metadata[name].get("how-long")]


def hardware() -> str:
    """The processor's name, its cores and the machine's memory."""
    name = platform.processor() or platform.machine()
    memory = ""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        name = found[1] if found else name
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError, AttributeError):
        pass  # not Linux
    return f"{name}, {os.cpu_count()} cores{memory}"


def _fill(app: Any, doctree: nodes.document, docname: str) -> None:
    for place in list(doctree.findall(HowLong)):
        place.replace_self(nodes.raw("", format_durations(app, docname), format="html"))


def format_durations(app: Any, docname: str) -> str:
    """Seconds and memory of every page that runs, as HTML."""
    env = app.env
    lines, total = [], 0.0
    for name in _in_order(env):
        ran = _ran(env, name)
        if ran is None:
            continue
        seconds, memory = ran
        total += seconds
        link = app.builder.get_relative_uri(docname, name)
        title = escape(env.titles[name].astext())
        peak = f"{memory / 2**20:.0f}" if memory else "–"
        lines.append(
            f'<tr><td><a href="{link}">{title}</a></td><td>{seconds:.1f}</td><td>{peak}</td></tr>'
        )
    lines.append(f"<tr><td>all</td><td>{total:.0f}</td><td></td></tr>")
    head = "<tr><th>page</th><th>seconds</th><th>memory at most, MiB</th></tr>"
    return (
        f'<table class="table pcsta-how-long"><thead>{head}</thead>'
        f"<tbody>{''.join(lines)}</tbody></table><p>On {escape(hardware())}.</p>"
    )


def _in_order(env: Any) -> list[str]:
    """All pages in the order of the table of contents."""
    order = [env.config.root_doc]
    for name in order:
        order += [child for child in env.toctree_includes.get(name, ()) if child not in order]
    return [name for name in order if name in env.found_docs]


# --- the stamp ------------------------------------------------------------------------------------
def _stamp(app: Any, docname: str, _: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is None or "body" not in context:  # the search page, the index
        return
    parts = [f"commit {_commit()}", f"pcsta {version('pcsta')}"]
    if ran := _ran(app.env, docname):
        parts += [f"torch {version('torch')}", f"Python {platform.python_version()}"]
        parts.append(f"run in {ran[0]:.1f} s")
    context["body"] += f'<p class="pcsta-stamp">{escape(" · ".join(parts))}</p>'


_commit = functools.cache(git_commit)  # asked by every page
