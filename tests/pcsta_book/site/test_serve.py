"""Serving: the address is there at once, and says what is being made until the pages are."""

import http.client
import subprocess
import sys

import pytest

from pcsta_book.site import progress, serve


@pytest.fixture
def get(tmp_path, capsys):
    """What the server of a folder answers to a path; the address is the printed one."""
    server = serve.start(tmp_path, 0)
    said = capsys.readouterr().out
    port = int(said.split("http://127.0.0.1:")[1].split("/")[0])

    def answer(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    yield answer
    server.shutdown()
    server.server_close()


def test_pages_are_served_at_the_printed_address(tmp_path, get):
    (tmp_path / "index.html").write_text("hello")
    assert get("/") == "hello"


def test_before_the_first_page_the_server_says_what_is_being_made(tmp_path, get):
    assert "Starting" in get("/") and 'http-equiv="refresh"' in get("/")
    told = progress.Progress(tmp_path)
    with told.making("five small models"):
        said = get("/")
    assert "<b>now:</b> five small models" in said and "&#10003; the embedded dataset" in said
    assert "in half a minute" in said
    (tmp_path / "index.html").write_text("hello")
    assert get("/") == "hello"
    told.write()
    assert "read as text" in get("/making.html")


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
    monkeypatch.setattr(progress, "state", lambda: "something has changed")
    assert not progress.up_to_date()


def test_the_server_starts_without_heavy_imports():
    code = "import sys, pcsta_book.site.serve; print({'torch', 'sphinx', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
