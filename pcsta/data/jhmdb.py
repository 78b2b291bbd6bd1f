"""J-HMDB: real film, 928 clips of 21 actions in 320 x 240, three splits by source.

Jhuang et al. (2013), a part of HMDB51 (Kuehne et al. 2011): 15 to 40 frames cut from films and the
web. There is no sensor: poses are estimated from the videos (`pcsta pose`) and kept in NTU's text.

A split lists every clip, so none may be left out of a figure: a listed clip without a skeleton, or in
whose video nobody was found, is a sample that cannot be read, and counts as an error where it is tested.

No file says who acts. A name begins with the title of its source, as in `BIG_FISH_wave_u_nm_np1_fr_bad_4`,
and this title is the `subject`: the splits part the clips of a class by it, and so does a validation cut by
subject. The same film may serve several classes, and then stand on both sides of a split (24 of 336 titles
in the first): so the authors made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pcsta.data import ntu
from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.finder import FILM, Found, Names
from pcsta.data.text import damaged, read_lines
from pcsta.data.tracks import Tracks
from pcsta.skeletons import KINECT_V2

CLASSES = (
    "brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour",
    "pullup", "push", "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand",
    "swing_baseball", "throw", "walk", "wave",
)  # fmt: skip

# After source and class: which part of the body is seen, whether the camera moves, people, view, quality.
_NAME = (
    rf"(?P<subject>[^/]+)_(?P<action>{'|'.join(CLASSES)})"
    r"_[fhlu]_[cn]m_np\d_(?:ba|fr|le|ri)_(?:bad|med|goo)_(?P<replication>\d+)"
)
SPLITS = (1, 2, 3)
SIDES = {"1": True, "2": False}  # whether it trains


class JHMDB(Dataset):
    """J-HMDB under `root`. Classes are those of the whole dataset, whichever are there.

    Of a class that is there all clips of its split files are samples. Raises DataError on first use of the
    samples for a split file that is missing or damaged.
    """

    name = "jhmdb"
    skeleton = KINECT_V2
    classes = CLASSES
    protocols = tuple(f"split-{k}" for k in SPLITS)
    crop_size = "0.75torso"
    complete = True
    layout = (
        "ReCompress_Videos/CLASS/NAME.avi, splits/CLASS_test_splitK.txt, poses/CLASS/NAME.skeleton"
    )
    names = Names(
        re.compile(
            rf".*/(?:[^/]+_test_split\d\.txt|(?P<name>{_NAME})"
            rf"(?:(?P<skeleton>(?i:\.skeleton))|(?P<video>(?i:\.{FILM}))))"
        ),
        re.compile(_NAME),
        "SOURCE_CLASS_u_nm_np1_fr_med_0",
        spell=str,
        skip=re.compile(r"\.|joint_positions|puppet_|Rename_Images|sub_splits"),
    )

    def __init__(self, root: Path | str):
        super().__init__(root)
        self._trains_in: dict[str, list[bool]] = {}  # listed clip -> whether it trains, by split

    def _files(self) -> Iterator[Found]:
        found = list(super()._files())
        matches = (self.names.sample.fullmatch(one.name) for one in found)
        for action in sorted({match["action"] for match in matches if match}):
            self._trains_in |= read_splits(self.root / "splits", action)
        missing = self._trains_in.keys() - {one.name for one in found}
        for one in (*found, *map(Found, missing)):
            if one.reason or one.name in self._trains_in:
                yield one._replace(skeleton=one.skeleton or self._pose(one.name))
            else:
                yield one._replace(reason="no split file lists it")

    def _pose(self, name: str) -> Path | None:
        """Where the skeleton of a clip should lie."""
        match = self.names.sample.fullmatch(name)
        return match and self.root / "poses" / match["action"] / f"{name}.skeleton"

    def identify(self, name: str, skeleton_file: Path, video: Path | None) -> Sample | str:
        match = self.names.sample.fullmatch(name)
        if not match:
            return f"not a name of the form {self.names.form}"
        return Sample(
            name, skeleton_file, video, CLASSES.index(match["action"]), match["subject"],
            replication=int(match["replication"]), action=match["action"],
        )  # fmt: skip

    def image_size(self, sample: Sample) -> tuple[int, int]:
        return 320, 240

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return self._trains_in[sample.name][self.protocols.index(protocol)]

    def tracks(self, path: Path) -> Tracks:
        if not path.exists():
            advice = (
                "Estimate it with `pcsta pose`; until then the clip is an error where it is tested"
            )
            raise DataError("no skeleton", path=path, advice=advice)
        return ntu.tracks(path)


def read_splits(folder: Path, action: str) -> dict[str, list[bool]]:
    """Clip -> whether it trains in each of the three splits, from `ACTION_test_splitK.txt`.

    Raises DataError, naming file and line, for a file that is missing, has another form, lists a clip twice
    or lists other clips than the first one.
    """
    trains: dict[str, list[bool]] = {}
    for k, split in enumerate(SPLITS):
        path = folder / f"{action}_test_split{split}.txt"
        for line, text in enumerate(read_lines(path), 1):
            file, _, side = text.strip().rpartition(" ")
            match = re.fullmatch(rf"(?P<name>{_NAME})\.\w+", file.strip())
            if not match or match["action"] != action or side not in SIDES:
                problem = f"should be the file of a {action} clip, and 1 (train) or 2 (test)"
                raise damaged(problem, path, line)
            if len(trains.setdefault(match["name"], [])) != k:
                raise damaged(f"{file} is listed twice, or in this split alone", path, line)
            trains[match["name"]].append(SIDES[side])
        if lost := sorted(name for name, sides in trains.items() if len(sides) <= k):
            raise damaged(f"does not list {lost[0]}, which the first split has", path)
    return trains
