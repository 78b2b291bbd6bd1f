"""A skeleton and its video: frame by frame, by time, or refused with both numbers."""

from dataclasses import replace
from fractions import Fraction

import av
import pytest

from films import images, numbers, write_png
from pcsta.data import DataError, read_clip
from pcsta.data.ntu import NTU
from pcsta.data.pairing import clip_frames, pair, paired
from pcsta.data.sbu import SBUInteraction
from pcsta.data.video import video_info, write_video
from pcsta.skeletons import SBU
from recordings import ntu_text, person, sbu_text, write_ntu

NAME = "S001C001P001R001A001"
SHAPE = (54, 96)  # of NTU's 1080 x 1920


def clip(tmp_path, length, frames, fps=30, shape=SHAPE):
    """A Clip of `length` skeleton frames whose video has `frames`."""
    write_ntu(tmp_path, NAME, ntu_text(length, [(1, 0, person(length))]))
    if frames:
        write_video(
            tmp_path / "nturgb+d_rgb" / f"{NAME}_rgb.mp4", images(frames, shape), fps, crf=10
        )
    found = NTU(tmp_path).read(NAME)
    return replace(found, video=tmp_path / "nturgb+d_rgb" / f"{NAME}_rgb.mp4" if frames else None)


def in_time(found):
    """What the notes say about time."""
    return [note for note in pair(found).notes if "scaled" not in note]


def test_of_one_length(tmp_path):
    found = clip(tmp_path, 20, 20, fps=15)  # whatever the rate
    assert numbers(clip_frames(found)) == [(i, i) for i in range(20)]
    assert in_time(found) == []


@pytest.mark.parametrize("length, frames", [(12, 13), (20, 22), (20, 19), (20, 18), (4, 3)])
def test_a_tenth_off_is_repaired_and_said(tmp_path, length, frames):
    found = clip(tmp_path, length, frames)
    assert numbers(clip_frames(found)) == [(i, min(i, frames - 1)) for i in range(length)]
    (said,) = in_time(found)
    assert f"{frames} frames, its skeleton {length}" in said
    assert ("repeated" if frames < length else "left out") in said
    assert paired(found).repairs[-2:] == tuple(pair(found).notes)


@pytest.mark.parametrize(
    "length, frames", [(12, 20), (20, 12), (20, 23), (20, 17), (4, 2), (8, 80)]
)
def test_more_is_refused_either_way(tmp_path, length, frames):
    said = rf"{frames} frames \({frames / 30:.1f} s\), its skeleton {length} \({length / 30:.1f} s"
    with pytest.raises(DataError, match=said) as error:
        list(clip_frames(clip(tmp_path, length, frames)))
    assert error.value.path.suffix == ".mp4" and "leave the sample out" in error.value.advice


@pytest.mark.parametrize("fps, every", [(60, 2), (120, 4), (300, 10)])
def test_another_rate_of_the_same_duration_is_matched_by_time(tmp_path, fps, every):
    found = clip(tmp_path, 3, 3 * every, fps)
    assert pair(found).frames == [0, every, 2 * every]
    assert numbers(clip_frames(found)) == [(i, i * every) for i in range(3)]
    assert "nearest in time" in in_time(found)[0]


def test_half_the_rate_shows_frames_twice(tmp_path):
    found = clip(tmp_path, 20, 10, 15)
    assert pair(found).frames == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
    assert "as 10 are missing, the first at 1" in in_time(found)[0]


