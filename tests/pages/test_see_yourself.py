"""The page "See yourself": before a camera or a film it computes what the package computes."""

import base64
import re

import av
import numpy as np
import pytest
import torch

from pcsta.checkpoint import load, read_record
from pcsta.data import read_clip
from pcsta.data.crop_size import crop_sides
from pcsta.data.estimated import write_estimated
from pcsta.data.prepare import sensor_for
from pcsta.data.video import read_frames
from pcsta.evaluation import ModelInput, infer
from pcsta.glimpse import crop, squeeze
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import KINECT_V2
from pcsta.symmetries import exchange_hands, exchange_joints, exchanges
from pcsta_book import artifacts
from pcsta_book.site import see_yourself

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLOSE = 1e-3
SIZE = (320, 240)
GRANTED = {"permissions": ["camera"], "viewport": {"width": 1280, "height": 900}}
SOON, LATE = 120_000, 600_000  # milliseconds


@pytest.fixture(scope="module")
def address(origin, pages):
    """Where the page is, with all that it loads; or a skip that says what is missing."""
    if not (see_yourself.FILM / "record.json").exists():
        pytest.skip(f"no model in {see_yourself.FILM}")
    if not (pages / "see-yourself" / "about.json").exists():
        see_yourself.main()
    if not (pages / "see-yourself" / "estimator").exists():
        pytest.skip("the estimator could not be fetched")
    return f"{origin}/see-yourself.html"


@pytest.fixture(scope="module")
def images(request):
    """A real clip of somebody who waves, where there is one; else the drawn clip of the book."""
    try:
        folder = request.getfixturevalue("real_data") / "jhmdb/ReCompress_Videos/wave"
        (film, *_) = sorted(folder.glob("Song_I_Can_Wave*.avi"))
    except (pytest.skip.Exception, ValueError):
        return list(artifacts.frames(artifacts.running_clip()))
    return [image for _, image in read_frames(film)]


def written(path, images, codec, form):
    """Frames as a film of 30 a second."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 4_000_000
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def film(images, tmp_path_factory):
    return written(tmp_path_factory.mktemp("film") / "film.webm", images, "libvpx", "webm")


@pytest.fixture(scope="module")
def filmed(launch, images, tmp_path_factory):
    """A browser whose camera plays the clip, over and over."""
    path = written(tmp_path_factory.mktemp("camera") / "film.mjpeg", images, "mjpeg", "mjpeg")
    browser = launch(
        "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={path}"
    )
    yield browser
    browser.close()


@pytest.fixture
def visit():
    """Opens pages in a context of their own; afterwards nothing has failed or been asked of others."""
    opened, failed, requests = [], [], []

    def open_page(browser, address, script="", **context):
        opened.append(browser.new_context(**context))
        page = opened[-1].new_page()
        page.set_default_timeout(
            LATE
        )  # a machine that does other things as well is slow, not wrong
        page.add_init_script(script)
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda request: requests.append((address, request.url)))
        page.goto(address, wait_until="load")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert not failed
    own = [tuple(a.split("/")[:3]) for a, _ in requests]
    assert not [
        url
        for (_, url), origin in zip(requests, own, strict=True)
        if not url.startswith(("/".join(origin) + "/", "data:", "blob:" + "/".join(origin)))
    ]


def status(page, text, timeout=SOON):
    page.locator(".sy-status").filter(has_text=re.compile(text)).wait_for(timeout=timeout)


# All that the page looked at, and what it says of it.
STATE = """() => {
    const { records, out, size } = window.seeYourself;
    const text = (bytes) => {
        let said = "";
        for (let i = 0; i < bytes.length; i += 32768) said += String.fromCharCode(...bytes.subarray(i, i + 32768));
        return btoa(said);
    };
    return { out, size, records: records.map((one) => ({
        image: one.found?.poseLandmarks?.map((p) => [p.x, p.y, p.visibility]),
        world: one.found?.poseWorldLandmarks?.map((p) => [p.x, p.y, p.z]),
        picture: text(one.context.getImageData(0, 0, ...size).data),
        side: one.squares?.side, squares: one.squares?.pixels.map(text), V: one.V && Array.from(one.V),
    })) };
}"""


def pixels(text, *shape):
    """RGB of what a canvas gave."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(*shape, 4)[..., :3].copy()


