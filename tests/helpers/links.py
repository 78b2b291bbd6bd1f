"""Links of rendered pages, without a browser."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.places, self.targets = set(), []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places |= {given[k] for k in ("id", "name") if given.get(k)}
        self.targets += [given[k] for k in ("href", "src") if given.get(k)]


def read(path):
    page = _Page()
    page.feed(path.read_text("utf-8"))
    return page


def broken(pages: Path, names: list[str]) -> dict[str, list[str]]:
    """{page: targets on the same origin that do not exist}; a place within a page counts too."""
    known = {name: read(pages / name) for name in names}
    found = {}
    for name, page in known.items():
        wrong = []
        for target in dict.fromkeys(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or target == "#":
                continue
            there = (pages / name).parent / unquote(parts.path) if parts.path else pages / name
            there = there.resolve()
            if not there.is_file():
                wrong.append(target)
                continue
            relative = there.relative_to(pages.resolve()).as_posix()
            place = unquote(parts.fragment)
            if place and there.suffix == ".html":
                other = known.get(relative) or read(there)
                if place not in other.places:
                    wrong.append(target)
        if wrong:
            found[name] = wrong
    return found
