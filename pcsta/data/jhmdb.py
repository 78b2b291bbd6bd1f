"""J-HMDB: real film, 928 clips of 21 actions in 320 x 240, three splits by source.

Jhuang et al. (2013), a part of HMDB51 (Kuehne et al. 2011). Poses are estimated (`pcsta pose`), in
NTU's text. A split lists every clip, so none may be left out of a figure: one in which nobody was
found is a sample that cannot be read.

No file says who acts. A name begins with the title of its source, as in `BIG_FISH_wave_u_nm_np1_fr_bad_4`,
and that is the `subject`: splits part the clips of a class by it, as a validation cut by subject does. (The
authors split each class alone: a film in several may stand on both sides, 24 of 336 titles in split 1.)
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.finder import FILM, Found, Names
from pcsta.data.ntu import read_skeleton
from pcsta.data.text import damaged, read_lines
from pcsta.data.tracks import Tracks
from pcsta.data.video import video_size
from pcsta.skeletons import KINECT_V2

CLASSES = (
    "brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour",
    "pullup", "push", "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand",
    "swing_baseball", "throw", "walk", "wave",
)  # fmt: skip

# After source and class: what is seen of the body, whether the camera moves, people, view, quality.
_NAME = (
    rf"(?P<subject>[^/]+)_(?P<action>{'|'.join(CLASSES)})"
    r"_[fhlu]_[cn]m_np\d_(?:ba|fr|le|ri)_(?:bad|med|goo)_(?P<replication>\d+)"
)


class JHMDB(Dataset):
    """J-HMDB under `root`: always all 21 classes, and every listed clip of those that are there."""

    name = "jhmdb"
    skeleton = KINECT_V2
    classes = CLASSES
    protocols = ("split-1", "split-2", "split-3")
    crop_size = "0.75torso"
    complete = True
    layout = (
        "ReCompress_Videos/CLASS/NAME.avi, splits/CLASS_test_splitK.txt, poses/CLASS/NAME.skeleton"
    )
    names = Names(
        re.compile(
            rf".*/(?:[^/]+_test_split\d\.txt|recordings\.csv|(?P<name>{_NAME})"
            rf"(?:(?P<skeleton>(?i:\.skeleton))|(?P<video>(?i:\.{FILM}))))"
        ),
        re.compile(_NAME),
        "SOURCE_CLASS_u_nm_np1_fr_med_0",
        spell=str,
        skip=re.compile(r"\.|joint_positions|puppet_|Rename_Images|sub_splits"),
    )
    _trains_in: dict[str, list[bool]]  # listed clip -> whether it trains, by split

    def _files(self) -> Iterator[Found]:
        found, self._trains_in = list(super()._files()), {}
        matches = [self.names.sample.fullmatch(one.name) for one in found]
        for action in {match["action"] for match in matches if match}:
            self._trains_in |= read_splits(self.root / "splits", action)
        missing = self._trains_in.keys() - {one.name for one in found}
        for one in (*found, *map(Found, missing)):
            wanted = self.root / "poses" / f"{one.name}.skeleton"
            unlisted = None if one.name in self._trains_in else "no split file lists it"
            if one.reason and not unlisted:  # it is tested, so it cannot be left out
                advice = "The splits list it: keep one file of it"
                raise DataError(f"{one.name}: {one.reason}", self.root, advice)
            yield one._replace(skeleton=one.skeleton or wanted, reason=one.reason or unlisted)

    def _label(self, name: str, action: str, subject: str) -> int:
        return CLASSES.index(action)

    def image_size(self, sample: Sample) -> tuple[int, int]:
        return video_size(sample.video, (320, 240))  # HMDB51's have such names and other sizes

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return self._trains_in[sample.name][self.protocols.index(protocol)]

    def tracks(self, path: Path) -> Tracks:
        if not path.exists():
            advice = "Estimate it with `pcsta pose`; a tested clip without one is an error"
            raise DataError("no skeleton", path, advice)
        return read_skeleton(path).tracks


def read_splits(folder: Path, action: str) -> dict[str, list[bool]]:
    """Clip -> whether it trains in each split, from `ACTION_test_splitK.txt`. Raises DataError."""
    trains: dict[str, list[bool]] = {}
    for k in range(3):
        path = folder / f"{action}_test_split{k + 1}.txt"
        for line, text in enumerate(read_lines(path), 1):
            match = re.fullmatch(rf"(?P<name>{_NAME})\.\w+ +(?P<side>[12])\s*", text)
            sides = trains.setdefault(match["name"] if match else "", [])
            if not match or match["action"] != action or len(sides) != k:
                problem = f"should be a {action} clip, once in each split, and 1 (trains) or 2"
                raise damaged(problem, path, line)
            sides.append(match["side"] == "1")
        if lost := [name for name, sides in trains.items() if len(sides) == k]:
            raise damaged(f"it does not list {lost[0]}, which the split before does", path)
    return trains
