"""Every chapter runs from top to bottom, and what it keeps as output is still what comes out."""

import os
import subprocess
import sys

import pytest

from pcsta_book.places import BOOK

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

CHAPTERS = sorted(BOOK.glob("*.ipynb"))


@pytest.fixture(scope="module", autouse=True)
def what_chapters_need():
    from pcsta_book import artifacts

    artifacts.everything()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter(chapter):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    command += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "300", str(chapter)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
