"""What pages and chapters name in prose exists: modules, functions, files."""

import importlib
import json
import re

import pytest

from pcsta_book.places import BOOK, ROOT

PAGES = [*BOOK.glob("*.ipynb"), *BOOK.glob("*.md"), ROOT / "README.md", ROOT / "data" / "README.md"]


def resolves(name):
    """Whether a dotted name leads to an object, or to a field of a class."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            if part in getattr(found, "__annotations__", ()):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_names_in_prose_exist(page):
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    dotted = re.findall(r"`(pcsta(?:_book)?(?:\.\w+)+)`", text)
    assert not [name for name in dotted if not resolves(name)]
    files = re.findall(r"`((?:pcsta|book|tests)/[\w/.-]+)`", text)
    assert not [name for name in files if not (ROOT / name).exists() and "_build" not in name]


def test_a_name_that_is_not_there_is_seen():
    assert resolves("pcsta.config.ModelConfig.hidden") and resolves("pcsta.attention")
    assert not resolves("pcsta.config.Nothing") and not resolves("pcsta.model.config")
