"""What every page says about its making: git_commit, versions, seconds and memory of its chapter.

`{how-long}` on a page becomes a table of all chapters; every page ends with a stamp of its own. No
date: a page that nothing has changed stays the same, byte for byte. Listed as an extension by
`pcsta_book.site.build`.
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
from sphinx.util.docutils import SphinxDirective

from pcsta.files import git_commit, read_json, write_json


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
    app.connect("builder-inited", _measure_memory)
    app.connect("env-updated", _again)
    app.connect("doctree-resolved", _fill)
    app.connect("html-page-context", _stamp)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


# --- memory ---------------------------------------------------------------------------------------
def _memory_file(app: Any) -> Path:
    return Path(app.config.nb_execution_cache_path) / "peak-memory.json"


def _measure_memory(app: Any) -> None:
    """Read each kernel's peak before it is shut down, and keep it beside the cached outputs."""
    import jupyter_cache.executors.utils
    from nbclient import NotebookClient

    class Measured(NotebookClient):
        async def _async_cleanup_kernel(self) -> None:
            peak = peak_memory(getattr(self.km.provisioner, "pid", None)) if self.km else None
            if peak is not None:
                file = _memory_file(app)
                known = read_json(file) if file.exists() else {}
                write_json(file, known | {app.env.docname: peak})
            await super()._async_cleanup_kernel()

    def execute(nb: Any, cwd: str | None = None, km: Any = None, **settings: Any) -> Any:
        resources = {} if cwd is None else {"metadata": {"path": cwd}}
        return Measured(nb=nb, resources=resources, km=km, **settings).execute()

    jupyter_cache.executors.utils.executenb = execute


def peak_memory(pid: int | None) -> int | None:
    """The most memory that a running process has held, in bytes; None where nobody counts it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


# --- the table ------------------------------------------------------------------------------------
def _seconds(env: Any, docname: str) -> float | None:
    """How long a page's code ran when it was last run; None for a page without code."""
    from myst_nb.sphinx_ import NbMetadataCollector

    found = NbMetadataCollector.get_exec_data(env, docname)
    return found["runtime"] if found else None


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
        place.replace_self(nodes.raw("", table(app, docname), format="html"))


def table(app: Any, docname: str) -> str:
    """Seconds and memory of every page that runs, as HTML."""
    env = app.env
    memory = read_json(_memory_file(app)) if _memory_file(app).exists() else {}
    lines, total = [], 0.0
    for name in _in_order(env):
        seconds = _seconds(env, name)
        if seconds is None:
            continue
        total += seconds
        link = app.builder.get_relative_uri(docname, name)
        title = escape(env.titles[name].astext())
        peak = f"{memory[name] / 2**20:.0f}" if name in memory else "–"
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
    seconds = _seconds(app.env, docname)
    if seconds is not None:
        parts += [f"torch {version('torch')}", f"Python {platform.python_version()}"]
        parts.append(f"run in {seconds:.1f} s")
    context["body"] += f'<p class="pcsta-stamp">{escape(" · ".join(parts))}</p>'


_commit = functools.cache(git_commit)  # asked by every page
