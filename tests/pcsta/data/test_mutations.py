"""Whatever happens to a file: a clip of finite numbers, what was repaired by name, or a DataError."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsta.data import DataError, read_clip
from pcsta.data.tracks import FAR
from pcsta.skeletons import KINECT_V1, SBU
from recordings import msr_converted, msr_text, ntu_text, person, sbu_text

ONE, TWO = 72057594037931101, 72057594037931102
OTHER = {"at": (0.8, 0, 3.5), "wave": 0.2}
OF_MSR = person(12, skeleton=KINECT_V1), person(12, skeleton=KINECT_V1, **OTHER)
FILES = {
    "a.skeleton": ntu_text(12, [(ONE, 0, person(12)), (TWO, 3, person(9, **OTHER))]),
    "s01s02/01/001/skeleton_pos.txt": sbu_text(
        person(12, skeleton=SBU), person(12, skeleton=SBU, **OTHER)
    ),
    "a01_s01_e01_skeleton.txt": msr_text([list(pair) for pair in zip(*OF_MSR, strict=True)]),
    "a01_s01_e01_skeleton3D.txt": msr_converted(OF_MSR[0]),
}
NONE = ("nan", "-nan(ind)", "1.#QNAN", "inf", "-∞", "1e400", "-3.402823e+38", "1e30", "-99")
OTHERS = ("0", "-1", "3", "", "x", "0,5", "1_0", "٣", "#", "12345678901234567890123", "1000000000")


def read(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            clip = read_clip(path)
        except DataError as error:
            assert error.path == path and error.advice
            return None
    assert np.isfinite(clip.joints).all() and np.abs(clip.joints).max() <= FAR
    assert not np.isinf(clip.pixels).any()
    return clip


@st.composite
def mutated(draw, text):
    """One to three words or lines changed, doubled, lost or zeroed; then, at times, the end lost."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        comma = "," if "," in lines[at] else " "
        words = lines[at].split(comma)
        change = draw(st.sampled_from(("word", "line", "twice", "gone", "zero")))
        if change == "word":
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(NONE + OTHERS))
        elif change == "zero":
            words = ["0"] * len(words)
        other = {"line": [lines[draw(st.integers(0, len(lines) - 1))]], "gone": []}
        lines[at : at + 1] = other.get(change, [comma.join(words)] * (1 + (change == "twice")))
    whole = "\n".join(lines).encode(draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16"))))
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 9)) == 0 else whole


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_mutated_file(name, tmp_path_factory, data):
    read(tmp_path_factory.mktemp("m"), name, data.draw(mutated(FILES[name])))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_number_that_is_none_is_named(name, tmp_path_factory, data):
    folder, text = tmp_path_factory.mktemp("m"), FILES[name]
    lines, as_it_was = text.splitlines(), read(folder, name, text)
    at = data.draw(st.integers(0, len(lines) - 1))
    comma = "," if "," in lines[at] else " "
    words = lines[at].split(comma)
    words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from(NONE))
    lines[at] = comma.join(words)
    clip = read(folder, name, "\n".join(lines))
    if clip is not None and clip.repairs == as_it_was.repairs:  # it was a number that nobody reads
        np.testing.assert_array_equal(clip.joints, as_it_was.joints)
        np.testing.assert_array_equal(clip.hands, as_it_was.hands)
