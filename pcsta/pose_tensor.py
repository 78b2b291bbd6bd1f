"""The joint-ordered pose tensor X (section 3.1, Figure 2): what the pose network sees.

Each row of X is one time instant; its columns walk over the body along a tour of the skeleton's
tree, so that neighbouring columns are neighbouring joints; its three channels are position,
velocity and acceleration; two people stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pcsta.config import ModelConfig
from pcsta.skeletons import SKELETONS, Skeleton, conversion


# --- joint orders (section 3.1 and Table 4) -----------------------------------------------------
def tour(skeleton: Skeleton) -> tuple[int, ...]:
    """The closed path over the body with double entries: the paper's order (tour, section 3.1).

    A depth-first walk from the middle of the spine that writes a joint each time it stands on it:
    once on the way out and once after each child. That is 2J - 1 entries (49 for Kinect v2). The
    paper's 300 columns need 50 (300 = 2 people x 50 entries x 3 coordinates), so the root, where
    the walk ends, is written once more.

    Returns 2J joint indices, 0-based. Two entries in sequence are joined by a bone, but for the
    final repetition of the root.
    """

    def walk(joint: int) -> Iterator[int]:
        yield joint
        for child in skeleton.child_indices(joint):
            yield from walk(child)
            yield joint

    return (*walk(skeleton.root_index), skeleton.root_index)


def single(skeleton: Skeleton) -> tuple[int, ...]:
    """The topological order without double entries, of Table 4: the tour's first visits, J entries."""
    return tuple(dict.fromkeys(tour(skeleton)))


def random_order(skeleton: Skeleton, seed: int = 0) -> tuple[int, ...]:
    """A random order of the J joints, of Table 4; the same for the same seed."""
    return tuple(np.random.default_rng(seed).permutation(len(skeleton)).tolist())


def random_doubles(skeleton: Skeleton, seed: int = 0) -> tuple[int, ...]:
    """The tour's 2J entries in a random order: doubles without topology, Table 4's missing control."""
    return tuple(np.random.default_rng(seed).permutation(tour(skeleton)).tolist())


def joint_order(name: str, skeleton: Skeleton, seed: int = 0) -> tuple[int, ...]:
    """The order that a configuration names: "tour", "single", "random" or "random-doubles".

    `seed` matters to the two random orders only. Raises ValueError for another name.
    """
    orders = {
        "tour": tour(skeleton),
        "single": single(skeleton),
        "random": random_order(skeleton, seed),
        "random-doubles": random_doubles(skeleton, seed),
    }
    return orders[_one_of("joint order", name, *orders)]


def _one_of(what: str, name: str, *known: str) -> str:
    if name not in known:
        raise ValueError(f"no {what} {name!r}; choose {', '.join(known[:-1])} or {known[-1]}")
    return name


# --- body-centred coordinates (section 5) -------------------------------------------------------
def present(joints: Float[Tensor, "*batch P J 3"]) -> Bool[Tensor, "*batch P"]:
    """Whether each person is there: an absent person's joints are all exactly zero."""
    return (joints != 0).flatten(-2).any(-1)


def normalise(
    joints: Float[Tensor, "*batch P J 3"], root: int, origin: str = "first"
) -> Float[Tensor, "*batch P J 3"]:
    """Translate every frame so that the middle of the spine is the origin (origin, section 5).

    root:    index of the middle-spine joint
    origin:  "first": both people on the first person's spine, which keeps the distance between
             them; "own": each on their own. The paper does not say which. In a frame without the
             first person, each stands on their own.

    An absent person stays all zero. Units are kept (metres). Works on any leading dimensions.
    Raises ValueError for another `origin`.
    """
    _one_of("origin", origin, "first", "own")
    there = present(joints)  # (..., P)
    centre = joints[..., root, :]  # (..., P, 3)
    if origin == "first":
        centre = torch.where(there[..., :1, None], centre[..., :1, :], centre)
    return (joints - centre[..., None, :]) * there[..., None, None]


