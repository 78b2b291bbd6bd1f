"""Files are found wherever they lie; those that are of no sample are named."""

import os

import pytest

from pcsta.data import DataError
from pcsta.data.check import check_dataset
from pcsta.data.finder import ARCHIVE, CONVERTED, IGNORED
from pcsta.data.msr_daily import MSRDaily
from pcsta.data.ntu import NTU
from pcsta.data.sbu import SBUInteraction

NAME = "S001C001P001R001A001"
SKELETON, VIDEO = f"nturgb+d_skeletons/{NAME}.skeleton", f"nturgb+d_rgb/{NAME}_rgb.avi"


def touch(root, *places):
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("skeleton", "video"),
    [
        (SKELETON, VIDEO),
        (SKELETON.upper(), VIDEO.upper()),
        (SKELETON.lower(), VIDEO.replace("avi", "mp4")),
        (SKELETON, f"nturgb+d_rgb/S001/{NAME}_rgb.avi"),
        (f"nturgb+d_skeletons/{SKELETON}", f"nturgb+d_rgb/{VIDEO}"),
    ],
)
def test_names_of_ntu(tmp_path, skeleton, video):
    touch(tmp_path, skeleton, video)
    (sample,) = NTU(tmp_path)
    assert sample.name == NAME
    assert (sample.skeleton_file, sample.video) == (tmp_path / skeleton, tmp_path / video)


def test_names_of_sbu_and_msr(tmp_path):
    touch(tmp_path, "S01S02/s01s02/01/001/skeleton_pos.txt", "S01S02/s01s02/01/001/RGB_000180.PNG")
    touch(tmp_path, "S01S02/s01s02/01/001/depth_000180.png")
    (sample,) = dataset = SBUInteraction(tmp_path)
    assert sample.name == "s01s02_01_001" and sample.video == sample.skeleton_file.parent
    assert dataset.unusable == {}
    touch(tmp_path / "m", "x/A01_S01_E01_SKELETON.TXT", "y/a01_s01_e01_rgb.MP4")
    (sample,) = MSRDaily(tmp_path / "m")
    assert sample.name == "a01_s01_e01" and sample.video == tmp_path / "m/y/a01_s01_e01_rgb.MP4"


def test_what_is_of_no_sample_is_named(tmp_path):
    others = ("nturgb+d_rgb/notes.txt", "nturgbd_rgb_s001.ZIP", f"nturgb+d_rgb/{NAME}.avi")
    touch(tmp_path, SKELETON, *others, ".DS_Store", f"nturgb+d_depth/{NAME}/d1.png", "dataset.txt")
    dataset = NTU(tmp_path)
    assert dataset.files == {"skeletons": 1, "videos": 0, "ignored": 4}
    reasons = (IGNORED, ARCHIVE, IGNORED)
    assert dataset.unusable == dict(zip(others, reasons, strict=True)) | {"dataset.txt": IGNORED}
    touch(tmp_path / "m", "a01_s01_e01_skeleton.txt", "b/a01_s01_e01_skeleton3D.txt")
    assert MSRDaily(tmp_path / "m").unusable == {"b/a01_s01_e01_skeleton3D.txt": CONVERTED}


def test_nobody_guesses_between_two_files_of_one_name(tmp_path):
    twin = f"nturgb+d_skeletons/copy/{NAME}.skeleton"
    touch(tmp_path, SKELETON, twin, SKELETON.replace("A001", "A002"))
    dataset = NTU(tmp_path)
    assert [sample.name[-4:] for sample in dataset] == ["A002"]
    with pytest.raises(DataError, match=rf"keep one: {SKELETON} and {twin}".replace("+", r"\+")):
        dataset.read(NAME)
    found = check_dataset(dataset, read=False, progress=False)["unusable"]
    assert found["several files of this name, keep one"]["count"] == 1
    os.remove(tmp_path / twin)
    os.link(tmp_path / SKELETON, tmp_path / "x.skeleton")  # of another name
    (tmp_path / twin).symlink_to(tmp_path / SKELETON)  # one file under one name
    assert len(NTU(tmp_path)) == 2


def test_links_to_folders_are_followed_once(tmp_path):
    touch(tmp_path / "disk", SKELETON, VIDEO)
    root = tmp_path / "ntu"
    root.mkdir()
    for link, target in (("all", "disk"), ("again", "disk"), ("disk/loop", "disk"), ("ntu/up", "")):
        (root / link if "/" not in link else tmp_path / link).symlink_to(tmp_path / target)
    assert len(NTU(root)) == 1 and NTU(root).files == {"skeletons": 1, "videos": 1}


def test_a_folder_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    touch(tmp_path, SKELETON, VIDEO)
    scandir = os.scandir

    def guarded(folder):
        if str(folder).endswith("_rgb"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(OSError, match=r"Permission denied.*nturgb\+d_rgb"):
        len(NTU(tmp_path))


def test_the_reasons_are_given_where_nothing_is_usable(tmp_path):
    names = [f"S018C001P008R001A{action:03}" for action in range(61, 64)]
    touch(tmp_path, *(f"nturgb+d_skeletons/{name}.skeleton" for name in names), "a.zip")
    expected = f"3 left out, such as {names[0]}: not one of NTU RGB.D's 60 actions; the dataset ntu-120 has it; 1 left out"
    with pytest.raises(DataError, match=f"no usable ntu sample in this folder; {expected}"):
        len(NTU(tmp_path))
    touch(tmp_path / "sbu", "s01s02.zip")
    with pytest.raises(DataError, match=r"such as s01s02\.zip: an archive that is not unpacked"):
        len(SBUInteraction(tmp_path / "sbu"))
    touch(tmp_path / "of", f"{NAME}.skeleton")
    own = '{"actions": [7], "image_size": [96, 64]}'
    (tmp_path / "of/dataset.json").write_text(own)
    with pytest.raises(
        DataError, match=r"1 left out, such as S001.*: of an action that was not asked"
    ):
        len(NTU(tmp_path / "of"))
