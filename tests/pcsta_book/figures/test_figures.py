"""Figures and players show what they are given."""

import base64
import io
import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from pcsta.data.clip import HANDS, Clip, Truth
from pcsta.skeletons import SKELETONS
from pcsta_book import figures
from pcsta_book.figures.paint import class_bars, temporal_strip
from pcsta_book.figures.style import HAND_COLOURS, HAND_LINES, HAND_MARKERS
from pcsta_book.places import BOOK

STEPS = 6


@pytest.fixture(params=sorted(SKELETONS))
def clip(request):
    """Two standing people whose hands are 32 px boxes apart; the second leaves at step 3."""
    return make_clip(request.param)


def make_clip(name="kinect_v2"):
    skeleton = SKELETONS[name]
    rest = figures.rest_pose(skeleton)
    joints = np.zeros((STEPS, 2, len(skeleton), 3), np.float32)
    for person, x in enumerate((-0.8, 0.8)):
        joints[:, person, :, 0] = 0.13 * rest[:, 0] + x
        joints[:, person, :, 1] = 0.19 * rest[:, 1] - 1
        joints[:, person, :, 2] = 3
    x, y = 480 + 530 * joints[..., 0] / 3, 270 - 530 * joints[..., 1] / 3
    pixels = np.stack([x, y], axis=-1).astype(np.float32)
    joints[3:, 1], pixels[3:, 1] = 0, np.nan
    deciding = np.zeros((STEPS, 4), bool)
    deciding[2:4, 1] = deciding[3, 2] = True
    truth = Truth(deciding, np.full((STEPS, 4), ""))
    return Clip("S001", joints, pixels, skeleton, 0, "1", action="drink", image_size=(960, 540), truth=truth)  # fmt: skip


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def amount(picture, colour):
    """How many pixels have nearly this colour."""
    return int((np.abs(picture.astype(int) - rgb(colour)).max(axis=-1) < 24).sum())


def test_each_hand_has_its_own_colour_marker_and_line():
    for look in (HAND_COLOURS, HAND_MARKERS, HAND_LINES):
        assert len(set(look)) == len(HANDS) == 4


def test_more_weight_gives_a_thicker_box(clip):
    image = figures.blank(clip)
    amounts = [
        amount(figures.paint(image, clip, 0, np.array([1 - w, w, 0, 0])), HAND_COLOURS[1])
        for w in (0.0, 0.5, 1.0)
    ]
    assert amounts[0] < amounts[1] < amounts[2]


def test_an_absent_person_is_not_drawn(clip):
    painted = figures.paint(figures.blank(clip), clip, 4, np.full(4, 0.25))
    assert amount(painted, HAND_COLOURS[0]) > 50 and amount(painted, HAND_COLOURS[1]) > 50
    assert amount(painted, HAND_COLOURS[2]) == amount(painted, HAND_COLOURS[3]) == 0


def test_boxes_are_centred_on_the_hands(clip):
    """At a width of 960 a pixel of the picture is a pixel of the colour image."""
    sides = np.array([32, 32, 48, 48])  # of each person
    painted = figures.paint(figures.blank(clip), clip, 0, width=960, crop_size=sides)
    for hand, (x, y) in enumerate(clip.hands[0]):
        rows, columns = np.nonzero(
            np.abs(painted.astype(int) - rgb(HAND_COLOURS[hand])).max(-1) < 24
        )
        assert (columns.min() + columns.max()) / 2 == pytest.approx(x, abs=1.5)
        assert (rows.min() + rows.max()) / 2 == pytest.approx(y, abs=1.5)
        assert columns.max() - columns.min() == pytest.approx(sides[hand] + 4, abs=3)


