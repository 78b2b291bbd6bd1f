"""Building and serving: what must stop a build, what must not."""

import shutil

import nbformat
import pytest

from pcsta_book.places import BOOK
from pcsta_book.site import build, execute


@pytest.fixture
def small_book(tmp_path):
    """A book of a welcome page and one chapter; returns a function that writes the chapter, which has not
    run yet. What is kept of its run goes with the test: a second run of all tests is as the first."""
    folder = tmp_path / "book"
    folder.mkdir()
    shutil.copy(BOOK / "_config.yml", folder)
    shutil.copytree(BOOK / "assets", folder / "assets")
    shutil.copy(BOOK / "references.bib", folder)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n  - file: one\n")
    (folder / "index.md").write_text("# Welcome\n\n```{tableofcontents}\n```\n")

    def write(code, text="# One\n"):
        chapter = nbformat.v4.new_notebook()
        chapter.cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code)]
        nbformat.write(chapter, folder / "one.ipynb")
        forget()
        return folder

    def forget():
        execute.kept(folder / "one.ipynb").unlink(missing_ok=True)

    yield write
    forget()


@pytest.mark.slow
def test_a_clean_book_is_built_and_its_chapter_run(small_book):
    pages = build.build(small_book("print(6 * 7)"))
    assert ">42\n<" in (pages / "one.html").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "text", "error", "says"),
    [
        ("assert 1 == 2", "# One\n", execute.ChapterError, "assert 1 == 2"),
        ("1", "# One\n\n[](nowhere.md)\n", build.BookError, "not built cleanly"),
    ],
    ids=["a chapter that fails", "a page with a broken link"],
)
def test_what_is_not_clean_stops_the_build(small_book, code, text, error, says):
    with pytest.raises(error, match=says):
        build.build(small_book(code, text))


@pytest.mark.slow
def test_a_page_is_text_until_its_chapter_has_run(small_book):
    """The first pages that a reader sees: no output, and a word that it will come."""
    book = small_book("print(2 * 21)")
    build.finish_sphinx(build.start_sphinx(book), book)
    text = (book / "_build/html/one.html").read_text("utf-8")
    assert "has not run yet" in text and ">42\n<" not in text
    text = (build.build(book) / "one.html").read_text("utf-8")
    assert "has not run yet" not in text and ">42\n<" in text
