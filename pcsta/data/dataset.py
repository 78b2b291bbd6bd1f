"""What every dataset has in common: samples found on disk, read as Clips, split by protocols."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from itertools import islice, starmap
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pcsta.data.bodies import People, choose_people
from pcsta.data.clip import HANDS, Clip
from pcsta.data.finder import NO_SAMPLE, Found, Names, by_reason, find, reason_and_example
from pcsta.data.tracks import Tracks
from pcsta.skeletons import Skeleton

ORPHAN = "video without skeleton"  # the reason why such a sample is unusable
REASONS = 3  # given where no sample is usable

KINECT_V1_IMAGE = (640, 480)  # pixels
CropSize = int | str  # pixels, or torsos such as "0.75torso": see `crop_size`


@dataclass(eq=False)
class DataError(ValueError):
    """A file or folder that cannot be used: where, what is wrong, and what to do.

    problem: what is wrong, in one clause
    path, frame, line: where; frames count from 0 like the arrays, lines from 1 like editors
    advice:  what the reader of the message can do
    """

    problem: str
    path: Path | str | None = None
    advice: str = ""
    _: KW_ONLY
    frame: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        places = (("", self.path), ("frame ", self.frame), ("line ", self.line))
        where = ", ".join(f"{what}{value}" for what, value in places if value is not None)
        said = f"{where}: {self.problem}" if where else self.problem
        return f"{said}. {self.advice[:1].upper()}{self.advice[1:]}" if self.advice else said


@dataclass(frozen=True)
class Sample:
    """One recording on disk, known by its file name alone; `Dataset.read` turns it into a Clip.

    label, subject, camera, replication, action: as in Clip
    video: path of the colour video (SBU: the folder of its images), None where there is none
    """

    name: str
    skeleton_file: Path
    video: Path | None = None
    label: int = -1
    subject: str = ""
    camera: int = 0
    replication: int = 0
    action: str = ""


class Split(NamedTuple):
    """Sample names of the two sides of a protocol; validation is cut from `train` (see splits)."""

    train: tuple[str, ...]
    test: tuple[str, ...]


class Dataset(ABC):
    """Samples of one dataset under `root`. The folder is scanned on first use of `samples`.

    name:        what `open_dataset` calls it
    skeleton:    the joint tree of its sensor
    classes:     class names, indexed by `Clip.label`
    protocols:   names that `split` accepts
    crop_size:   side of the square around each hand (section 5)
    complete:    whether its protocols name every clip: one that cannot be read is an error where tested
    reads:       rules of its reader that a store must not be older than
    names:       how its files are called
    """

    name: str
    skeleton: Skeleton
    classes: tuple[str, ...]
    protocols: tuple[str, ...]
    crop_size: CropSize
    complete: bool = False
    layout: str  # what `root` should hold, for error messages
    reads: Mapping[str, str] = {}
    names: Names

    def __init__(self, root: Path | str):
        self.root = Path(root)

    def _files(self) -> Iterable[Found]:
        """What lies under `root`, by name."""
        return find(self.root, self.names)

    def identify(self, name: str, skeleton_file: Path, video: Path | None) -> Sample | str | None:
        """What the name says; a reason when it is unusable; None when it is none of ours."""
        match = self.names.sample.fullmatch(name)
        if not match:
            return f"not a name of the form {self.names.form}"
        facts = match.groupdict("0")
        label = self._label(name, facts["action"], facts["subject"])
        if not isinstance(label, int):
            return label
        return Sample(
            name, skeleton_file, video, label, facts["subject"].lstrip("0") or "0",
            int(facts.get("camera", 0)), int(facts["replication"]), self.classes[label],
        )  # fmt: skip

    def _label(self, name: str, action: str, subject: str) -> int | str | None:
        """The label of the action that the file's name has; or like `identify`."""
        known = 1 <= int(action) <= len(self.classes)
        return int(action) - 1 if known else f"not one of the {len(self.classes)} actions"

    @abstractmethod
    def tracks(self, path: Path) -> Tracks:
        """A skeleton file as it stands. Raises DataError naming file, frame and line."""

    @abstractmethod
    def _trains(self, sample: Sample, protocol: str) -> bool:
        """Whether a protocol puts this sample on the training side."""

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """(width, height) of the colour image that a sample's pixels refer to."""
        return KINECT_V1_IMAGE

    @cached_property
    def _inventory(self) -> tuple[dict[str, Sample], dict[str, str], dict[str, int]]:
        """What lies under `root`, by name: `samples`, `unusable` and `files`."""
        advice = f"It should hold {self.layout}; data/README.md says how to get {self.name}"
        if not self.root.is_dir():
            raise DataError("no such folder", self.root, advice)
        samples: dict[str, Sample] = {}
        unusable: dict[str, str] = {}
        others: dict[str, str] = {}
        files = {"skeletons": 0, "videos": 0}
        for name, skeleton, video, reason in sorted(self._files(), key=attrgetter("name")):
            said = reason or (self.identify(name, skeleton, video) if skeleton else ORPHAN)
            if isinstance(said, Sample):
                samples[name] = said
            elif said is not None:
                unusable[name] = said
            else:
                others[name] = "of an action that was not asked for"
                continue
            for kind, path in (("skeletons", skeleton), ("videos", video)):
                # a sample's files are there, those of the others may not be
                sure = name in samples and not self.complete
                files[kind] += path is not None and (sure or path.exists())
        ignored = sum(reason in NO_SAMPLE for reason in unusable.values())
        files |= {"ignored": ignored} if ignored else {}
        if not samples:
            problem = f"no usable {self.name} sample in this folder"
            left_out = by_reason(starmap(reason_and_example, (unusable | others).items()))
            for reason, found in islice(left_out.items(), REASONS):
                problem += f"; {len(found)} left out, such as {found[0]}: {reason}"
            raise DataError(problem, self.root, advice)
        return samples, unusable, files

    @property
    def samples(self) -> list[Sample]:
        """Usable samples, sorted by name. Raises DataError for a missing, empty or wrong folder."""
        return list(self._inventory[0].values())

    @property
    def unusable(self) -> dict[str, str]:
        """Name -> reason of what was found and left out."""
        return dict(self._inventory[1])

    @property
    def files(self) -> dict[str, int]:
        """How many "skeletons" and "videos" are there, usable or not; how many were "ignored"."""
        return dict(self._inventory[2])

    def __len__(self) -> int:
        return len(self._inventory[0])

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, name: str) -> Sample:
        """The sample of this name. Raises DataError with the reason when it is not usable."""
        samples, unusable, _ = self._inventory
        if name not in samples:
            reason = unusable.get(name, "no such file")
            advice = f"`pcsta check {self.name} --root {self.root}` counts what is there"
            raise DataError(f"{self.name} has no sample {name!r}: {reason}", self.root, advice)
        return samples[name]

    def _people(self, tracks: Tracks) -> People:
        """The two people of a Clip."""
        return choose_people(tracks.bodies, tracks.length, self.skeleton)

    def read(self, sample: Sample | str) -> Clip:
        """The Clip of a sample or of its name. Raises DataError naming file, frame and line."""
        if isinstance(sample, str):
            sample = self[sample]
        tracks = self.tracks(sample.skeleton_file)
        people = self._people(tracks)
        if not people.joints.any():
            problem = "; ".join([f"no body in any of its {tracks.length} frames", *tracks.notes])
            advice = "Leave the sample out if the sensor saw nobody; joints should be in metres"
            raise DataError(problem, sample.skeleton_file, advice)
        clip = Clip(
            name=sample.name, joints=people.joints, pixels=people.pixels,
            skeleton=self.skeleton, label=sample.label, subject=sample.subject,
            camera=sample.camera, replication=sample.replication, action=sample.action,
            image_size=self.image_size(sample), video=sample.video,
        )  # fmt: skip
        return replace(clip, repairs=(*tracks.notes, *people.repairs, *_unseen_hands(clip)))

    def split(self, protocol: str | None = None) -> Split:
        """Training and test names of a protocol (default: the first). ValueError if unknown."""
        protocol = protocol or self.protocols[0]
        if protocol not in self.protocols:
            known = ", ".join(self.protocols)
            raise ValueError(f"{self.name} has no protocol {protocol!r}; it has: {known}")
        train: list[str] = []
        test: list[str] = []
        for sample in self.samples:
            (train if self._trains(sample, protocol) else test).append(sample.name)
        return Split(tuple(train), tuple(test))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def _unseen_hands(clip: Clip) -> list[str]:
    """One sentence per hand that leaves the image, or has no place in it."""
    hands = clip.hands
    unknown = clip.present.repeat(2, axis=1) & np.isnan(hands[..., 0])  # (T, 4)
    outside = ((hands < 0) | (hands >= clip.image_size)).any(-1)  # NaN compares false
    said = []
    for found, what in (
        (outside, "is outside the image in {}: its crop is padded with zeros there"),
        (unknown, "has no place in the image in {}: it counts as absent there"),
    ):
        for name, count in zip(HANDS, found.sum(0).tolist(), strict=True):
            if count:
                said.append(f"{name} hand " + what.format(f"{count} of {len(clip)} frames"))
    return said
