"""The playground: what a swap is, and that the page computes what PyTorch computes."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from pcsta.batches import SubSequences
from pcsta.config import laptop
from pcsta.data import HANDS
from pcsta.data.video import read_frames
from pcsta.pose_tensor import PoseTensor
from pcsta_book import artifacts, synthetic
from pcsta_book.site import playground
from pcsta_book.site.playground import THINGS, Inputs, change
from pcsta_book.synthetic import actions
from pcsta_book.synthetic.casting import Name
from pcsta_book.synthetic.clip_plan import plan_clip
from pcsta_book.synthetic.generate import write_video

CLOSE = 1e-4
OUTPUTS = ("logits", "pose_logits", "rgb_logits", "spatial_attention", "temporal_attention")


# ---------------------------------------------------------------- what a change is


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    present = np.ones((20, 4), bool)
    present[:, 3] = False
    V = rng.normal(size=(3, 20, 4, 5)).astype(np.float32) * present[..., None]
    X = rng.normal(size=(3, 20, 300)).astype(np.float32)
    return Inputs(X, V, present, np.arange(20))


def test_without_a_change_a_clip_is_as_filmed(inputs):
    same = change(inputs)
    assert np.array_equal(same.glimpses, inputs.glimpses[:1])
    assert np.array_equal(same.pose_tensor, inputs.pose_tensor)
    assert np.array_equal(same.present, inputs.present)


def test_a_swap_and_a_hidden_hand_change_nothing_else(inputs):
    variant, hidden = np.zeros((20, 4), int), np.zeros((20, 4), bool)
    variant[5, 1], hidden[7, 0] = 2, True
    new = change(inputs, variant, hidden)
    wanted = inputs.glimpses[0].copy()
    wanted[5, 1], wanted[7, 0] = inputs.glimpses[2, 5, 1], 0
    assert np.array_equal(new.glimpses[0], wanted)
    assert not new.present[7, 0] and new.present.sum() == inputs.present.sum() - 1


def test_frozen_hands_show_one_step(inputs):
    new = change(inputs, hands_at=4)
    assert (new.glimpses[0] == inputs.glimpses[0, 4]).all()
    assert np.array_equal(new.pose_tensor, inputs.pose_tensor)


def test_a_frozen_body_is_the_pose_tensor_of_joints_that_stand(inputs):
    torch.manual_seed(0)
    joints = torch.randn(1, 20, 2, 25, 3)
    build = PoseTensor.from_config(laptop())
    moving = inputs._replace(pose_tensor=build(joints)[0].numpy())
    standing = build(joints[:, 6:7].expand(-1, 20, -1, -1, -1))[0].numpy()
    np.testing.assert_allclose(change(moving, body_at=6).pose_tensor, standing, atol=1e-5)


# ---------------------------------------------------------------- what a swap is


NAME = Name(camera=1, subject=3, replication=1, action=1)


@pytest.mark.slow
def test_a_clip_drawn_again_is_its_file(tmp_path):
    """Nothing but the object can make a counterfactual differ from what was filmed."""
    made = synthetic.make(
        tmp_path / "data", workers=1, progress=False, frames=20, subjects=(3,), actions=(1,)
    )
    write_video(tmp_path / "again.avi", plan_clip(0, NAME, 20).images())
    filmed = [image for _, image in read_frames(made / f"nturgb+d_rgb/{NAME}_rgb.avi")]
    drawn = [image for _, image in read_frames(tmp_path / "again.avi")]
    assert np.array_equal(filmed, drawn)


def test_another_object_changes_the_hands_and_nothing_else():
    planned = plan_clip(0, NAME, 32)
    other = planned.holding(0, "comb")
    assert other.joints is planned.joints
    held = planned.plans[0][0].objects(32)
    assert other.plans[0][0].objects(32) == ["comb"] * 32
    t = next(t for t, thing in enumerate(held) if thing not in ("", "comb"))
    before, after = (next(iter(p.images([t]))).astype(int) for p in (planned, other))
    y, x = np.nonzero(np.abs(before - after).sum(2))
    assert len(x) > 50
    distance = np.linalg.norm(np.stack([x, y], -1)[:, None] - planned.hands[t, 0], axis=-1)
    assert distance.min(1).max() < 60  # pixels: an object is at most half as long


# ---------------------------------------------------------------- the files


@pytest.fixture(scope="module")
def folder():
    return playground.folder()


@pytest.fixture(scope="module")
def names():
    return playground.names()


@pytest.mark.slow
def test_the_clips_follow_their_rule(names):
    groups = [actions.BY_NTU[int(name[-3:])].group for name in names]
    shared = {g for g, n in Counter(a.group for a in synthetic.REPERTOIRE).items() if n > 1}
    assert Counter(groups) == dict.fromkeys(shared, 2) and len(set(names)) == len(names)
    assert {artifacts.running_clip().name, artifacts.running_pair().name} <= set(names)
    test = {artifacts.store().clips[i].name for i in artifacts.store().split("cross-subject")[1]}
    assert set(names) <= test


@pytest.mark.slow
def test_both_models_have_one_pose_stream_and_one_map_of_the_glimpses():
    """The page loads `pose.onnx` and V once, for both."""
    ours, theirs = (artifacts.model(row)[0].state_dict() for row in playground.MODELS.values())
    shared = [key for key in ours if key.startswith(("pose_", "rgb.scaling."))]
    assert {key.split(".")[0] for key in shared} >= {"pose_net", "pose_head", "rgb"}
    for key in shared:
        assert torch.equal(ours[key], theirs[key]), f"they differ in {key}"


@pytest.mark.slow
@torch.no_grad()
def test_a_clip_as_filmed_is_the_stores(folder, names):
    """The page's arrays give what the chapters' way from the store gives, raw features included."""
    store, model = artifacts.store(), artifacts.model("K")[0]
    batches = SubSequences(store, model.config, torch.device("cpu"))
    for name in names:
        batch = next(batches.testing(np.array([store.index(name)]), count=1))
        wanted = model(batch.pose_tensor, batch.glimpses, batch.present)
        said = playground.run(model, playground.load(folder, name))
        for field in OUTPUTS:
            torch.testing.assert_close(
                getattr(said, field), getattr(wanted, field), atol=CLOSE, rtol=0
            )


@pytest.mark.slow
def test_the_picture_shown_and_the_features_agree(folder, names):
    """The sensor, given the page's own crops, is nearest to the features that go with them."""
    sensor, model, name = artifacts.sensor(), artifacts.model("K")[0], names[0]
    found = playground.load(folder, name)
    sprite = np.asarray(Image.open(folder / f"{name}-crops.webp").convert("RGB"))
    variants, steps, hands = found.glimpses.shape[:3]
    size = artifacts.dataset().crop_size
    crops = sprite.reshape(variants, hands, size, steps, size, 3).transpose(0, 3, 1, 5, 2, 4)
    there = np.broadcast_to(found.present, crops.shape[:3])
    with torch.no_grad():
        seen = model.rgb.scaling.project(sensor(torch.from_numpy(crops[there].copy()))).numpy()
    variant, step, hand = np.nonzero(there)
    rivals = found.glimpses[1:, step, hand]  # every object in this hand at this step
    nearest = 1 + np.linalg.norm(rivals - seen, axis=-1).argmin(0)
    swapped = variant > 0
    assert (nearest == variant)[swapped].mean() > 0.95


