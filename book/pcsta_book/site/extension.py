"""The Sphinx extension that `book/_config.yml` names.

It puts everything that the pages load on their own origin, hands them what the chapters printed, tells
on a page whose chapter has not run that it will, and stamps every page with what made it: commit,
versions, seconds. No date: a page that nothing has changed stays the same, byte for byte.
"""

import functools
import platform
import shutil
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import myst_nb.sphinx_

from pcsta.data import data_root
from pcsta_book import assets
from pcsta_book.experiments.records import git_commit
from pcsta_book.site import execute, playground, see_yourself
from pcsta_book.site.contents import is_notebook, notebooks
from pcsta_book.site.vendor import PLAYGROUND, place, vendor

_commit = functools.cache(git_commit)  # asked by every page


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx, because `book/_config.yml` lists this module as an extension."""
    myst_nb.sphinx_.create_client = execute.create_client
    app.setup_extension("pcsta_book.site.appendices")
    app.connect("config-inited", _configure)
    app.connect("source-read", _depend)
    app.connect("html-page-context", _stamp)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("build-finished", _playground)
    app.connect("build-finished", _see_yourself)
    app.connect("build-finished", _sweep)
    app.add_js_file(None, body=(assets.HERE / "site" / "shim.js").read_text("utf-8"), priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Any, config: Any) -> None:
    if not all(map(execute.told, notebooks(Path(app.srcdir)))):
        config.suppress_warnings.append("mystnb.glue")  # what a chapter will say is not there yet
    static = vendor()
    if static is not None:
        config.html_static_path.append(str(static))
        config.mathjax_path = "mathjax/tex-svg.js"
        config.mathjax_options = {"defer": "defer"}
        config.nb_ipywidgets_js = {"html-manager/embed.js": {"defer": "defer"}}


def _depend(app: Any, docname: str, _: list[str]) -> None:
    """A page is read again once its chapter has run, or runs anew."""
    path = Path(app.env.doc2path(docname))
    if is_notebook(path):
        app.env.note_dependency(execute.kept(path))


def _stamp(app: Any, docname: str, _: str, context: dict[str, Any], doctree: Any) -> None:
    """Say at the end what made the page; where its chapter has not run, say that at the beginning."""
    if doctree is None or "body" not in context:  # the search page, the index
        return
    parts = [f"commit {_commit()}", f"pcsta {version('pcsta')}"]
    path = Path(app.env.doc2path(docname))
    if is_notebook(path):
        if told := execute.told(path):
            parts += [f"torch {version('torch')}", f"Python {platform.python_version()}"]
            parts.append(f"run in {told['seconds']:.1f} s")
        else:  # the page loads itself again when it has
            root = "../" * docname.count("/")
            waiting = assets.html("site/waiting.html", root=root, name=path.stem)
            context["body"] = waiting + context["body"]
    context["body"] += f'<p class="pcsta-stamp">{escape(" · ".join(parts))}</p>'


def _without_thebe(_: Any, __: str, ___: str, context: dict[str, Any], ____: Any) -> None:
    """Take sphinx-thebe off the pages: it runs code on a server, and is declared twice."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in f"{script} {getattr(script, 'attributes', '')}".lower()
    ]


def _playground(app: Any, exception: Exception | None) -> None:
    """Put beside the playground page what it loads; a book without that page needs none of it."""
    page = Path(app.srcdir) / "playground.md"
    if exception is not None or not page.exists() or not execute.kept(page).exists():
        return
    kept = data_root() / "vendor" / "playground"
    runtime = vendor(kept, PLAYGROUND, "the playground will say so on its page")
    sources = (Path(app.srcdir) / "playground", playground.folder(), runtime)
    place(Path(app.outdir) / "playground", filter(None, sources))


def _see_yourself(app: Any, exception: Exception | None) -> None:
    """The same for the page "See yourself", of what is there: the rest comes when all pages stand."""
    if exception is None and (Path(app.srcdir) / "see-yourself.md").exists():
        see_yourself.place(Path(app.outdir))


def _sweep(app: Any, failed: Exception | None) -> None:
    """Leave no page and no picture of an earlier build behind, and nothing that no reader loads."""
    if failed is not None or app.builder.format != "html":
        return
    pages, env = Path(app.outdir), app.env
    for source_map in (pages / "_static").rglob("*.map"):  # for who debugs the theme: 3 MB
        source_map.unlink()
    shutil.rmtree(pages / "_static" / "locales", ignore_errors=True)  # read by Sphinx alone
    for source in sorted((pages / "_sources").rglob("*.*")):
        docname = source.relative_to(pages / "_sources").with_suffix("").as_posix()
        if docname not in env.found_docs:
            source.unlink()
            (pages / f"{docname}.html").unlink(missing_ok=True)
    pictures = {name for _, name in env.images.values()}
    for picture in (pages / "_images").glob("*"):
        if picture.name not in pictures:
            picture.unlink()
