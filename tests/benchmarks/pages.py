"""How soon a reader can use a page of the rendered book, served on this machine.

    python tests/benchmarks/pages.py [FOLDER]      by default book/_build/html

Seconds until everything is loaded and laid out: text, formulas typeset; on a page with players the
first slider has moved a picture, on the playground the model has answered. Each page is opened
afresh, three times; the median counts.
Not part of the test run.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from pcsta_book.places import BOOK
from pcsta_book.site.serve import Handler

REPEATS = 3


def seconds(page: Page, address: str) -> float:
    began = time.perf_counter()
    page.goto(address, wait_until="load")
    page.wait_for_function(
        "!document.querySelector('.math') || document.querySelector('mjx-container')"
    )
    if page.locator("script[type='application/vnd.jupyter.widget-state+json']").count():
        player = page.locator(".pcsta-player").first
        handle = player.locator(".noUi-handle")
        handle.wait_for()
        before = player.inner_text()
        handle.press("ArrowRight")
        while player.inner_text() == before:
            pass
    if page.locator("#playground").count():
        page.wait_for_selector("#playground[aria-busy=false]")
    return time.perf_counter() - began


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else BOOK / "_build" / "html"
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        for path in sorted(folder.glob("*.html")):
            times = []
            for _ in range(REPEATS):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                times.append(seconds(page, f"http://127.0.0.1:{server.server_port}/{path.name}"))
                page.close()
            print(f"{path.name:<36} {statistics.median(times):5.2f} s", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