def turn(
    joints: Float[Tensor, "*batch T P J 3"], angle: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch T P J 3"]:
    """Rotate whole sub-sequences about the vertical axis (y), in radians, from z towards x."""
    c, s = angle.cos()[..., None, None, None], angle.sin()[..., None, None, None]
    x, y, z = joints.unbind(-1)
    return torch.stack([c * x + s * z, y, c * z - s * x], dim=-1)


def face(joints: Float[Tensor, "*batch T P J 3"], root: int) -> Float[Tensor, "*batch T P J 3"]:
    """Turn a sub-sequence about the vertical axis so that person 2 stands in direction +x of person 1.

    The direction is the mean over the frames that hold both; one rotation serves all frames, so that
    motions stay what they are. Without such a frame, or with one person, nothing is turned. What is
    left of the view is its height; who stands on the left of the image is no longer to be seen.
    """
    if joints.shape[-3] < 2:
        return joints
    both = present(joints)[..., :2].all(-1)[..., None]  # (..., T, 1)
    between = joints[..., 1, root, :] - joints[..., 0, root, :]  # (..., T, 3)
    direction = (between * both).sum(-2)  # (..., 3)
    return turn(joints, torch.atan2(direction[..., 2], direction[..., 0]))


# --- derivatives (section 3.1) ------------------------------------------------------------------
def derivatives(
    joints: Float[Tensor, "*batch T P J 3"],
) -> tuple[Float[Tensor, "*batch T P J 3"], Float[Tensor, "*batch T P J 3"]]:
    """Velocity and acceleration of the sampled frames (derivatives, section 3.1).

    Metres per frame and per frame squared.

    Central differences inside. At the two ends the velocity is the one-sided difference of second
    order and the acceleration repeats its neighbour's. So both are exact in every frame when joints
    move along polynomials of degree 2, and the acceleration inside also for degree 3.

    A difference that would reach into a frame where the person is absent (all zero) is zero: nobody
    jumps to the origin. Raises ValueError for fewer than 3 frames.
    """
    if joints.shape[-4] < 3:
        raise ValueError(f"derivatives need at least 3 frames, got {joints.shape[-4]}")
    x = joints.movedim(-4, 0)  # (T, ..., P, J, 3)
    v, a = central_differences(x[:-2], x[1:-1], x[2:])  # (T-2, ...)
    velocity = torch.cat([v[:1] - a[:1], v, v[-1:] + a[-1:]])
    acceleration = torch.cat([a[:1], a, a[-1:]])
    return velocity.movedim(0, -4), acceleration.movedim(0, -4)


def central_differences(before: Tensor, here: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Velocity and acceleration at `here`; zero unless all three frames hold the person."""
    there = (present(before) & present(here) & present(after))[..., None, None]
    return (after - before) / 2 * there, (after - 2 * here + before) * there


# --- the tensor (section 3.1) -------------------------------------------------------------------
class PoseTensor:
    """Builds X from joints: normalise, differentiate, walk the tour (X, section 3.1).

    skeleton:    the tree of joints whose tour is walked
    order, seed: of the joints, see `joint_order`
    origin:      of the coordinates, see `normalise`
    people:      P, how many people stand side by side (the paper's 2)
    derivatives: "sampled": of the T frames that the network sees; "video": of the clip's own
                 frames, each sampled one between its two neighbours; "none": zero, positions alone
    view:        "camera", or "people": turned by `face`
    coordinates: "columns": x, y, z side by side (the paper); "channels": one column a path entry,
                 nine channels, so that a kernel of width 3 covers three joints and not one
    source:      skeleton of the joints that are given, where it is another one: they are converted

    Attributes: `order`, the E path entries of one person (0-based joint indices); `width`, P·E·3
    columns (300 in the paper) or P·E; `channels`, 3 or 9.

    >>> import torch
    >>> from pcsta import PoseTensor
    >>> from pcsta.skeletons import KINECT_V2
    >>> tuple(PoseTensor(KINECT_V2)(torch.rand(1, 20, 2, 25, 3)).shape)
    (1, 3, 20, 300)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        order: str = "tour",
        seed: int = 0,
        origin: str = "first",
        people: int = 2,
        derivatives: str = "sampled",
        view: str = "camera",
        coordinates: str = "columns",
        source: Skeleton | None = None,
    ) -> None:
        self.skeleton, self.source = skeleton, source or skeleton
        self.order = joint_order(order, skeleton, seed)
        self.origin, self.people = origin, people
        self.derivatives = _one_of("derivatives", derivatives, "sampled", "video", "none")
        self.view = _one_of("view", view, "camera", "people")
        self.coordinates = _one_of("coordinates", coordinates, "columns", "channels")
        self.channels, axes = (3, 3) if coordinates == "columns" else (9, 1)
        self.width = people * len(self.order) * axes
        self.convert: Tensor | None = None
        if self.source.name != skeleton.name:
            self.convert = torch.from_numpy(conversion(self.source, skeleton))

    @classmethod
    def from_config(cls, config: ModelConfig, source: Skeleton | None = None) -> PoseTensor:
        """The tensor that a model of this configuration reads, from joints of `source`."""
        return cls(
            SKELETONS[config.skeleton], config.order, config.order_seed, config.origin, config.people,
            config.derivatives, config.view, config.coordinates, source,
        )  # fmt: skip

    def frames(
        self, sampled: Int[np.ndarray, "B T"], lengths: Int[np.ndarray, "B"] | int
    ) -> Int[np.ndarray, "B F"]:
        """Which frames of each clip `__call__` wants for these sampled ones.

        The sampled ones themselves (F = T), or with "video" each of them between its neighbours
        (F = 3T: t - 1, t, t + 1, t' - 1, t', ...), which stop at the clip's two ends.
        """
        if self.derivatives != "video":
            return sampled
        three = sampled[..., None] + np.array([-1, 0, 1])  # (B, T, 3)
        last = np.reshape(lengths, (-1, 1, 1)) - 1
        return np.clip(three, 0, last).reshape(len(sampled), -1)

    def __call__(self, joints: Float[Tensor, "B F P J 3"]) -> Float[Tensor, "B C T W"]:
        """Joints in camera space (metres, an absent person all zero) -> X.

        joints: of the frames that `frames` names: F = T, or 3T with derivatives of the video
        Channels of X: position, velocity, acceleration. Columns: person, path entry, xyz. With
        coordinates="channels": x, y, z of position, of velocity, of acceleration; person, path entry.
        Raises ValueError when the joints are not those of the skeleton that was announced.
        """
        people, count = joints.shape[2:4]
        if (people, count) != (self.people, len(self.source)):
            raise ValueError(
                f"{self.source.name} needs (B, T, {self.people}, {len(self.source)}, 3) joints, "
                f"got {tuple(joints.shape)}"
            )
        if self.convert is not None:
            joints = self.convert.to(joints, non_blocking=True) @ joints  # (B, T, P, J, 3)
        if self.view == "people":
            joints = face(joints, self.skeleton.root_index)
        x = normalise(joints, self.skeleton.root_index, self.origin)
        if self.derivatives == "sampled":
            velocity, acceleration = derivatives(x)
        elif self.derivatives == "video":  # each sampled frame stands between its neighbours
            before, x, after = x.unflatten(1, (-1, 3)).unbind(2)
            velocity, acceleration = central_differences(before, x, after)
        else:
            velocity = acceleration = torch.zeros_like(x)
        motion = torch.stack([x, velocity, acceleration], dim=1)  # (B, 3, T, P, J, 3)
        # index_select copies whole xyz triplets: several times faster than fancy indexing
        order = torch.tensor(self.order).to(joints.device, non_blocking=True)
        X = motion.index_select(4, order)
        if self.coordinates == "channels":
            return X.movedim(-1, 2).flatten(1, 2).flatten(3)  # (B, 9, T, P·E)
        return X.flatten(3)  # (B, 3, T, P·E·3)
