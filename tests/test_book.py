"""The rendered book as a reader meets it: every page, on a screen and on a phone, without kernel."""

import pytest

from pcsta import book

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (1280, 390)
PLAYERS = ".pcsta-player"


@pytest.fixture(scope="module")
def names(pages):
    """Paths of all pages of the book; folders with an underscore hold the theme's own parts."""
    found = sorted(
        path.relative_to(pages).as_posix()
        for path in pages.rglob("*.html")
        if not path.relative_to(pages).as_posix().startswith("_")
    )
    assert "index.html" in found
    return found


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


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_whole(browser, origin, names, width):
    wrong = {}
    for name in names:
        page, errors, requests = read(browser, origin, name, width)
        away = [url for url in requests if not url.startswith((origin, "data:", "blob:"))]
        if book.vendor() is None:  # the build has said so; nothing else may come from outside
            away = [url for url in away if "mathjax" not in url and "html-manager" not in url]
        images = page.evaluate(
            """async () => {
                const images = [...document.querySelectorAll('img')];
                await Promise.all(images.map(i => i.decode().catch(() => null)));
                return images.filter(i => !i.naturalWidth || !i.alt.trim()).map(i => i.src.slice(0, 120));
            }"""
        )
        room = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found = {
            "errors": errors,
            "requests elsewhere": away,
            "images missing or without alternative text": images,
            "pixels wider than the window": max(room, 0),
        }
        page.close()
        if any(found.values()):
            wrong[name] = {what: value for what, value in found.items() if value}
    assert not wrong


def visible(player):
    """What a player shows: address of its visible picture and the caption below."""
    return player.evaluate(
        """element => {
            const figures = [...element.querySelectorAll('figure')].filter(f => f.offsetParent);
            return figures.map(f => [f.querySelector('img').src, f.innerText]);
        }"""
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_every_player_follows_its_slider(browser, origin, names, width):
    for name in names:
        page, _, _ = read(browser, origin, name, width)
        for number in range(page.locator(PLAYERS).count()):
            player = page.locator(PLAYERS).nth(number)
            before = visible(player)
            assert len(before) == 1, f"{name}: player {number} shows {len(before)} pictures"
            slider = player.locator(".noUi-handle")
            slider.focus()
            for key in ("ArrowRight", "ArrowRight"):
                slider.press(key)
            page.wait_for_timeout(150)
            after = visible(player)
            assert len(after) == 1
            assert after[0][0] != before[0][0], f"{name}: player {number} shows the same picture"
            assert after[0][1] != before[0][1], f"{name}: player {number} has the same caption"
        page.close()


def test_the_play_button_plays(browser, origin, names):
    for name in names:
        page, errors, _ = read(browser, origin, name, 1280)
        if page.locator(PLAYERS).count():
            player = page.locator(PLAYERS).first
            before = visible(player)
            player.locator(".jupyter-button, button").first.click()
            page.wait_for_timeout(900)
            assert visible(player) != before
            assert not errors
            page.close()
            return
        page.close()
    pytest.fail("no page has a player")