@pytest.fixture(scope="module")
def seen(filmed, address, film):
    """The page's state after a film."""
    context = filmed.new_context(**GRANTED)
    page = context.new_page()
    page.goto(address)
    page.locator(".sy-file").set_input_files(film)
    status(page, "film has ended", LATE)
    found = page.evaluate(STATE)
    context.close()
    return found


def estimates(seen):
    """(T, 1, 33, 3) in the image and in metres, as an estimator of the package gives them."""
    scale = np.array([*seen["size"], 1])
    nobody = np.full((33, 3), np.nan)
    image = [
        nobody if r["image"] is None else np.array(r["image"]) * scale for r in seen["records"]
    ]
    world = [nobody if r["world"] is None else np.array(r["world"]) for r in seen["records"]]
    return np.stack(image)[:, None], np.stack(world)[:, None]


@pytest.fixture(scope="module")
def clip(seen, tmp_path_factory):
    """What the package makes of the page's own estimates."""
    path = tmp_path_factory.mktemp("estimated") / "clip.skeleton"
    write_estimated(path, *estimates(seen), tuple(seen["size"]))
    return read_clip(path)


def test_every_frame_of_a_film_is_looked_at(seen, images):
    frames = min(len(images), int(30 * see_yourself.SECONDS))
    # the browser may take a film to end as its last frame begins
    assert len(seen["records"]) in (frames - 1, frames)


def test_joints_are_those_of_the_package(seen, clip):
    steps = len(seen["out"]["chosen"])
    joints = np.reshape(seen["out"]["inputs"]["x"], (steps, 2, 25, 3))
    wanted = clip.joints[seen["out"]["chosen"]]
    assert np.abs(wanted[:, 0]).max() > 1  # somebody is there, metres away
    np.testing.assert_allclose(joints, wanted, atol=CLOSE)
    present = np.reshape(seen["out"]["inputs"]["present"], (steps, 4))
    assert np.array_equal(present, np.isfinite(clip.hands[seen["out"]["chosen"]]).all(-1))


def test_squares_are_those_of_the_package(seen, clip):
    width, height = seen["size"]
    cut = [(t, r) for t, r in enumerate(seen["records"]) if r["squares"]]
    assert len(cut) > 10
    for t, record in cut:
        side = record["side"]
        picture = pixels(record["picture"], height, width)
        hands = estimates(seen)[0][t, 0]
        assert np.isfinite(hands).all()
        # the file that the package reads has places to a tenth of a pixel
        for hand, (place, square) in enumerate(
            zip(clip.hands[t, :2], record["squares"], strict=True)
        ):
            near = [
                crop(picture, place[None] + d, side)[0]
                for d in ((0, 0), (0.06, 0), (-0.06, 0), (0, 0.06), (0, -0.06))
            ]
            found = pixels(square, side, side).transpose(2, 0, 1)
            assert any(np.array_equal(one, found) for one in near), (t, hand)
    assert (
        abs(cut[-1][1]["side"] - crop_sides("0.75torso", clip)[0]) <= 2
    )  # the median grows with the window


