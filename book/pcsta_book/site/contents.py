"""The pages of the book: which there are, and their cells."""

import re
from pathlib import Path

import nbformat
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from nbformat import NotebookNode

from pcsta_book.places import BOOK


def notebooks(book: Path = BOOK) -> list[Path]:
    """The chapters, and the pages with code, that the table of contents lists, in its order."""
    listed = re.findall(r"(?:file|root): (\S+)", (book / "_toc.yml").read_text("utf-8"))
    paths = (book / f"{name}{kind}" for name in listed for kind in (".ipynb", ".md"))
    return [path for path in paths if path.exists() and is_notebook(path)]


def is_notebook(path: Path) -> bool:
    return path.suffix == ".ipynb" or is_myst_markdown_notebook(path.read_text("utf-8"))


def read(path: Path) -> NotebookNode:
    """A chapter, or a page of Markdown with code cells, as a notebook."""
    text = path.read_text("utf-8")
    return nbformat.reads(text, 4) if path.suffix == ".ipynb" else read_myst_markdown_notebook(text)
