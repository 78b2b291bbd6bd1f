"""A store of NTU RGB+D's size without its recordings: everything is drawn, and a signal is planted.

On it disk, loading, training, stopping, testing and finding faults can be tried before the recordings are
there. Clips, people, cameras, splits and shapes are those of NTU. Lengths are drawn: the mean is the paper's,
4 million frames in 56,880 clips; that they are log-normal between 32 and 300 frames is assumed. Bodies are
the embedded dataset's, each subject's own; they stand and tremble, and the class is in what their arms do.
What a hand's glimpse shows changes as the hand moves.
"""

import math
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from pcsta.data.ntu import ACTION_NAMES, NTU
from pcsta.data.shard import HEADER, Settings, Sides, StoredClip, empty_arrays
from pcsta.data.splits import NTU_TRAIN_CAMERAS, NTU_TRAIN_SUBJECTS
from pcsta.data.store import Store
from pcsta.data.store_writer import BLOCK, StoreWriter
from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic.actors import Motion, Subject, pose
from pcsta_book.synthetic.camera import Camera, colour_pixels

CLIPS, FRAMES = 56_880, 4_000_000
MUTUAL = 50  # actions from here on have two people
ARMS = ("elbow", "wrist", "hand", "tip", "thumb")
STILL = [j for j, name in enumerate(KINECT_V2.joints) if name.split()[-1] not in ARMS]
MOVED = 24  # pixels of the way of a hand after which its glimpse shows something else
SHOWN = 0.9  # share of the clips that show their class at all, in the pose and in the left hand
# share that a model can get right that knows all this
BEST = SHOWN + (1 - SHOWN) / len(NTU.numbers)

Sample = tuple[int, int, int, int, int]  # setup, camera, subject, replication, action