@torch.no_grad()
def test_attention_is_pytorchs_on_the_same_squares_and_joints(seen):
    model, record = load(see_yourself.FILM), read_record(see_yourself.FILM)
    sensor, chosen = sensor_for(model.config.crops, record["sensor"]), seen["out"]["chosen"]
    V = torch.zeros(1, len(chosen), 4, sensor.features)
    for step, t in enumerate(chosen):
        if squares := seen["records"][t]["squares"]:
            side = seen["records"][t]["side"]
            small = [squeeze(pixels(s, side, side), sensor.input_size) for s in squares]
            V[0, step, :2] = sensor(torch.from_numpy(np.stack(small))).half().float()
    joints = torch.tensor(seen["out"]["inputs"]["x"]).reshape(1, len(chosen), 2, 25, 3)
    present = torch.tensor(seen["out"]["inputs"]["present"]).reshape(1, len(chosen), 4) > 0
    build, hands = PoseTensor.from_config(model.config), (V, present)
    reads = [
        ModelInput(
            build(exchange_joints(joints, what, KINECT_V2)),
            *(exchange_hands(values, what) for values in hands),
        )
        for what in exchanges(model.config)
    ]
    said = infer(model, *reads)
    for name, atol in (
        ("spatial_attention", CLOSE),
        ("temporal_attention", CLOSE),
        ("logits", 0.05),
    ):
        wanted = getattr(said, name)[0].numpy()
        found = np.reshape(seen["out"][name], wanted.shape)
        print(f"{name}: largest difference {np.abs(found - wanted).max():.1e}")
        np.testing.assert_allclose(found, wanted, atol=atol, rtol=0)
    # the weights of two hands, a model's own and in the mirror, may meet at one half
    assert said.temporal_attention[0].std() > 10 * CLOSE  # there is something to compare


# The tracks of every camera that the page opened.
TRACKS = """
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await open(wanted);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
"""
ENDED = "window.tracks.length > 0 && window.tracks.every((track) => track.readyState === 'ended')"