# ---------------------------------------------------------------- the page


@pytest.fixture
def page(browser, origin):
    """The page, with the model running; afterwards nothing has failed or been asked of others."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    errors, requests = [], []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{origin}/playground.html", wait_until="load")
    page.wait_for_function("window.playground?.computed", timeout=60_000)
    settle(page)
    yield page
    page.close()
    assert not errors
    assert not [url for url in requests if not url.startswith((origin, "data:", "blob:"))]


def settle(page):
    page.wait_for_selector("#playground[aria-busy=false]")


def choose(page, **controls):
    """Set controls of the page by name, then wait for the model."""
    for name, value in controls.items():
        control = page.locator(f"#playground [name={name.replace('_', '-')}]")
        if name == "conditioned":
            control.set_checked(value)
        elif name == "step":
            control.fill(str(value))
        else:
            control.select_option(str(value))
        settle(page)


def shown(page):
    """Everything that a reader sees of the playground's state."""
    return page.evaluate(
        """() => {
            const root = document.getElementById("playground");
            const pictures = [...root.querySelectorAll("canvas")].map((c) => c.toDataURL());
            const charts = [...root.querySelectorAll("svg, .pg-classes, .pg-bar")].map((e) => e.outerHTML);
            return { pictures, charts, summary: root.querySelector(".pg-summary").textContent };
        }"""
    )