def everything() -> list[Sample]:
    """As many samples as NTU has, 40,320 of them of people who train."""
    train = sorted(NTU_TRAIN_SUBJECTS)
    test = [s for s in range(1, 41) if s not in NTU_TRAIN_SUBJECTS]
    pairs = [(1 + k // 20, train[k % 20]) for k in range(112)]  # setup, subject
    pairs += [(1 + k // 20, test[k % 20]) for k in range(46)]
    return sorted(
        (s, c, p, r, a) for s, p in pairs for c in (1, 2, 3) for r in (1, 2) for a in NTU.numbers
    )


@cache
def standing(subject: int) -> Float[np.ndarray, "25 3"]:
    """Joints in the room, metres: a person at its middle who looks at camera 1, arms down."""
    still, both = np.zeros(1), np.zeros((1, 2, 3))
    hands = np.array([[[-0.25, 0.75, 0.05], [0.25, 0.75, 0.05]]])  # right, up, forward
    motion = Motion(hands, still, still, still, still, still, np.zeros((1, 2)), both[:, 0], both)
    return pose(Subject.create(subject), motion, (0.0, 0.0), 0.0)[0]


class Rehearsal:
    """So many of these clips, drawn at random; with D glimpse features a hand, or D = 0.

    Raises ValueError for a number of clips that NTU does not have.
    """

    def __init__(self, clips: int = CLIPS, features: int = 2048) -> None:
        if not 60 <= clips <= CLIPS:
            raise ValueError(f"--clips is from 60 to {CLIPS}, not {clips}")
        rng, grid = np.random.default_rng(0), everything()
        self.samples = [grid[i] for i in sorted(rng.permutation(CLIPS)[:clips])]
        self.names = ["S{:03d}C{:03d}P{:03d}R{:03d}A{:03d}".format(*s) for s in self.samples]
        lengths = rng.lognormal(math.log(FRAMES / CLIPS) - 0.08, 0.4, clips)
        self.lengths = lengths.clip(32, 300).astype(int)
        self.noise = np.abs(rng.normal(0.4, 0.3, (4096, features))).astype(np.float16)
        self.motions = rng.normal(0, 0.16, (60, 2, len(KINECT_V2), 3))  # metres
        self.motions[:, :, STILL] = 0
        self.looks = (rng.random((60, features)) < 0.05).astype(np.float16)
        sensor = "rehearsal" if features else None
        self.settings: Settings = {
            # another "made" with every change of what is drawn: nothing is continued that was begun before
            "dataset": "ntu-rehearsal", "made": "bodies", "samples": clips, "skeleton": KINECT_V2.name,
            "classes": list(ACTION_NAMES[:60]), "crop_size": 50, "image_width": 1920,
            "sensor_name": sensor, "sensor": sensor, "glimpse_features": features,
            "splits": {
                "cross-subject": self._sides(lambda sample: sample[2] in NTU_TRAIN_SUBJECTS),
                "cross-view": self._sides(lambda sample: sample[1] in NTU_TRAIN_CAMERAS),
            },
        }  # fmt: skip

    def _sides(self, trains: Callable[[Sample], bool]) -> Sides:
        both = list(zip(self.names, self.samples, strict=True))
        return {
            "train": [n for n, s in both if trains(s)],
            "test": [n for n, s in both if not trains(s)],
        }

    def room(self, path: Path) -> str:
        """What it takes on the disk, in words. Raises ValueError when too little would stay free there."""
        empty = empty_arrays(self.settings).values()
        frame = sum(a.itemsize * math.prod(a.shape[1:]) for a in empty)
        there = {int(p.name) for p in (path / "shards").glob("*") if p.name.isdigit()}
        missing = [n for i, n in enumerate(self.lengths) if i - i % BLOCK not in there]
        needs = sum(missing) * frame + len(missing) / BLOCK * len(empty) * HEADER
        disk = shutil.disk_usage(next(p for p in (path, *path.absolute().parents) if p.exists()))
        kept = max(10**9, disk.total // 20)
        said = (
            f"{len(self.names)} clips, {sum(self.lengths)} frames: {needs / 1e9:.2f} GB more in {path}; "
            f"{disk.free / 1e9:.1f} GB are free, {kept / 1e9:.1f} of them are to stay so"
        )
        if needs > disk.free - kept:
            raise ValueError(
                f"{said}: take fewer --clips, --sensor none, or another disk with --out"
            )
        return said

    def arrays(self, i: int) -> dict[str, np.ndarray]:
        """The arrays of the i-th clip, whenever they are asked for."""
        rng, T = np.random.default_rng([1, i]), self.lengths[i]
        _, camera, subject, _, action = self.samples[i]
        people, shown = 2 if action >= MUTUAL else 1, rng.random() < SHOWN
        joints = rng.normal(0, 0.02, (T, 2, len(KINECT_V2), 3))
        wave = np.sin(np.pi * np.arange(T) / T)[:, None, None, None]  # (T, 1, 1, 1)
        joints += shown * wave * self.motions[action - 1]
        bodies = [standing(subject), standing(1 + subject % 40)]
        bodies[1] = bodies[1] + (0.8, 0, 0.2)  # to the right of the first, and behind
        joints += np.array(bodies)
        joints = Camera.place(rng, camera).view(joints)
        hands = 2 * colour_pixels(joints[:, :, list(KINECT_V2.hand_indices)]).reshape(T, 4, 2)
        way = np.linalg.norm(np.diff(hands, axis=0, prepend=hands[:1]), axis=-1).cumsum(0)  # (T, 4)
        seen = rng.integers(len(self.noise), size=4) + (way / MOVED).astype(int)
        glimpses = self.noise[seen % len(self.noise)]  # (T, 4, D)
        joints[:, people:] = 0
        hands[:, 2 * people :] = np.nan
        deciding = np.zeros((T, 4), np.int8)
        deciding[T // 4 : 3 * T // 4, 0] = shown
        glimpses[deciding[:, 0] > 0, 0] += self.looks[action - 1]
        glimpses[:, 2 * people :] = 0
        return {"joints": joints, "hands": hands, "deciding": deciding, "glimpses": glimpses}

    def write(self, path: Path, progress: bool = True) -> Store:
        """The store at `path`, made or continued. Raises as `room`, and as `StoreWriter` does."""
        self.room(path)
        with StoreWriter(path, self.settings) as writer:
            missing = sum(map(len, writer.missing()))
            for i in tqdm(writer.claim(), "rehearse", missing, unit="clip", disable=not progress):
                _, camera, subject, replication, action = self.samples[i]
                length = int(self.lengths[i])
                clip = StoredClip(
                    self.names[i], action - 1, str(subject), camera, replication, length=length
                )
                writer.add(clip, **self.arrays(i))
        return Store(path)
