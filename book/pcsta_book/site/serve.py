"""`pcsta book`: serve the pages at once, and make beside it what is not made yet.

Nothing heavy is imported here, so that the address is there within a second.
"""

import functools
import http.server
import os
import subprocess
import sys
import threading
import webbrowser
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pcsta_book.places import BOOK, PAGES, ROOT
from pcsta_book.site import progress


def main(serve_pages: bool = True, port: int = 8000) -> None:
    """Make the book, and serve it from the first moment on unless told not to, until Ctrl-C.

    Raises SystemExit when the book cannot be made, FileNotFoundError outside of a checkout, and
    what `start` raises.
    """
    if not (BOOK / "_toc.yml").exists():
        raise FileNotFoundError(
            "the chapters are not here: `pcsta book` needs a checkout of the repository"
        )
    if serve_pages:
        start(PAGES, port)
    try:
        if progress.up_to_date():
            print(f"Nothing has changed: {PAGES / 'index.html'}", flush=True)
        else:
            make()
        if not progress.complete():
            with suppress(SystemExit):  # it has said why, and the other pages stand
                make("see_yourself")  # what one page needs, and nobody waits for
        if serve_pages:
            threading.Event().wait()
    except KeyboardInterrupt:
        print()


def make(what: str = "build") -> None:
    """Run a module of `pcsta_book.site` in a process of its own. Raises SystemExit when it fails."""
    # One torch thread a process: two busy processes with two threads each are several times slower.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", f"pcsta_book.site.{what}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(done.returncode)


class Server(http.server.ThreadingHTTPServer):
    """One that keeps quiet about a browser that leaves in the middle of a file."""

    def handle_error(self, *request: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*request)


def start(pages: Path, port: int) -> Server:
    """Serve a folder to this machine alone, from a thread; port 0 is any free one. Raises OSError."""
    pages.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(Handler, directory=str(pages))
    try:
        server = Server(("127.0.0.1", port), handler)
    except OSError as reason:
        raise OSError(
            f"port {port} cannot be had ({reason.strerror}): give another one, or --port 0 for any"
            " that is free"
        ) from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"Read it at {address}  (Ctrl-C stops the server)", flush=True)
    if sys.stdout.isatty():
        webbrowser.open(address)
    return server


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; while the first page is not there, the page that says what is being made.

    No folder is listed, and no link leads out of it.
    """

    def do_GET(self) -> None:
        root = Path(self.directory)
        first = self.path in ("/", "/index.html") and not (root / "index.html").exists()
        if not first and self.path != "/making.html":
            return super().do_GET()
        text = progress.page(root).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def send_head(self) -> Any:
        asked = Path(self.translate_path(self.path))
        for path in (asked, asked / "index.html", asked / "index.htm"):
            if not path.resolve().is_relative_to(Path(self.directory).resolve()):
                return self.send_error(HTTPStatus.NOT_FOUND)
        return super().send_head()

    def list_directory(self, path: object) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, *_: object) -> None:
        """A line per file would bury the address."""