# controls of the page -> keywords of `change`; `hand` is the first that decides
def cases(deciding):
    hand = int(deciding.any(0).argmax())
    cup, nothing = 1 + THINGS.index("cup"), 1 + THINGS.index("")
    everywhere, other, here = np.zeros((3, len(deciding), 4), int)
    everywhere[:, hand] = other[:, hand ^ 1] = here[11, hand] = 1
    inside = deciding.any(1, keepdims=True)
    mine, theirs = f"hand_{hand}", f"hand_{hand ^ 1}"
    return [
        ({}, {}),
        ({mine: cup - 1}, {"variant": cup * everywhere}),
        ({mine: "hidden"}, {"hidden": everywhere > 0}),
        ({theirs: "hidden", "when": "inside"}, {"hidden": other * inside > 0}),
        ({mine: nothing - 1, "when": "outside"}, {"variant": nothing * everywhere * ~inside}),
        ({mine: cup - 1, "step": 11, "when": "now"}, {"variant": cup * here}),
        ({"step": 2, "freeze": "hands"}, {"hands_at": 2}),
        ({"step": 8, "freeze": "body"}, {"body_at": 8}),
        (
            {"step": 19, "freeze": "both", mine: cup - 1},
            {"hands_at": 19, "body_at": 19, "variant": cup * everywhere},
        ),
    ]


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_computes_what_pytorch_computes(page, folder):
    pair, clip = artifacts.running_pair(), artifacts.running_clip()
    other = playground.names()[4]
    models = {kind: artifacts.model(row)[0] for kind, row in playground.MODELS.items()}
    for name in (clip.name, pair.name, other):
        inputs = playground.load(folder, name)
        deciding = artifacts.dataset().read(name).truth.deciding[inputs.frames]
        choose(page, clip=name)
        for conditioned in (True, False):
            model = models["conditioned" if conditioned else "unconditioned"]
            for controls, keywords in cases(deciding):
                page.click("text=Undo all changes")
                settle(page)
                choose(page, conditioned=conditioned, **controls)
                state = page.evaluate("window.playground")
                assert (state["clip"], state["conditioned"]) == (name, conditioned)
                wanted = playground.run(model, change(inputs, **keywords))
                for field in OUTPUTS:
                    np.testing.assert_allclose(
                        state["outputs"][field], getattr(wanted, field)[0], rtol=0, atol=CLOSE,
                        err_msg=f"{name}, {controls}, {field}",
                    )  # fmt: skip


@pytest.mark.browser
@pytest.mark.slow
def test_every_control_changes_what_is_shown(page):
    before = shown(page)
    settings = {
        "hand_0": "hidden", "hand_1": THINGS.index("book"), "freeze": "both", "step": 2,
        "conditioned": False, "clip": artifacts.running_pair().name,
    }  # fmt: skip
    seen = [before]
    for name, value in settings.items():
        choose(page, **{name: value})
        now = shown(page)
        assert now["pictures"] != seen[-1]["pictures"] or now["charts"] != seen[-1]["charts"], name
        seen.append(now)
    assert len({now["summary"] for now in seen}) > len(seen) // 2  # rounded: it need not change
    assert page.locator(".pg-hands li").count() == len(HANDS)
    choose(page, hand_3="hidden")
    before = shown(page)
    choose(page, when="now")
    assert shown(page)["charts"] != before["charts"]
    page.click("text=Undo all changes")
    settle(page)
    state = page.evaluate("window.playground")
    assert (
        state["hands"] == ["filmed"] * 4 and state["freeze"] == "nothing" and state["conditioned"]
    )


@pytest.mark.browser
@pytest.mark.slow
def test_the_keyboard_is_enough(page):
    keys = {
        "clip": "ArrowDown", "when": "ArrowDown", "freeze": "ArrowDown", "hand-0": "ArrowDown",
        "hand-1": "ArrowDown", "step": "ArrowRight", "conditioned": "Space",
    }  # fmt: skip
    page.focus("#playground [name=clip]")
    page.keyboard.press("Shift+Tab")
    for name, key in keys.items():
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const e = document.activeElement, style = getComputedStyle(e);
                return [e.name, e.labels[0]?.textContent.trim(), style.outlineStyle, parseFloat(style.outlineWidth)];
            }"""
        )
        assert focus[0] == name and focus[1], f"{focus} has the focus, not {name}"
        assert focus[2] == "solid" and focus[3] >= 2, f"{name}: its focus cannot be seen"
        before = page.evaluate("JSON.stringify(window.playground)")
        page.keyboard.press(key)
        page.wait_for_function("before => JSON.stringify(window.playground) !== before", arg=before)
        settle(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("window.playground.hands.every((choice) => choice === 'filmed')")


@pytest.mark.browser
@pytest.mark.slow
def test_without_its_runtime_the_page_says_so_and_shows_pytorchs_answers(browser, origin):
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.route("**/runtime/*", lambda route: route.abort())
    page.goto(f"{origin}/playground.html", wait_until="load")
    page.get_by_role("alert").filter(has_text="ONNX Runtime Web could not be fetched").wait_for()
    state = page.evaluate("window.playground")
    assert not state["computed"] and len(state["outputs"]["logits"]) > 1
    assert page.locator("[name=freeze]").is_disabled()
    before = shown(page)
    choose(page, clip=artifacts.running_pair().name, step=2)
    assert shown(page)["summary"] != before["summary"]
    assert page.locator("[name=hand-0]").is_disabled()
    page.close()