def test_a_rate_that_varies_goes_by_its_stamps(tmp_path):
    """A phone drops frames in the dark; what follows must not come too early."""
    found = clip(tmp_path, 20, 20)
    kept = [0, 1, 2, 3, 6, 7, 8, *range(12, 20)]
    with av.open(str(found.video), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = SHAPE
        stream.pix_fmt = "yuv420p"
        for i in kept:
            frame = av.VideoFrame.from_ndarray(images(20, SHAPE)[i], "rgb24")
            frame.pts = i
            frame.time_base = Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = [number for _, number in numbers(clip_frames(found))]
    assert [t for t in range(20) if shown[t] == t] == kept
    assert max(abs(t - number) for t, number in enumerate(shown)) == 2
    assert "as 5 are missing, the first at 4" in in_time(found)[0]


def test_a_missing_image_does_not_move_those_after_it(tmp_path):
    folder = tmp_path / "s01s02" / "05" / "001"
    folder.mkdir(parents=True)
    a, b = (person(15, (x, 0, 2.3), SBU) for x in (0.4, -0.4))
    (folder / "skeleton_pos.txt").write_text(sbu_text(a, b))
    for i, image in enumerate(images(15, (48, 64))):
        write_png(folder / f"rgb_{180 + i:06}.png", image)
    found = SBUInteraction(tmp_path).read("s01s02_05_001")
    assert numbers(clip_frames(found)) == [(i, i) for i in range(15)] and in_time(found) == []
    (folder / "rgb_000192.png").unlink()
    assert numbers(clip_frames(found)) == [(i, i - (i == 12)) for i in range(15)]
    assert "as 1 are missing, the first at 12" in in_time(found)[0]


def test_a_clip_without_video(tmp_path):
    found = clip(tmp_path, 20, 0)
    assert found.video is None and found.image_size == (1920, 1080)
    with pytest.raises(DataError, match="has no video"):
        list(clip_frames(found))


def test_video_cut_off_in_the_middle(tmp_path):
    found = clip(tmp_path, 20, 20)
    data = found.video.read_bytes()
    found.video.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=f"{NAME}_rgb.mp4"):
        list(clip_frames(found))


def test_images_have_the_size_that_pixels_refer_to(tmp_path):
    """NTU with its videos made smaller: crops stay 50 of 1920 pixels wide, and in place."""
    found = clip(tmp_path, 4, 4, shape=(540, 960))
    assert all(image.shape == (1080, 1920, 3) for _, image in clip_frames(found))
    assert paired(found).repairs[-1] == "its video of 960 x 540 pixels is scaled to 1920 x 1080"


def test_images_of_another_shape_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"images are 340 x 256 pixels, those of .* 1920 x 1080"):
        pair(clip(tmp_path, 4, 4, shape=(256, 340)))


def test_pixels_of_a_small_video_are_its_own(tmp_path):
    """A file under NTU's name from the embedded dataset, away from its dataset.json."""
    found = clip(tmp_path, 4, 4, shape=(54, 96))
    found = paired(replace(found, pixels=found.pixels / 20))
    assert found.image_size == (96, 54) and "taken as those of its video" in found.repairs[-1]
    assert next(clip_frames(found))[1].shape == (54, 96, 3)


def test_hands_outside_most_images_are_refused(tmp_path):
    """Pixels of a Kinect with a film of another camera, under a name that is not NTU's."""
    path = tmp_path / "mine.skeleton"
    path.write_text(ntu_text(4, [(1, 0, person(4))]))
    film = write_video(tmp_path / "mine.mp4", images(4, (240, 320)))
    with pytest.raises(
        DataError, match=r"no hand is inside its 320 x 240 pixels in 4 of 4"
    ) as error:
        read_clip(path, film)
    assert error.value.path == film and "upright" in error.value.advice


def test_a_turned_video_is_named(tmp_path):
    found = clip(tmp_path, 3, 3, shape=(1080, 1920))
    turned = found.video.with_name("turned.mp4")
    with av.open(str(found.video)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(180)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert pair(replace(found, video=turned)).notes == [
        "its video is turned by 180 degrees, as its mark says"
    ]


@pytest.mark.real
def test_real_video_belongs_to_its_skeleton(real_data):
    found = NTU(real_data / "ntu").read(NAME)
    assert video_info(found.video)[:2] == (103, (1920, 1080))
    assert pair(found) == (list(range(103)), (1920, 1080), [])
    assert [index for index, _ in clip_frames(found)] == list(range(len(found)))


@pytest.mark.real
def test_real_films_hold_fewer_frames_than_they_state(real_data):
    """J-HMDB's headers count a fifth too many, in all but one."""
    films = sorted((real_data / "jhmdb" / "ReCompress_Videos").rglob("*.avi"))[:5]
    for film in films or pytest.skip("no films of J-HMDB"):
        info = video_info(film)
        assert info.frames < info.stated and info.size == (320, 240)
        with av.open(str(film)) as container:
            assert info.frames == sum(1 for _ in container.decode(video=0))