def test_what_the_model_sees_is_left_as_it_is(clip):
    """No bone crosses a box, although every hand is the end of one."""
    image = np.random.default_rng(0).integers(0, 255, (540, 960, 3), np.uint8)
    painted = figures.paint(image, clip, 0, width=960, crop_size=32)
    plain = figures.paint(
        image, replace(clip, pixels=np.full_like(clip.pixels, np.nan)), 0, width=960
    )
    x, y = np.round(clip.hands[0, 1]).astype(int)
    inside = np.s_[y - 12 : y + 12, x - 12 : x + 12]
    np.testing.assert_array_equal(painted[inside], plain[inside])


def test_the_window_holds_everybody_and_moves_nothing(clip):
    left, top, right, bottom = window = figures.people_window(clip)
    seen = clip.pixels[np.isfinite(clip.pixels).all(axis=-1)]
    assert (seen >= (left, top)).all() and (seen <= (right, bottom)).all()
    assert 0 <= left < right <= 960 and 0 <= top < bottom <= 540
    assert (right - left) / (bottom - top) >= 4 / 3 - 1e-6
    painted = figures.paint(figures.blank(clip), clip, 0, width=720, window=window)
    rows, columns = np.nonzero(np.abs(painted.astype(int) - rgb(HAND_COLOURS[1])).max(-1) < 24)
    x, y = (clip.hands[0, 1] - (left, top)) * 720 / (right - left)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(x, abs=1.5)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(y, abs=1.5)


def test_without_people_the_window_is_the_image(clip):
    empty = replace(clip, pixels=np.full_like(clip.pixels, np.nan))
    assert figures.people_window(empty) == (0, 0, 960, 540)


def test_pixels_scale_with_a_smaller_image(clip):
    """A video of half the size that `clip.pixels` refer to gives the same picture."""
    full = figures.paint(figures.blank(clip), clip, 0)
    half = figures.paint(figures.blank(clip)[::2, ::2], clip, 0)
    np.testing.assert_array_equal(full, half)


def test_painting_names_a_missing_frame(clip):
    with pytest.raises(IndexError, match=f"0 to {STEPS - 1}, not {STEPS}"):
        figures.paint(figures.blank(clip), clip, STEPS)


def test_temporal_strip_draws_larger_weights_taller():
    strip = temporal_strip(np.array([0.1, 0.6, 0.3]), now=1, width=300)
    dark = (strip[20:].astype(int).sum(axis=-1) < 500).sum(axis=0)  # text stays above
    first, second, third = (int(dark[x]) for x in (50, 150, 250))
    assert first < third < second


def test_tensor_image_puts_a_joint_where_its_label_is():
    skeleton, order = SKELETONS["kinect_v2"], [1, 0, 7]
    tensor = np.zeros((3, 4, 2, 3, 3), np.float32)
    tensor[1, :, 0, 2] = [1, -1, 0]  # velocity of person 1's third path entry
    tensor[1, :, 1] = 5  # of the other person nothing is shown
    figure, ax = plt.subplots()
    figures.tensor_image(ax, tensor.reshape(3, 4, 18), skeleton, order, channel=1)
    picture = ax.images[0].get_array()
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == [skeleton.joints[j] for j in order]
    np.testing.assert_allclose(picture[0, 2], [1, 0, 0.5])
    np.testing.assert_allclose(picture[0, :2], 0.5)
    plt.close(figure)


def test_confusion_shows_shares_of_the_true_class():
    figure, ax = plt.subplots()
    figures.confusion(ax, np.array([[3, 1], [0, 0]]), ["drink", "eat"])
    assert {text.get_text() for text in ax.texts} == {"75", "25"}
    with pytest.raises(ValueError, match="does not fit"):
        figures.confusion(ax, np.eye(3), ["drink", "eat"])
    plt.close(figure)


def test_probabilities_show_the_classes_that_get_some():
    _, axes = plt.subplots(1, 2)
    opinions = {"one": np.array([0.5, 0.5, 0, 0]), "other": np.array([0, 0.99, 0, 0.01])}
    figures.answer_bars(axes, opinions, "abcd", label=2)
    names = axes[0].get_yticklabels()
    assert [name.get_text() for name in names] == ["a", "b", "c", "1 others"]
    assert [name.get_fontweight() for name in names].index("bold") == 2  # the truth, always there
    assert [bar.get_width() for bar in axes[1].patches] == pytest.approx([0, 0.99, 0, 0.01])
    plt.close()


