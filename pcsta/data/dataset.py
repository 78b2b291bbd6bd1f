"""What every dataset has in common: samples found on disk, read as Clips, split by protocols."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pcsta.data.bodies import Tracks, choose
from pcsta.data.clip import HANDS, Clip
from pcsta.skeletons import Skeleton


class DataError(ValueError):
    """A file or folder that cannot be used: where, what is wrong, and what to do.

    problem: what is wrong, in one clause
    advice:  what the reader of the message can do
    path, frame, line: where; frames count from 0 like the arrays, lines from 1 like editors
    """

    def __init__(
        self,
        problem: str,
        *,
        path: Path | str | None = None,
        frame: int | None = None,
        line: int | None = None,
        advice: str = "",
    ):
        self.problem, self.path, self.frame, self.line, self.advice = (
            problem, path, frame, line, advice,
        )  # fmt: skip
        where = [str(path)] if path is not None else []
        where += [f"frame {frame}"] if frame is not None else []
        where += [f"line {line}"] if line is not None else []
        super().__init__(
            (", ".join(where) + ": " if where else "") + problem + (f". {advice}" if advice else "")
        )

    def __reduce__(self):  # an error raised in a worker process arrives whole in its parent
        state = {k: v for k, v in self.__dict__.items() if k != "problem"}
        return _rebuild, (type(self), self.problem, state)


def _rebuild(kind: type[DataError], problem: str, state: dict) -> DataError:
    return kind(problem, **state)


@dataclass(frozen=True)
class Sample:
    """One recording on disk, known by its file name alone; `Dataset.read` turns it into a Clip.

    label, subject, camera, replication, action: as in Clip
    video: path of the colour video (SBU: the folder of its images), None where there is none
    """

    name: str
    label: int
    subject: str
    camera: int
    replication: int
    skeleton_file: Path
    video: Path | None
    action: str


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
    crop_size:   side in pixels of the square around each hand (section 5)
    reads:       rules of its reader that a store must not be older than
    """

    name: str
    skeleton: Skeleton
    classes: tuple[str, ...]
    protocols: tuple[str, ...]
    crop_size: int
    layout: str  # what `root` should hold, for error messages
    reads: Mapping[str, str] = {}

    def __init__(self, root: Path | str):
        self.root = Path(root)

    @abstractmethod
    def _files(self) -> Iterator[tuple[str, Path | None, Path | None]]:
        """(name, skeleton file, video) of everything under `root` that looks like a sample."""

    @abstractmethod
    def identify(self, name: str, skeleton_file: Path, video: Path | None) -> Sample | str | None:
        """What the name says; a reason when it is unusable; None when it is none of ours."""

    @abstractmethod
    def tracks(self, path: Path) -> Tracks:
        """A skeleton file as it stands. Raises DataError naming file, frame and line."""

    @abstractmethod
    def _trains(self, sample: Sample, protocol: str) -> bool:
        """Whether a protocol puts this sample on the training side."""

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """(width, height) of the colour image that a sample's pixels refer to."""
        return 640, 480  # Kinect v1

    @cached_property
    def _found(self) -> tuple[dict[str, Sample], dict[str, str], Counter[str]]:
        if not self.root.is_dir():
            raise DataError("no such folder", path=self.root, advice=self._advice)
        samples: list[Sample] = []
        unusable: dict[str, str] = {}
        files: Counter[str] = Counter(skeletons=0, videos=0)
        for name, skeleton_file, video in self._files():
            found = (
                self.identify(name, skeleton_file, video)
                if skeleton_file
                else "video without skeleton"
            )
            if isinstance(found, Sample):
                samples.append(found)
            elif found:
                unusable[name] = found
            if found:  # one of ours: a sample's files are there, those of the others may not be
                for kind, path in (("skeletons", skeleton_file), ("videos", video)):
                    there = path is not None and (isinstance(found, Sample) or path.exists())
                    files[kind] += there
        if not samples:
            raise DataError(
                f"no usable {self.name} sample in this folder"
                + (f" ({len(unusable)} unusable ones)" if unusable else ""),
                path=self.root,
                advice=self._advice,
            )
        return {s.name: s for s in sorted(samples, key=lambda s: s.name)}, unusable, files

    @property
    def _advice(self) -> str:
        return f"It should hold {self.layout}; data/README.md says how to get {self.name}"

    @property
    def samples(self) -> list[Sample]:
        """Usable samples, sorted by name. Raises DataError for a missing, empty or wrong folder."""
        return list(self._found[0].values())

    @property
    def unusable(self) -> dict[str, str]:
        """Name -> reason of what was found and left out."""
        return dict(self._found[1])

    @property
    def files(self) -> dict[str, int]:
        """How many "skeletons" and "videos" are there, usable or not."""
        return dict(self._found[2])

    def __len__(self) -> int:
        return len(self._found[0])

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, name: str) -> Sample:
        """The sample of this name. Raises DataError with the reason when it is not usable."""
        samples, unusable, _ = self._found
        if name not in samples:
            raise DataError(
                f"{self.name} has no sample {name!r}: {unusable.get(name, 'no such file')}",
                path=self.root,
            )
        return samples[name]

    def _people(
        self, tracks: Tracks
    ) -> tuple[Float[np.ndarray, "T 2 J 3"], Float[np.ndarray, "T 2 J 2"], tuple[str, ...]]:
        """Joints, pixels and repairs of the two people of a Clip."""
        return choose(tracks.bodies, tracks.length, self.skeleton)

    def read(self, sample: Sample | str) -> Clip:
        """The Clip of a sample or of its name. Raises DataError naming file, frame and line."""
        if isinstance(sample, str):
            sample = self[sample]
        tracks = self.tracks(sample.skeleton_file)
        joints, pixels, repairs = self._people(tracks)
        if not joints.any():
            raise DataError(
                f"no body in any of its {tracks.length} frames", path=sample.skeleton_file,
                advice="Leave the sample out: the sensor saw nobody",
            )  # fmt: skip
        clip = Clip(
            name=sample.name, joints=joints, pixels=pixels, skeleton=self.skeleton,
            label=sample.label, subject=sample.subject, camera=sample.camera,
            replication=sample.replication, action=sample.action,
            image_size=self.image_size(sample), video=sample.video,
        )  # fmt: skip
        padded = hands_outside(clip.hands, clip.image_size)
        return replace(clip, repairs=(*tracks.notes, *repairs, *padded))

    def split(self, protocol: str | None = None) -> Split:
        """Training and test names of a protocol (default: the first). ValueError if unknown."""
        protocol = protocol or self.protocols[0]
        if protocol not in self.protocols:
            raise ValueError(
                f"{self.name} has no protocol {protocol!r}; it has: {', '.join(self.protocols)}"
            )
        sides: tuple[list[str], list[str]] = ([], [])
        for sample in self.samples:
            sides[0 if self._trains(sample, protocol) else 1].append(sample.name)
        return Split(tuple(sides[0]), tuple(sides[1]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def hands_outside(hands: Float[np.ndarray, "T 4 2"], size: tuple[int, int]) -> list[str]:
    """One sentence per hand that leaves the image; its crop is padded with zeros, never moved."""
    outside = ((hands < 0) | (hands >= size)).any(-1)  # (T, 4); NaN compares false
    return [
        f"{name} hand is outside the image in {count} of {len(hands)} frames: "
        "its crop is padded with zeros there"
        for name, count in zip(HANDS, outside.sum(0).tolist(), strict=True)
        if count
    ]