def test_the_camera_is_drawn_upon_until_it_is_stopped(visit, filmed, address):
    page = visit(filmed, address, TRACKS, **GRANTED)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("window.seeYourself?.out && window.seeYourself.looked > 5", timeout=LATE)
    rate = page.evaluate("window.seeYourself.rate")
    print(f"before the camera: {rate:.1f} frames a second, while all else goes on")
    assert not page.evaluate(ENDED)
    assert page.locator(".sy-time i").count() == 20
    assert page.locator(".sy-share").first.inner_text().endswith("%")
    said = page.locator(".sy-weights").inner_text()
    weights = [float(number) for number in re.findall(r"\d\.\d\d", said)]
    assert len(weights) == 2 and abs(sum(weights) - 1) < 0.02
    shown = page.evaluate("document.querySelector('.sy-picture').toDataURL()")
    page.wait_for_function(
        "before => document.querySelector('.sy-picture').toDataURL() !== before",
        arg=shown,
        timeout=SOON,
    )
    colours = page.evaluate(
        """() => {
            const canvas = document.querySelector(".sy-picture");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let i = 0; i < data.length; i += 4) seen.add([data[i], data[i + 1], data[i + 2]].join());
            return [...seen];
        }"""
    )
    assert {"0,114,178", "213,94,0"} <= set(colours)  # left and right, as everywhere
    page.get_by_role("button", name="Stop").click()
    status(page, "^Stopped")
    assert page.evaluate(ENDED)
    looked = page.evaluate("window.seeYourself.looked")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.seeYourself.looked") <= looked + 1
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("n => window.seeYourself.looked > n + 2", arg=looked, timeout=LATE)
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    status(page, "^Stopped, because the page was hidden")
    assert page.evaluate(ENDED)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_and_all_of_it_fits(visit, filmed, address, width):
    page = visit(filmed, address, **GRANTED | {"viewport": {"width": width, "height": 900}})
    boxes = """() => [...document.querySelectorAll("#see-yourself, .sy-stage, .sy-charts, .sy-classes, h2")]
        .map((e) => { const b = e.getBoundingClientRect(); return [b.left, b.top + scrollY, b.width, b.height].map(Math.round); })"""
    page.wait_for_load_state("networkidle")
    before = page.evaluate(boxes)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("window.seeYourself?.out", timeout=LATE)
    assert page.evaluate(boxes) == before
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_keyboard_is_enough(visit, filmed, address):
    page = visit(filmed, address, **GRANTED)
    page.focus(".sy-camera")
    page.keyboard.press("Tab")
    focus = (
        "[document.activeElement.className, document.activeElement.labels?.[0]?.textContent.trim()]"
    )
    assert page.evaluate(focus) == ["sy-file", "or choose a video file"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sy-stop:not(:disabled)")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "sy-stop"
    page.keyboard.press("Enter")
    status(page, "^Stopped")


# What is wrong: a script that makes it so, addresses that do not answer, and what the page says.
TROUBLES = {
    "no WebAssembly": ("delete window.WebAssembly", "", "This browser has no WebAssembly"),
    "no camera for pages": (
        "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})", "", "gives no camera to a page",
    ),
    "not allowed": ("", "", "The camera was not allowed"),
    "in use": (
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError'))",
        "", "close any other program",
    ),
    "no camera": (
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))",
        "", "No camera was found",
    ),
    "no estimator": ("", "**/estimator/*", "The pose estimator .* is not beside this page"),
    "no model": ("", "**/see-yourself/*.onnx", "The model is not beside this page"),
    "no model at all": ("", "**/about.json", "The model is not beside this page"),
    "no runtime": ("", "**/runtime/*", "ONNX Runtime Web could not be fetched"),
    "no WebGL": (
        "HTMLCanvasElement.prototype.getContext = ((get) => function (kind, ...more) {"
        " return kind.startsWith('webgl') ? null : get.call(this, kind, ...more); })(HTMLCanvasElement.prototype.getContext);"
        "if (window.OffscreenCanvas) OffscreenCanvas.prototype.getContext = () => null;",
        "", "could not start in this browser",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_is_missing_is_one_sentence(visit, browser, filmed, address, trouble):
    script, lost, sentence = TROUBLES[trouble]
    page = visit(filmed, address, script)  # no permission was granted
    page.route(lost or "**/nothing", lambda route: route.abort())
    page.get_by_role("button", name="Start the camera").click()
    said = page.get_by_role("alert").filter(has_text=re.compile(sentence))
    said.wait_for(timeout=SOON)
    assert len(re.findall(r"[.!?](?:\s|$)", said.inner_text())) == 1
    assert page.locator(".sy-still").is_visible()  # the still twin stands there
    assert page.locator(".sy-stop").is_disabled() and page.locator(".sy-camera").is_enabled()


def test_a_file_that_is_no_film_is_one_sentence(visit, filmed, address, tmp_path):
    (tmp_path / "film.mp4").write_text("no film")
    page = visit(filmed, address)
    page.locator(".sy-file").set_input_files(tmp_path / "film.mp4")
    page.get_by_role("alert").filter(has_text="cannot play this file").wait_for(timeout=SOON)


def test_a_picture_without_anybody_is_said(visit, filmed, address, tmp_path):
    grey = [np.full((240, 320, 3), 120, np.uint8)] * 4
    page = visit(filmed, address)
    page.locator(".sy-file").set_input_files(
        written(tmp_path / "grey.webm", grey, "libvpx", "webm")
    )
    status(page, "film has ended. Nobody is seen", LATE)
    assert page.evaluate("window.seeYourself.out") is None


def test_without_javascript_and_on_paper_the_still_stands_there(visit, browser, address):
    page = visit(browser, address, java_script_enabled=False)
    still = page.locator(".sy-twin img")
    assert (
        still.is_visible()
        and still.get_attribute("alt")
        and page.locator("figcaption").is_visible()
    )
    assert not page.locator("#see-yourself").is_visible()
    page = visit(browser, address)
    assert not page.locator(".sy-twin").is_visible() and page.locator("#see-yourself").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".sy-twin").is_visible() and not page.locator("#see-yourself").is_visible()


def test_no_file_is_asked_for_before_the_reader_starts(visit, browser, address):
    page = visit(browser, address)
    asked = page.evaluate("performance.getEntriesByType('resource').map((e) => e.name)")
    own = [
        url.rsplit("/", 1)[1] for url in asked if "/see-yourself/" in url or "/playground/" in url
    ]
    assert sorted(own) == ["body.js", "live.js", "see-yourself.css"]
