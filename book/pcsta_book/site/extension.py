"""The Sphinx extension that `book/_config.yml` names.

It puts everything that the pages load on their own origin, hands them what the chapters printed, and
tells on a page whose chapter has not run that it will.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import myst_nb.sphinx_

from pcsta.data import data_root
from pcsta_book.places import ROOT
from pcsta_book.site import execute, playground
from pcsta_book.site.vendor import RUNTIME, vendor

# Two gaps between the page's libraries. The theme's FontAwesome replaces <i> elements, which the
# Play widget still holds on to; "nest" keeps them. html-manager asks for MathJax 2's queue. And
# paper is white whatever the screen is.
SHIM = """
window.FontAwesomeConfig = {autoReplaceSvg: "nest"};
{
  const html = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => { theme = html.dataset.theme; html.dataset.theme = "light"; });
  addEventListener("afterprint", () => { html.dataset.theme = theme; });
}
addEventListener("DOMContentLoaded", () => {
  if (window.MathJax && !MathJax.Hub)
    MathJax.Hub = {Queue: ([, , element]) =>
      MathJax.typesetPromise && MathJax.startup.promise.then(() => MathJax.typesetPromise([element]))};
});
"""


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx, because `book/_config.yml` lists this module as an extension."""
    myst_nb.sphinx_.create_client = execute.create_client
    app.setup_extension("pcsta_book.site.appendices")
    app.setup_extension("pcsta_book.site.stamps")
    app.connect("config-inited", _configure)
    app.connect("source-read", _depend)
    app.connect("html-page-context", _waiting)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("build-finished", _playground)
    app.connect("build-finished", _sweep)
    app.add_js_file(None, body=SHIM, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Any, config: Any) -> None:
    if not all(execute.kept(path).exists() for path in execute.notebooks(Path(app.srcdir))):
        config.suppress_warnings.append(
            "mystnb.glue"
        )  # what a chapter would say stands not there yet
    static = vendor()
    if static is not None:
        config.html_static_path.append(str(static))
        config.mathjax_path = "mathjax/tex-svg.js"
        config.mathjax_options = {"defer": "defer"}
        config.nb_ipywidgets_js = {"html-manager/embed.js": {"defer": "defer"}}
    config.html_theme_options = dict(config.html_theme_options) | repository_buttons()


def repository_buttons(project: Path = ROOT / "pyproject.toml") -> dict[str, Any]:
    """The theme's buttons to source, Binder and Colab, once pyproject.toml names the repository."""
    urls = tomllib.loads(project.read_text("utf-8"))["project"].get("urls", {})
    if "Repository" not in urls:
        return {}
    return {
        "repository_url": urls["Repository"],
        "repository_branch": "main",
        "path_to_docs": "book",
        "use_repository_button": True,
        "use_source_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }


def _depend(app: Any, docname: str, _: list[str]) -> None:
    """A page is read again once its chapter has run, or runs anew."""
    path = Path(app.env.doc2path(docname))
    if execute.is_notebook(path):
        app.env.note_dependency(execute.kept(path))


WAITING = """<div class="pcsta-waiting" role="status">The code of this page has not run yet. Its text can be
read; pictures and numbers <a href="{root}making.html">are being made</a> and appear by themselves.</div>
<script>setInterval(async () => {{
  const said = await fetch("{root}making.json", {{cache: "no-store"}});
  if (!said.ok || (await said.json()).ready.includes("{name}")) location.reload();
}}, 5000)</script>"""


def _waiting(app: Any, docname: str, _: str, context: dict[str, Any], doctree: Any) -> None:
    """On a page whose chapter has not run: say so, and load it again when it has."""
    if doctree is None or "body" not in context:
        return
    path = Path(app.env.doc2path(docname))
    if execute.is_notebook(path) and not execute.kept(path).exists():
        root = "../" * docname.count("/")
        context["body"] = WAITING.format(root=root, name=path.stem) + context["body"]


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
    runtime = vendor(
        data_root() / "vendor" / "playground", RUNTIME, "the playground will say so on its page"
    )
    target = Path(app.outdir) / "playground"
    shutil.rmtree(target, ignore_errors=True)
    for source in (Path(app.srcdir) / "playground", playground.folder(), runtime):
        if source is not None:
            pieces = shutil.ignore_patterns("*.html")  # they stand in the page already
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=pieces)


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
