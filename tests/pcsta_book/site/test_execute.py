"""Running chapters: once for each state of the code, failures named, outputs kept whole."""

import os
from pathlib import Path

import nbformat
import pytest

from pcsta_book.site import execute, state


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """A function that writes a chapter of these cells and returns its path."""
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))

    def write(*cells, name="one"):
        path = tmp_path / f"{name}.ipynb"
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, path)
        return path

    return write


def test_what_is_kept_follows_the_code_of_the_chapter_and_of_the_packages(chapter, monkeypatch):
    path = chapter("1 + 1")
    before = execute.kept(path)
    assert execute.kept(chapter("1 + 2")) != before
    notebook = nbformat.read(chapter("1 + 1"), 4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("prose changes nothing"))
    nbformat.write(notebook, path)
    assert execute.kept(path) == before
    monkeypatch.setattr(state, "of_code", lambda: "another")
    assert execute.kept(path) != before


def test_the_fingerprint_changes_with_what_a_chapter_can_import(tmp_path, monkeypatch):
    book, root = tmp_path / "book", tmp_path
    site = book / "pcsta_book" / "site"
    site.mkdir(parents=True)
    (root / "pcsta").mkdir()
    (root / "pcsta" / "model.py").write_text("x = 1")
    (site / "build.py").write_text("x = 1")
    monkeypatch.setattr(state, "ROOT", root)
    monkeypatch.setattr(state, "BOOK", book)
    fingerprint = state.of_code.__wrapped__
    before = fingerprint()
    (site / "build.py").write_text("x = 2")
    assert fingerprint() == before
    (root / "pcsta" / "__pycache__").mkdir()
    (root / "pcsta" / "__pycache__" / "model.pyc").touch()
    assert fingerprint() == before
    (root / "pcsta" / "model.py").write_text("x = 2")
    assert fingerprint() != before
    before = fingerprint()
    (site / "playground.py").touch()  # a page imports it
    assert fingerprint() != before


@pytest.mark.slow
def test_chapters_run_once_and_say_what_they_took(chapter):
    paths = [chapter("print('ran')", name="one"), chapter("6 * 7", name="two")]
    done = []
    execute.run_all(paths, done.append)
    assert sorted(done) == paths
    ran = nbformat.read(execute.kept(paths[1]), 4)
    assert ran.cells[0].outputs[0].data["text/plain"] == "42"
    assert execute.told(paths[1])["seconds"] == ran.metadata["pcsta"]["seconds"] > 0
    execute.run_all(paths, done.append)
    assert len(done) == 2
    whole = execute.kept(paths[0]).read_bytes()
    execute.kept(paths[0]).write_bytes(whole[: len(whole) // 2])
    (execute.kept(paths[0]).parent.parent / "seconds.json").write_text("{")
    execute.run_all(paths, done.append)
    assert done[2:] == paths[:1], "what a disk has damaged is run again"


@pytest.mark.slow
def test_a_picture_stands_on_its_page_whatever_backend_the_shell_has_set(chapter, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = chapter("import matplotlib.pyplot as plt; plt.plot([0, 1]); plt.show()")
    execute.run_all([path])
    outputs = nbformat.read(execute.kept(path), 4).cells[0].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
def test_a_failing_cell_is_named_and_nothing_is_kept(chapter):
    path = chapter("x = 1", "assert x == 2, 'no'")
    with pytest.raises(execute.ChapterError, match=r"one\.ipynb: (.|\n)*assert x == 2(.|\n)*no"):
        execute.run_all([path])
    assert execute.told(path) is None


def test_memory_is_counted_where_the_system_counts_it():
    if not Path("/proc/self/status").exists():
        assert execute.peak_memory(os.getpid()) is None
        return
    held = bytearray(64 * 2**20)
    peak = execute.peak_memory(os.getpid())
    assert peak is not None and len(held) < peak < 2**40
    assert execute.peak_memory(2**31 - 1) is None
