"""Colour video: one pass, the wanted frames, errors that say what to do."""

import subprocess
import sys

import av
import numpy as np
import pytest

from pcsta.data import DataError
from pcsta.data.ntu import NTU
from pcsta.data.video import clip_frames, read_frames, video_info, write_video
from recordings import ntu_text, person, write_ntu

NAME = "S001C001P001R001A001"


def images(count, size=(64, 96)):
    """Grey frames whose level is eight times their number."""
    return [np.full((*size, 3), 8 * i, np.uint8) for i in range(count)]


def numbers(frames):
    """The number of each frame, read from its grey level; x264 is off by a level or two."""
    return [(index, round(float(image.mean()) / 8)) for index, image in frames]


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "v.avi", images(20), fps=25)


def clip(tmp_path, length, frames):
    """A Clip of `length` skeleton frames whose video has `frames`."""
    write_ntu(tmp_path, NAME, ntu_text(length, [(1, 0, person(length))]))
    if frames:
        write_video(tmp_path / "nturgb+d_rgb" / f"{NAME}_rgb.avi", images(frames))
    return NTU(tmp_path).read(NAME)


def test_poses_are_read_without_ffmpeg_and_torch():
    code = "import sys; import pcsta.data; assert not {'av', 'torch'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_frame_in_order(video):
    assert numbers(read_frames(video)) == [(i, i) for i in range(20)]


def test_only_the_wanted_frames(video):
    found = list(read_frames(video, [7, 3, 7, 12]))
    assert numbers(found) == [(3, 3), (7, 7), (12, 12)]
    assert all(image.shape == (64, 96, 3) and image.dtype == np.uint8 for _, image in found)
    assert list(read_frames(video, [])) == []


def test_colour_is_red_first(tmp_path):
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 200
    _, image = next(read_frames(write_video(tmp_path / "red.mp4", [red])))
    assert image[..., 0].mean() > 150 > 50 > image[..., 2].mean()


def test_info_comes_from_the_header(video):
    assert video_info(video) == (20, (96, 64), 25.0, "h264")


def test_a_wanted_frame_past_the_end(video):
    with pytest.raises(DataError, match=r"frame 25: the video ends after 20 frames") as error:
        list(read_frames(video, [1, 25]))
    assert error.value.path == video and error.value.advice


def test_missing_video(tmp_path):
    for use in (video_info, lambda path: list(read_frames(path))):
        with pytest.raises(DataError, match=r"gone\.avi: no such video.*pose stream alone"):
            use(tmp_path / "gone.avi")


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_corrupt_video(tmp_path, content):
    path = tmp_path / "bad.avi"
    path.write_bytes(content)
    for use in (video_info, lambda path: list(read_frames(path))):
        with pytest.raises(DataError, match=r"bad\.avi: FFmpeg cannot decode it.*again"):
            use(path)


def test_video_cut_off_in_the_middle(tmp_path):
    clip_ = clip(tmp_path, 20, 20)
    data = clip_.video.read_bytes()
    clip_.video.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=f"{NAME}_rgb.avi"):
        list(clip_frames(clip_))


def test_sound_without_pictures(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    with pytest.raises(DataError, match="no video stream"):
        list(read_frames(path))


def test_a_folder_of_images_is_a_video(tmp_path):
    """SBU's form: the numbers start anywhere, the order is that of the names."""
    for i, image in enumerate(images(4)):
        write_png(tmp_path / f"rgb_{180 + i:06}.png", image)
        write_png(tmp_path / f"depth_{180 + i:06}.png", 255 - image)
    assert numbers(read_frames(tmp_path)) == [(i, i) for i in range(4)]
    assert video_info(tmp_path)[:2] == (4, (96, 64))


def test_a_folder_without_images(tmp_path):
    with pytest.raises(DataError, match="no rgb"):
        list(read_frames(tmp_path))


def write_png(path, image):
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "rgb24"
        for packet in (*stream.encode(av.VideoFrame.from_ndarray(image)), *stream.encode()):
            container.mux(packet)


# --- a clip and its video -------------------------------------------------------------------------


def test_a_clip_and_its_video_of_one_length(tmp_path):
    found = clip(tmp_path, 20, 20)
    assert found.image_size == (96, 64)  # of the video, not NTU's 1920 x 1080
    assert numbers(clip_frames(found)) == [(i, i) for i in range(20)]


def test_a_longer_video_is_cut(tmp_path):
    assert numbers(clip_frames(clip(tmp_path, 12, 20))) == [(i, i) for i in range(12)]


def test_a_slightly_shorter_video_repeats_its_last_frame(tmp_path):
    found = numbers(clip_frames(clip(tmp_path, 20, 18)))
    assert found == [*((i, i) for i in range(18)), (18, 17), (19, 17)]


def test_a_much_shorter_video_is_refused(tmp_path):
    with pytest.raises(DataError, match="ends after 12 frames, its skeleton has 20") as error:
        list(clip_frames(clip(tmp_path, 20, 12)))
    assert error.value.frame == 12 and "leave the sample out" in error.value.advice


def test_a_clip_without_video(tmp_path):
    found = clip(tmp_path, 20, 0)
    assert found.video is None and found.image_size == (1920, 1080)
    with pytest.raises(DataError, match="has no video"):
        list(clip_frames(found))


# --- writing --------------------------------------------------------------------------------------


def test_odd_sides_are_padded(tmp_path):
    path = write_video(tmp_path / "odd.mp4", images(2, (63, 95)))
    assert video_info(path).size == (96, 64)


def test_nothing_half_written_stays(tmp_path):
    def failing():
        yield from images(3)
        raise KeyboardInterrupt

    path = write_video(tmp_path / "v.mp4", images(2))
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_video(path, failing())
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "none.mp4", [])
    with pytest.raises(ValueError, match="differ in size"):
        write_video(tmp_path / "two.mp4", [*images(1), *images(1, (32, 32))])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.real
def test_real_video_belongs_to_its_skeleton(real_data):
    found = NTU(real_data / "ntu").read(NAME)
    assert video_info(found.video)[:2] == (103, (1920, 1080))
    indices = [index for index, _ in clip_frames(found)]
    assert indices == list(range(len(found)))


@pytest.mark.real
def test_real_hands_lie_on_skin(real_data):
    """colorX, colorY point at the hands: around both hands the image is redder than overall."""
    found = NTU(real_data / "ntu").read(NAME)
    redness = []
    for t, image in read_frames(found.video, [20, 50, 80]):
        red = image[..., 0].astype(float) - image[..., 1]
        for x, y in found.hands[t, :2].round().astype(int):
            redness.append(red[y - 8 : y + 9, x - 8 : x + 9].mean() - red.mean())
    assert min(redness) > 5
