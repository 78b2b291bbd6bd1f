"""Where things lie in a checkout of the repository."""

from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]  # the chapters and pages
ROOT = BOOK.parent
PAGES = BOOK / "_build" / "html"  # the rendered book