def test_heatmap_outlines_the_hands_that_decide(clip):
    figure, ax = plt.subplots()
    attention = np.full((STEPS, 4), 0.25)
    figures.attention_heatmap(ax, attention, clip.truth.deciding)
    assert [patch.get_xy() for patch in ax.patches] == [(1.5, 0.5), (2.5, 0.5), (2.5, 1.5)]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(HANDS)
    plt.close(figure)


def test_tour_steps_along_bones_are_solid_and_jumps_dashed(clip):
    figure, ax = plt.subplots()
    parent, child = clip.skeleton.bones[0]
    hands = clip.skeleton.hand_indices
    figures.tour(ax, clip.skeleton, [parent, child, hands[0], hands[1]])
    styles = [text.arrow_patch.get_linestyle() for text in ax.texts if text.arrow_patch]
    assert styles[0] in ("-", "solid") and styles[-1] not in ("-", "solid")
    plt.close(figure)


def test_every_joint_has_a_place_of_its_own(clip):
    places = figures.rest_pose(clip.skeleton)
    assert len({tuple(place) for place in places}) == len(clip.skeleton)


@pytest.mark.parametrize("view", ["front", "side", "top"])
def test_stick_figures_have_every_bone_of_those_present(clip, view):
    figure, ax = plt.subplots()
    figures.skeleton(ax, clip, 4, view)
    assert len(ax.lines) == len(clip.skeleton.bones)
    with pytest.raises(ValueError, match="front, side, top"):
        figures.skeleton(ax, clip, 4, "below")
    plt.close(figure)


IMAGE = r'src="data:image/webp;base64,([^"]+)" alt="([^"]+)"'


def pictures(widget):
    """The pictures of a player and their alternative texts, as the page gets them."""
    found = [
        image for child in widget.children[0].children for image in re.findall(IMAGE, child.value)
    ]
    return [decoded(data) for data, _ in found], [text for _, text in found]


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def on_paper(widget):
    """The alternative texts of the pictures that a player keeps for print."""
    return [text for _, text in re.findall(IMAGE, widget.children[2].value)]


def steps(count):
    return [f"step {i}" for i in range(count)]


def test_player_links_slider_and_pictures_without_a_kernel(monkeypatch):
    links = []
    monkeypatch.setattr("ipywidgets.jslink", lambda source, target: links.append((source, target)))
    frames = [np.full((30, 40, 3), 60 * i, np.uint8) for i in range(4)]
    widget = figures.player(frames, steps(4), alt="a grey ground", start=2)
    stack, controls, _ = widget.children
    play, slider = controls.children
    assert play.value == slider.value == stack.selected_index == 2
    assert (slider.min, slider.max) == (play.min, play.max) == (0, 3)
    assert ((play, "value"), (slider, "value")) in links
    assert ((slider, "value"), (stack, "selected_index")) in links
    shown, texts = pictures(widget)
    assert [round(float(picture.mean()) / 60) for picture in shown] == [0, 1, 2, 3]
    assert texts == [f"a grey ground: step {i}" for i in range(4)]


def test_player_refuses_what_does_not_fit():
    frame = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="at least one"):
        figures.player([], [])
    with pytest.raises(ValueError, match="1 frames but 2 captions"):
        figures.player([frame], ["a", "b"])
    with pytest.raises(ValueError, match="2 pictures side by side but 1 titles"):
        figures.player([(frame, frame)], ["a"], titles=["a"])


