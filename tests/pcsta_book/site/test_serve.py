"""Serving: the address is there at once, and says what is being made until the pages are."""

import http.client
import subprocess
import sys

import pytest

from pcsta_book.site import progress, serve
from pcsta_book.site.vendor import ESTIMATOR


@pytest.fixture
def pages(tmp_path):
    """A folder to serve, with something beside it that is nobody's business."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "pages").mkdir()
    return tmp_path / "pages"


@pytest.fixture
def ask(pages, capsys):
    """What the server of `pages` answers to a path, with its status; the address is the printed one."""
    server = serve.start(pages, 0)
    said = capsys.readouterr().out
    port = int(said.split("http://127.0.0.1:")[1].split("/")[0])

    def answer(path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()

    yield answer
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(ask):
    return lambda path: ask(path)[1]


def test_pages_are_served_at_the_printed_address(pages, get):
    (pages / "index.html").write_text("hello")
    assert get("/") == "hello"


def test_before_the_first_page_the_server_says_what_is_being_made(pages, get, monkeypatch):
    assert "Starting" in get("/") and 'http-equiv="refresh"' in get("/")
    monkeypatch.setattr(progress, "MARK", pages / "made")
    told = progress.Progress(pages)
    with told.making("five small models"):
        said = get("/")
    assert "<b>now:</b> five small models" in said and "&#10003; the embedded dataset" in said
    assert "in half a minute" in said
    (pages / "index.html").write_text("hello")
    assert get("/") == "hello"
    assert "read as text" in get("/making.html")
    told.finish()
    assert "url=index.html" in get("/making.html")


def test_what_tells_of_the_making_goes_when_all_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "MARK", tmp_path / "made")
    monkeypatch.setattr(progress, "PAGES", tmp_path)
    told = progress.Progress(tmp_path)
    with told.making("the pages"):
        assert (tmp_path / "making.json").exists()
    assert not progress.up_to_date()
    (tmp_path / "index.html").touch()
    told.finish()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index.html", "made"]
    assert progress.up_to_date()
    monkeypatch.setattr(progress.state, "of_book", lambda: "something has changed")
    assert not progress.up_to_date()


def test_only_this_machine_is_served(pages):
    server = serve.start(pages, 0)
    server.shutdown()
    server.server_close()
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_link_leads_out_of_the_folder(pages, ask, method):
    (pages / "index.html").write_text("hello")
    (pages / "in").mkdir()
    (pages / "again.html").symlink_to(pages / "index.html")
    (pages / "out.txt").symlink_to(pages.parent / "secret.txt")
    (pages / "up").symlink_to(pages.parent)
    (pages / "in" / "index.html").symlink_to(pages.parent / "secret.txt")
    assert ask("/again.html", method)[0] == 200
    for path in ("/out.txt", "/up", "/up/", "/up/secret.txt", "/in/", "/../secret.txt"):
        status, text = ask(path, method)
        assert status == 404 and text != "secret", path


def test_no_folder_is_listed(pages, ask, get):
    (pages / "in").mkdir()
    (pages / "in" / "draft.txt").touch()
    for path in ("/in/", "/..", "/../", "/in/../../", "/%2e%2e/"):
        text = get(path)
        assert "draft" not in text and "secret" not in text
    assert ask("/in/")[0] == 404


def test_a_port_in_use_is_said_before_anything_is_made(monkeypatch, pages):
    monkeypatch.setattr(serve, "make", lambda: pytest.fail("something was made"))
    monkeypatch.setattr(serve, "PAGES", pages)
    other = serve.start(pages, 0)
    with pytest.raises(OSError, match=f"^port {other.server_port} cannot be had .*--port 0"):
        serve.main(port=other.server_port)
    other.shutdown()
    other.server_close()


def test_what_one_page_loads_is_made_once_after_the_pages(monkeypatch, pages):
    made = []
    monkeypatch.setattr(serve, "make", lambda what="build": made.append(what))
    monkeypatch.setattr(progress, "up_to_date", lambda: False)
    monkeypatch.setattr(progress, "PAGES", pages)
    serve.main(serve_pages=False)
    assert made == ["build", "see_yourself"]
    (pages / "see-yourself" / "estimator").mkdir(parents=True)
    serve.main(serve_pages=False)
    assert made[2:] == ["build", "see_yourself"]
    (pages / "see-yourself" / "about.json").touch()  # the estimator's files are not all there yet
    serve.main(serve_pages=False)
    assert made[4:] == ["build", "see_yourself"]
    (
        pages / "see-yourself" / "estimator" / ESTIMATOR["@mediapipe/pose@0.5.1675469404"]["sha256"]
    ).touch()
    serve.main(serve_pages=False)
    assert made[6:] == ["build"]


def test_what_one_page_lacks_does_not_end_the_server(monkeypatch, pages):
    def make(what="build"):
        if what == "see_yourself":
            raise SystemExit(1)

    monkeypatch.setattr(serve, "make", make)
    monkeypatch.setattr(progress, "up_to_date", lambda: False)
    monkeypatch.setattr(progress, "PAGES", pages)
    serve.main(serve_pages=False)


def test_the_server_starts_without_heavy_imports():
    code = "import sys, pcsta_book.site.serve; print({'torch', 'sphinx', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_browser_that_leaves_is_no_error(pages, ask, capsys, monkeypatch):
    """A page that is left before it has loaded must not print a traceback over the address."""
    left, loud = [ConnectionResetError("gone"), ValueError("a fault of ours")], []

    def fail(_):
        raise left.pop(0)

    monkeypatch.setattr(serve.Handler, "send_head", fail)
    for _ in range(2):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask("/other.html")
        loud.append(capsys.readouterr().err)
    assert not loud[0] and "a fault of ours" in loud[1]
