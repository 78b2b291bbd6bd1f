"""The rendered book as a reader meets it: every page, on a screen and on a phone, without kernel."""

import re

import pytest

import links
from pcsta.data import data_root
from pcsta_book.places import BOOK
from pcsta_book.site import vendor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LISTED = re.findall(r"(?:file|root): (\S+)", (BOOK / "_toc.yml").read_text("utf-8"))
NAMES = [f"{name}.html" for name in (*LISTED, "genindex", "search")]
WIDTHS = (1280, 390)
PLAYERS = ".pcsta-player"
# Their code stands for all, Python's and the shell's: the colours are the same
PALETTES = ("03-joint-ordered-tensor.html", "ten-points-low.html")
ONE_COLOUR = """() => document.querySelectorAll('.highlight pre').forEach(
    pre => { pre.textContent = pre.textContent; })"""  # a tenth of the elements to look at
AXE = {  # finds faults that shut readers out
    "axe-core@4.14.1": {
        "sha256": "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
        "files": {"package/axe.min.js": "axe/axe.min.js"},
    }
}


@pytest.fixture(scope="module")
def axe():
    """The path of axe-core's script; None where it cannot be had, which is said."""
    static = vendor.vendor(data_root() / "vendor" / "tests", AXE, "a test is skipped")
    return static and static / "axe" / "axe.min.js"


def read(browser, origin, name, width):
    """Open a page; return it with everything that went wrong and every address it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    errors, requests = [], []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda r: errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{origin}/{name}", wait_until="load")
    state = page.locator("script[type='application/vnd.jupyter.widget-state+json']").count()
    if state:
        page.locator(PLAYERS).first.wait_for(timeout=30_000)
    page.wait_for_function(
        "!document.querySelector('.math') || document.querySelector('mjx-container')"
    )
    page.wait_for_load_state("networkidle")
    return page, errors, requests


def test_every_page_is_looked_at(pages):
    """Folders with an underscore hold the theme's own parts."""
    html = (path.relative_to(pages).as_posix() for path in pages.rglob("*.html"))
    assert {name for name in html if name[0] != "_"} == set(NAMES)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole(browser, origin, axe, name, width):
    """No error, no call to elsewhere, no image missing or without words; it fits its window; every
    player follows its slider. And nobody is shut out: contrast in both themes, names of controls,
    what the keyboard must reach."""
    page, errors, requests = read(browser, origin, name, width)
    assert not errors
    away = [url for url in requests if not url.startswith((origin, "data:", "blob:"))]
    if vendor.vendor() is None:  # the build has said so; nothing else may come from outside
        packages = [package.rsplit("@", 1)[0] for package in vendor.PAGES]
        away = [url for url in away if not any(package in url for package in packages)]
    assert not away
    images = page.evaluate(
        """async () => {
            const images = [...document.querySelectorAll('img')];
            await Promise.all(images.map(i => i.decode().catch(() => null)));
            return images.filter(i => !i.naturalWidth || !i.alt.trim()).map(i => i.src.slice(0, 120));
        }"""
    )
    assert not images
    players, figures = page.locator(PLAYERS), page.locator(".bd-article img[src*='_images/']")
    assert figures.count() + players.count() >= described(name)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not list(filter(None, map(stands_still, players.all())))
    if axe is None:
        page.close()
        pytest.skip("all is well, but axe-core could not be fetched")
    page.add_script_tag(path=axe)
    page.add_style_tag(content="* { transition: none !important }")  # colours at once
    if width == WIDTHS[0]:
        found = faults(page, "light")
        if name not in PALETTES:
            page.evaluate(ONE_COLOUR)
        found += faults(page, "dark", "color-contrast")
    else:  # the same colours; what differs is what scrolls
        page.evaluate(ONE_COLOUR)
        found = faults(page, "light", without="color-contrast")
    assert not found, "\n".join(found)
    page.close()


def described(name):
    """How many figures and players the source of a page describes in words."""
    path = BOOK / name.replace(".html", ".ipynb")
    return len(re.findall(r'^ +"alt": ', path.read_text("utf-8"), re.M)) if path.exists() else 0


def visible(player):
    """What a player shows: address of its visible picture and the caption below."""
    return player.evaluate(
        """element => {
            const figures = [...element.querySelectorAll('figure')].filter(f => f.offsetParent);
            return figures.map(f => [f.querySelector('img').src, f.innerText]);
        }"""
    )


def stands_still(player):
    """What is wrong with a player whose slider moves two steps; nothing when it follows."""
    slider = player.locator(".noUi-handle")
    slider.focus()
    slider.press("Home")  # a player may begin anywhere
    before = visible(player)
    if len(before) != 1:
        return f"shows {len(before)} pictures"
    for _ in range(2):
        slider.press("ArrowRight")
    player.page.wait_for_timeout(150)
    after = visible(player)
    if len(after) != 1:
        return f"shows {len(after)} pictures after a step"
    same = ["picture", "caption"]
    same = [what for what, a, b in zip(same, before[0], after[0], strict=True) if a == b]
    return f"has the same {' and '.join(same)} after two steps" if same else ""


def faults(page, theme, *rules, without=""):
    """Serious and critical violations that axe-core finds, one line each."""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    options = {"resultTypes": ["violations"], "preload": False}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if without:
        options["rules"] = {without: {"enabled": False}}
    return page.evaluate(
        """async ([theme, options]) => {
            const {violations} = await axe.run(document, options);
            return violations.filter(v => ['serious', 'critical'].includes(v.impact)).flatMap(v =>
                v.nodes.map(n => `${theme}: ${v.id} at ${n.target.join(' ')}: ` + (n.any[0] || n.all[0] || n.none[0]).message));
        }""",
        [theme, options],
    )


def test_every_link_leads_somewhere(pages):
    assert not links.broken(pages, NAMES)


def test_the_play_button_plays(browser, origin):
    page, errors, _ = read(browser, origin, "01-what-the-hands-tell.html", 1280)
    player = page.locator(PLAYERS).first
    before = visible(player)
    player.locator(".jupyter-button, button").first.click()
    page.wait_for_timeout(900)
    assert visible(player) != before
    assert not errors
    page.close()


def test_the_search_finds_a_word(browser, origin):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{origin}/search.html?q=glimpse")
    page.locator("#search-results li").first.wait_for(timeout=20_000)
    assert page.locator("#search-results li a[href*='05-glimpse-sensor']").count()
    assert not errors
    page.close()


def test_a_page_prints_its_text_alone(browser, origin):
    """On paper: no sidebars, nothing cut off at the right, folded cells left out."""
    page, _, _ = read(browser, origin, "06-spatial-attention.html", 1280)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})  # A4 within its margins
    shown = page.evaluate(
        """() => ['.bd-sidebar-primary', '.bd-sidebar-secondary', '.bd-header', '.bd-header-article',
                  '.prev-next-area', '.pcsta-player .widget-play', 'details:not([open])', '.copybtn']
            .filter(s => [...document.querySelectorAll(s)].some(e => e.offsetParent))"""
    )
    assert not shown
    for player in page.locator(PLAYERS).all():  # stills instead of what the slider shows
        assert visible(player) and player.locator(".pcsta-print figure:visible").count() == len(
            visible(player)
        )
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.bd-article pre, .bd-article table, .bd-article img')]
            .filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 100))"""
    )
    assert not cut
    assert page.evaluate(
        "[...document.querySelectorAll('pre')].every(p => p.scrollWidth <= p.clientWidth + 1)"
    )
    assert len(page.pdf(format="A4")) > 10_000
    page.close()
