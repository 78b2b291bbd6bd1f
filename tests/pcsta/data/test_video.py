"""Colour video: one pass, the wanted frames, errors that say what to do."""

import subprocess
import sys

import av
import numpy as np
import pytest

from films import images, mark, numbers, write_png
from pcsta.data import DataError
from pcsta.data.ntu import NTU
from pcsta.data.video import read_frames, video_info, write_video

NAME = "S001C001P001R001A001"


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "v.avi", images(20), fps=25)


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


def test_a_film_that_no_decoder_knows_is_refused(video):
    video.write_bytes(video.read_bytes().replace(b"H264", b"ZZZZ"))
    for read in (video_info, lambda path: list(read_frames(path))):
        with pytest.raises(DataError, match=r"v\.avi: FFmpeg has no decoder for it"):
            read(video)


def test_info(video):
    *found, times = video_info(video)
    assert found == [20, (96, 64), 25.0, "h264", 20, ""]
    np.testing.assert_allclose(times, np.arange(20) / 25)


def test_frames_are_counted_whatever_the_header_states(video):
    """In AVI a header's number is a field of its own; J-HMDB's files state a fifth too many."""
    data = bytearray(video.read_bytes())
    at = data.index(b"avih") + 8 + 16  # total frames of the file, then of its stream
    stream = data.index(b"strh") + 8 + 32
    for place in (at, stream):
        assert int.from_bytes(data[place : place + 4], "little") == 20
        data[place : place + 4] = (24).to_bytes(4, "little")
    video.write_bytes(data)
    info = video_info(video)
    assert (info.frames, info.stated) == (20, 24)
    assert len(list(read_frames(video))) == 20


CORNERS = np.zeros((64, 96, 3), np.uint8)
CORNERS[:32, :48, 0] = CORNERS[:32, 48:, 1] = CORNERS[32:, :48, 2] = 240  # red, green; blue, black


@pytest.mark.parametrize(
    "matrix, turned, upright",
    [
        ((0, 1, -1, 0), "by 90 degrees clockwise", np.rot90(CORNERS, -1)),
        ((-1, 0, 0, -1), "by 180 degrees", np.rot90(CORNERS, 2)),
        ((0, -1, 1, 0), "by 90 degrees anticlockwise", np.rot90(CORNERS)),
        ((-1, 0, 0, 1), "and mirrored", CORNERS[:, ::-1]),
        ((1, 0, 0, -1), "and mirrored", CORNERS[::-1]),
        ((0, 1, 1, 0), "and mirrored", CORNERS.swapaxes(0, 1)),
        ((1, 0, 0, 1), "", CORNERS),
    ],
)
def test_frames_are_turned_as_players_turn_them(tmp_path, matrix, turned, upright):
    path = mark(write_video(tmp_path / "v.mp4", [CORNERS] * 3), matrix)
    info = video_info(path)
    assert (info.turned, info.size) == (turned, upright.shape[1::-1])
    for size in (None, info.size, (info.size[0] * 2, info.size[1] * 2)):
        _, image = next(read_frames(path, [1], size))
        assert image.flags.c_contiguous
        scale = 2 if size and size != info.size else 1
        there = image[scale * 8 :: scale * 16, scale * 8 :: scale * 16].astype(int)
        assert abs(there - upright[8::16, 8::16]).max() < 60


def test_a_turn_that_is_none_is_refused(tmp_path):
    path = mark(write_video(tmp_path / "v.mp4", [CORNERS]), (0.7, 0.7, -0.7, 0.7))
    for use in (video_info, lambda path: list(read_frames(path))):
        with pytest.raises(DataError, match=r"v\.mp4.*no multiple of 90 degrees"):
            use(path)


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


def test_a_damaged_frame_is_refused_and_named(tmp_path):
    """FFmpeg would show grey, or parts of other frames, and say nothing."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    path = write_video(tmp_path / "v.mp4", [noise] * 5)
    data = path.read_bytes()  # the first frame is most of it
    path.write_bytes(data[:2000] + noise.tobytes()[:600] + data[2600:])
    with pytest.raises(
        DataError, match=r"v.mp4, frame 0: it is damaged here.*leave the sample out"
    ):
        list(read_frames(path))


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
    """SBU's form: the numbers start anywhere, and give the order."""
    for i, image in enumerate(images(4)):
        write_png(tmp_path / f"rgb_{180 + i:06}.png", image)
        write_png(tmp_path / f"depth_{180 + i:06}.png", 255 - image)
    assert numbers(read_frames(tmp_path)) == [(i, i) for i in range(4)]
    assert video_info(tmp_path)[:2] == (4, (96, 64))


def test_numbers_of_images_may_have_gaps_and_no_zeros_in_front(tmp_path):
    for number in (9, 10, 12):
        write_png(tmp_path / f"rgb_{number}.png", images(13)[number])
    assert numbers(read_frames(tmp_path)) == [(0, 9), (1, 10), (2, 12)]
    np.testing.assert_allclose(video_info(tmp_path).times * 30, [0, 1, 3])


def test_a_folder_without_images(tmp_path):
    with pytest.raises(DataError, match="no rgb"):
        list(read_frames(tmp_path))


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
def test_real_hands_lie_on_skin(real_data):
    """colorX, colorY point at the hands: around both hands the image is redder than overall."""
    found = NTU(real_data / "ntu").read(NAME)
    redness = []
    for t, image in read_frames(found.video, [20, 50, 80]):
        red = image[..., 0].astype(float) - image[..., 1]
        for x, y in found.hands[t, :2].round().astype(int):
            redness.append(red[y - 8 : y + 9, x - 8 : x + 9].mean() - red.mean())
    assert min(redness) > 5
