"""The appendices name code, chapters and tests; what they name exists."""

import importlib
import re

import pytest

from pcsta.book import BOOK, ROOT

TEXT = "".join((BOOK / f"{page}.md").read_text("utf-8") for page in ("notation", "equations"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(pcsta\.[\w.]+)`", TEXT))))
def test_the_code_exists(name):
    module, _, rest = name.partition(".")
    found = importlib.import_module(module)
    for part in rest.split("."):
        module += f".{part}"
        found = getattr(found, part, None) or importlib.import_module(module)


def test_the_tests_exist():
    named = re.findall(r"`(test_\w+\.py)`(?:: `(\w+)`)?", TEXT)
    assert named
    for file, test in named:
        assert f"def {test}" in (ROOT / "tests" / file).read_text("utf-8"), f"{file}: {test}"


def test_the_chapters_exist():
    chapters = re.findall(r"\]\(([\w-]+\.ipynb)\)", TEXT)
    assert chapters
    for chapter in chapters:
        assert (BOOK / chapter).exists(), chapter
