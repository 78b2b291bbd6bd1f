"""What all tests share: one torch thread, checked shapes, real recordings, the rendered book."""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two busy processes with two
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads each are several times slower
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jaxtyping
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]

# A machine that does other things as well is slow, not wrong.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# Every public signature's shapes are checked while tests run. It must come before any import of
# pcsta, which is why this stands in conftest.py.
if os.environ.get("PCSTA_CHECK_SHAPES", "1") != "0":
    assert not {"pcsta", "pcsta_book"} & {name.split(".")[0] for name in sys.modules}
    jaxtyping.install_import_hook(["pcsta", "pcsta_book"], "typechecker.check")


# Half of the time of all tests. They come first, so that what is left at the end is short and no
# process waits for another.
LONG = ("test_ten_points_low", "test_robustness", "test_notebooks", "test_comparisons")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def said(monkeypatch, capsys):
    """What a command says, as `command.Said`."""
    from command import Said
    from pcsta import console

    warned = console.warnings.showwarning
    yield Said(monkeypatch, capsys)
    console.warnings.showwarning = warned


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real recordings: `ntu/` and `sbu/`, as data/README.md lays them out."""
    folder = Path(os.environ.get("PCSTA_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder}; set PCSTA_REAL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def pages() -> Path:
    """The rendered book; chapters that `pcsta book` has already run are not run again."""
    from pcsta_book.site import build, progress

    build.PAGES.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(build.PAGES.parent / "tests.lock"):  # one of the processes builds for all
        if not progress.up_to_date():
            build.main()
    return build.PAGES


@pytest.fixture(scope="session")
def origin(pages):
    """Address at which the rendered book is served."""
    from pcsta_book.site import serve

    server = serve.start(pages, 0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def launch():
    """Starts a Chromium of the machine, with more flags; or a skip that says how to get one."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
    found = os.environ.get("PCSTA_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as driver:
        found = found or driver.chromium.executable_path
        if not Path(found).exists():
            pytest.skip(
                "no Chromium here: install one (Debian: apt-get install chromium; anywhere: "
                "playwright install chromium) or name it in PCSTA_CHROMIUM"
            )
        usual = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        yield lambda *flags: driver.chromium.launch(executable_path=found, args=[*usual, *flags])


@pytest.fixture(scope="session")
def browser(launch):
    browser = launch()
    yield browser
    browser.close()
