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
from pcsta.glimpse import crop, squeeze
from pcsta.pose_tensor import PoseTensor
from pcsta_book import artifacts
from pcsta_book.places import BOOK
from pcsta_book.site import see_yourself

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLOSE = 1e-3
SIZE = (320, 240)
GRANTED = {"permissions": ["camera"], "viewport": {"width": 1280, "height": 900}}
SOON, LATE = 60_000, 600_000  # milliseconds


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
        (film, *_) = sorted(folder.glob("*_wave_u_nm_np1_fr_med_*.avi"))
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
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(*shape, 4)[..., :3]


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
    image = [nobody if r["image"] is None else np.array(r["image"]) * scale for r in seen["records"]]
    world = [nobody if r["world"] is None else np.array(r["world"]) for r in seen["records"]]
    return np.stack(image)[:, None], np.stack(world)[:, None]


@pytest.fixture(scope="module")
def clip(seen, tmp_path_factory):
    """What the package makes of the page's own estimates."""
    path = tmp_path_factory.mktemp("estimated") / "clip.skeleton"
    write_estimated(path, *estimates(seen), "blazepose_33", tuple(seen["size"]))
    return read_clip(path)


def test_every_frame_of_a_film_is_looked_at(seen, images):
    assert len(seen["records"]) == min(len(images), int(30 * see_yourself.SECONDS))


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
        for hand, (place, square) in enumerate(zip(clip.hands[t, :2], record["squares"], strict=True)):
            near = [crop(picture, place[None] + d, side)[0] for d in ((0, 0), (0.06, 0), (-0.06, 0), (0, 0.06), (0, -0.06))]
            found = pixels(square, side, side).transpose(2, 0, 1)
            assert any(np.array_equal(one, found) for one in near), (t, hand)
    assert abs(cut[-1][1]["side"] - crop_sides("0.75torso", clip)[0]) <= 2  # the median grows with the window


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
    said = model(PoseTensor.from_config(model.config)(joints), V, present)
    for name, atol in (("spatial_attention", CLOSE), ("temporal_attention", CLOSE), ("logits", 0.05)):
        wanted = getattr(said, name)[0].numpy()
        found = np.reshape(seen["out"][name], wanted.shape)
        print(f"{name}: largest difference {np.abs(found - wanted).max():.1e}")
        np.testing.assert_allclose(found, wanted, atol=atol, rtol=0)
    assert said.spatial_attention[0, :, 0].std() > CLOSE  # there is something to compare