def test_pictures_side_by_side_have_a_title_and_an_alternative_text_each():
    rows = [
        tuple(np.full((30, 40, 3), 90 * i + 40 * j, np.uint8) for j in range(2)) for i in range(2)
    ]
    shown, texts = pictures(
        figures.player(rows, ["first", "last"], alt="grey", titles=["<a>", "b"])
    )
    assert [round(float(picture.mean())) // 10 for picture in shown] == [0, 4, 9, 13]
    assert texts == [
        f"{title}: grey: {caption}" for caption in ("first", "last") for title in ("&lt;a&gt;", "b")
    ]


def test_what_stands_on_paper_is_hidden_on_the_screen():
    frames = [np.full((30, 40, 3), 20 * i, np.uint8) for i in range(10)]
    widget = figures.player(frames, steps(10))
    assert widget.children[2].layout.display == "none"
    assert (
        "pcsta-print" in widget.children[2]._dom_classes
    )  # the class that book.css shows in print
    assert on_paper(widget) == [f"frame: step {i}" for i in (0, 3, 6, 9)]
    assert on_paper(figures.player(frames, steps(10), stills=[4])) == ["frame: step 4"]
    assert on_paper(figures.player(frames[:2], steps(2))) == ["frame: step 0", "frame: step 1"]


def test_attention_player_says_where_the_model_looks(clip):
    frames = np.stack([figures.blank(clip)] * 3)
    spatial = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    widget = figures.attention_player(clip, frames, spatial, np.array([0.2, 0.5, 0.3]), [0, 3, 5])
    shown, texts = pictures(widget)
    assert len({picture.tobytes() for picture in shown}) == 3
    assert "frame 3; most weight on right 1; deciding: right 1 and left 2" in texts[1]
    assert "frame 5; most weight on right 2; deciding: none" in texts[2]
    with pytest.raises(ValueError, match="frames 3, indices 2"):
        figures.attention_player(clip, frames, None, None, [0, 1])


def test_attention_on_paper_has_the_step_with_most_weight(clip):
    frames, q = np.stack([figures.blank(clip)] * 6), np.array([0.1, 0.1, 0.1, 0.1, 0.5, 0.1])
    texts = on_paper(figures.attention_player(clip, frames, np.full((6, 4), 0.25), q))
    assert [re.search(r"frame (\d)", text).group(1) for text in texts] == ["0", "3", "4", "5"]


def test_attentions_side_by_side_are_those_of_each_model_alone(clip):
    frames, indices = np.stack([figures.blank(clip)] * 2), [0, 2]
    left, right = np.array([[1, 0, 0, 0], [0, 1, 0, 0.0]]), np.full((2, 4), 0.25)
    q = np.array([0.3, 0.7])
    widget = figures.compare_attention(
        clip, frames, {"conditioned": (left, q), "blind": (right, None)}, indices, width=800
    )
    shown, texts = pictures(widget)
    assert [text.split(":")[0] for text in texts] == ["conditioned", "blind"] * 2
    assert "conditioned: most weight on right 1; blind: most weight on left 1" in texts[2]
    for column, attention in enumerate([(left, q), (right, None)]):
        alone, _ = pictures(figures.attention_player(clip, frames, *attention, indices, width=400))
        for a, b in zip(shown[column::2], alone, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="indices 1, blind spatial_attention 2"):
        figures.compare_attention(clip, frames, {"blind": (right, None)}, [0])


def test_attention_player_without_attention_or_truth(clip):
    frames = np.stack([figures.blank(clip)] * 2)
    _, texts = pictures(figures.attention_player(replace(clip, truth=None), frames, None, None))
    assert texts[1].endswith("drink, frame 1")


def test_the_walk_fills_the_columns_of_its_entries():
    """What lies right of the step's columns is still white, and every step uncovers more."""
    skeleton, order = SKELETONS["sbu"], (0, 1, 0, 2)
    X = np.random.default_rng(0).normal(size=(3, 5, 2 * 4 * 3)).astype(np.float32)
    shown, texts = pictures(figures.walk_player(X, skeleton, order))
    bodies, images = shown[::2], shown[1::2]
    assert len({picture.tobytes() for picture in bodies}) == len(order)
    white = [int((picture.min(axis=-1) > 245).sum()) for picture in images]
    assert white == sorted(white, reverse=True) and len(set(white)) == len(order)
    assert f"entry 2: {skeleton.joints[0]} (again), columns 6 to 8" in texts[4]


def test_seen_joints_are_squares_and_bones_between_them_thick():
    skeleton = SKELETONS["kinect_v2"]
    parent, child = skeleton.bones[3]
    figure, ax = plt.subplots()
    figures.seen_joints(ax, skeleton, {parent, child})
    markers = [line.get_marker() for line in ax.lines]
    assert (markers.count("s"), markers.count(".")) == (2, len(skeleton) - 2)
    thick = [line for line in ax.lines if line.get_marker() == "None" and line.get_linewidth() > 3]
    np.testing.assert_allclose(
        np.stack(thick[0].get_data(), 1), figures.rest_pose(skeleton)[[parent, child]]
    )
    assert len(thick) == 1
    plt.close(figure)


def test_fields_of_view_count_the_joints_of_each_order():
    skeleton = SKELETONS["sbu"]
    orders = {"there and back": (0, 1, 0, 2), "apart": (0, 1, 2, 3)}
    before = plt.get_fignums()
    widget = figures.receptive_field_player(
        skeleton,
        orders,
        [dict.fromkeys(orders, (0, 0)), dict.fromkeys(orders, (1, 23))],
        ["x", "all"],
    )
    _, texts = pictures(widget)
    assert texts[0].endswith("x; there and back: 1 joint, apart: 1 joint")
    assert texts[2].endswith("all; there and back: 3 joints, apart: 4 joints")  # person 1 alone
    assert plt.get_fignums() == before


def test_a_contact_sheet_has_its_moments_in_lines(clip):
    sheet = figures.contact_sheet(clip, moments=5, columns=3, width=332)
    window = figures.people_window(clip)
    for place, t in enumerate((0, 1, 2, 4, 5)):  # five of six frames, evenly spread
        painted = figures.paint(figures.blank(clip), clip, t, width=108, window=window)
        y, x = (painted.shape[0] + 4) * (place // 3), 112 * (place % 3)
        np.testing.assert_array_equal(sheet[y:, x:][: painted.shape[0], :108], painted)
    assert sheet[-10:, -108:].min() == 255 and sheet.shape[1] == 332  # the sixth place is empty


CELLS = np.array([[2, 1, 0], [0, 3, 0], [2, 0, 0]])


def cells(clips, **options):
    grey = np.full((30, 40, 3), 90, np.uint8)
    return figures.confusion_cells(CELLS, ["drink", "eat", "<wave>"], dict.fromkeys(clips, (grey, "subject 1")), **options).data  # fmt: skip


def test_cells_of_a_confusion_matrix_are_named_choices():
    html = cells([(0, 0), (0, 1), (2, 0)])
    labels = re.findall(r'<input[^>]* aria-label="([^"]+)"( checked)?>', html)
    assert labels == [
        ("drink, recognised: 2 clips", ""),
        ("drink, taken for eat: 1 clip", ""),
        ("&lt;wave&gt;, taken for drink: 2 clips", " checked"),  # the most frequent mistake
    ]
    assert [text for _, text in re.findall(IMAGE, html)] == [
        "drink, taken for eat: subject 1",
        "&lt;wave&gt;, taken for drink: subject 1",
        "drink, recognised: subject 1",
    ]
    assert "<wave>" not in html


def test_cells_frame_the_groups():
    html = cells([(0, 0)], groups=["mouth", "mouth", "wave"])
    framed = [cell.count("2px solid") for cell in re.findall(r'<td style="background[^"]+"', html)]
    assert framed == [2, 2, 0, 2, 2, 0, 0, 0, 4]
    with pytest.raises(ValueError, match="does not fit 3 classes"):
        cells([(0, 0)], groups=["mouth"])


@pytest.mark.browser
def test_the_keyboard_goes_from_cell_to_cell(browser):
    """A mistake stands beside a clip that rightly got the same answer, where there is one."""
    page = browser.new_page()
    page.set_content(cells([(0, 0), (0, 1), (2, 0)]))
    shown = "[...document.querySelectorAll('figure')].filter(f => f.offsetParent).map(f => f.dataset.cell)"
    assert page.evaluate(shown) == ["2-0", "0-0"]  # the most frequent mistake
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(shown) == ["0-1"]  # nothing was rightly called "eat" among these
    page.keyboard.press("ArrowUp")
    assert page.evaluate(shown) == ["0-0"]
    page.locator("input[value='2-0']").click()
    assert page.evaluate(shown) == ["2-0", "0-0"]
    page.close()


def test_an_empty_cell_has_no_clip():
    with pytest.raises(ValueError, match=r"empty cell \(1, 0\)"):
        cells([(1, 0)])


def test_a_clip_shows_itself(clip):
    html = figures.card(replace(clip, action="<drink>"))
    assert "&lt;drink&gt;" in html and "<drink>" not in html
    assert "6 frames" in html and "2 people" in html and 'alt="S001' in html


def test_source_is_the_live_source():
    text = figures.source(figures.player).data
    assert text.startswith("`book/pcsta_book/figures/player.py`, line ")
    assert "ipywidgets.jslink((slider" in text
    short = figures.source(figures.player, docstring=False).data
    assert "Raises ValueError" in text and "Raises ValueError" not in short
    assert figures.source(Clip.hands.fget).data.count("def hands") == 1


def test_the_system_shows_the_clips_own_tensors(clip):
    """Each picture holds what it is given, and nothing writes outside the figure."""
    order = list(range(len(clip.skeleton)))
    X = np.random.default_rng(0).normal(size=(3, STEPS, 2 * len(order) * 3))
    p = np.tile([0.1, 0.6, 0.2, 0.1], (STEPS, 1))
    q = np.array([0.0, 0.1, 0.6, 0.1, 0.1, 0.1])
    logits = {"pose": np.arange(5.0), "RGB": -np.arange(5.0)}
    features = np.arange(64.0).reshape(4, 16)
    figure = figures.system(
        clip, figures.blank(clip), 4, X, order, np.arange(32.0), features, p, q, logits
    )
    inside = {str(a.get_label()): a for a in figure.axes[0].child_axes}
    np.testing.assert_allclose(inside["where"].images[0].get_array(), p.T)
    assert [bar.get_height() for bar in inside["when"].patches] == q.tolist()
    assert [bar.get_width() for bar in inside["RGB logits"].patches] == logits["RGB"].tolist()
    np.testing.assert_allclose(inside["glimpses"].images[0].get_array(), features)
    assert inside["where"].get_title() == "$p_t$: where"
    drawn = [len(inside[hand].images) for hand in HANDS]
    assert drawn == [1, 1, 0, 0]  # crops; the second person has left
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        assert figure.bbox.contains(*text.get_window_extent().get_points().mean(0))
    plt.close(figure)


def test_the_colours_of_hands_are_for_hands():
    """They stand in style.py; every other line and bar has another colour."""
    chapters = [p for p in BOOK.glob("*.*") if p.suffix in (".ipynb", ".md")]
    modules = [p for p in (BOOK / "pcsta_book").rglob("*.py") if p.name != "style.py"]
    assert len(chapters) > 12 and len(modules) > 30
    for path in chapters + modules:
        text = path.read_text("utf-8").upper()
        assert not [colour for colour in HAND_COLOURS if colour in text], path.name
    figures.use()
    assert not set(plt.rcParams["axes.prop_cycle"].by_key()["color"]) & set(HAND_COLOURS)


def test_bars_of_classes_are_as_long_as_they_are_probable():
    bars = class_bars([("pour", 0.75), ("stir", 0.25)], width=400)
    high = len(bars) // 2
    for place, share in enumerate((0.75, 0.25)):
        below = bars[(place + 1) * high - 2].astype(int)  # below the letters
        assert (below.sum(-1) < 700).mean() == pytest.approx(share, abs=0.01)
