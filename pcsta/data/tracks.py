"""From the rows of a skeleton file to tracked bodies, in which whatever is no measurement is NaN.

Sensors and the programs behind them write "nothing here" in many ways: NaN, a joint or a whole body
of zeros, the greatest number that a float holds. `gather` knows them all; `fill_missing` puts
joints in their place. Both say what they found in sentences for `Clip.repairs`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

# Metres from the sensor within which a joint may lie, along each axis, and the least mean depth of a
# body. Kinect v2 tracks people from 0.5 to 4.5 m, v1 from 0.8 to 4 m (Microsoft's documentation; v1:
# `DepthRange`); in the real files of NTU, SBU and MSR the furthest joint is at 5.2 m.
FAR, NEAR = 10.0, 0.5
PIXELS = 10_000.0  # from the image's corner; film of 8K is 7,680 wide


@dataclass(frozen=True, eq=False)
class Body:
    """One tracked body: n reports in rising frames, under one id or, once stitched, several.

    ids:    as in the file, in order of use
    frames: (n,) frame of each report, from 0
    joints: (n, J, 3) metres;  pixels: (n, J, 2) in the colour image; NaN where unknown
    """

    ids: tuple[int, ...]
    frames: Int64[np.ndarray, "n"]
    joints: Float32[np.ndarray, "n J 3"]
    pixels: Float32[np.ndarray, "n J 2"]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, part: slice | Bool[np.ndarray, "n"]) -> Body:
        """Some of the reports, under the same ids."""
        return Body(self.ids, self.frames[part], self.joints[part], self.pixels[part])

    def __str__(self) -> str:
        ids = "+".join(map(str, self.ids))
        return f"body {ids} (frames {self.frames[0]}-{self.frames[-1]})"


class Tracks(NamedTuple):
    """What a skeleton file holds, before any choice or repair.

    bodies:  in order of first appearance
    length:  T, number of frames, with or without a body
    tracked: share of joints that the sensor saw rather than inferred; None where not in the file
    notes:   sentences for `Clip.repairs` about the file itself
    """

    bodies: list[Body]
    length: int
    tracked: float | None = None
    notes: tuple[str, ...] = ()


def gather(
    ids: Sequence[int],
    frames: Int64[np.ndarray, "n"],
    joints: Float32[np.ndarray, "n J 3"],
    pixels: Float32[np.ndarray, "n J 2"],
    length: int,
    notes: Sequence[str] = (),
    tracked: float | None = None,
) -> Tracks:
    """The rows of a file of `length` frames as bodies; what was found in them joins the notes.

    A joint that no sensor measures becomes NaN: one that is not finite, beyond FAR, or zero in all
    coordinates. (Zero may be a place where coordinates start at the body: nearer than NEAR.) So does
    a pixel that is not finite, beyond PIXELS, or (0, 0). A row without any measured joint is nobody.
    A second row of one id in one frame belongs to a body of its own, under a new id.
    """
    missing: dict[str, Bool[np.ndarray, "n J"]] = {}
    if not (joints[..., 2].all() and np.abs(joints).max(initial=0) <= FAR):  # quick, and mostly so
        missing = _missing(joints)
        joints = np.where(np.any([*missing.values()], 0)[..., None], np.float32(np.nan), joints)
    if not (pixels[..., 0].all() and np.abs(pixels).max(initial=0) <= PIXELS):
        known = (np.abs(pixels) <= PIXELS).all(-1, keepdims=True) & pixels.any(-1, keepdims=True)
        pixels = np.where(known, pixels, np.float32(np.nan))

    rows: dict[tuple[int, int], list[int]] = defaultdict(list)  # of an id, and of its doubles
    times: Counter[tuple[int, int]] = Counter()  # that a frame has listed an id
    for row, (ident, frame) in enumerate(zip(ids, frames.tolist(), strict=True)):
        rows[ident, times[ident, frame]].append(row)
        times[ident, frame] += 1

    bodies, said = [], list(notes)
    new = count(max(ids, default=0) + 1)
    for (ident, double), of_body in rows.items():
        at, body = np.array(of_body), next(new) if double else ident
        if double:
            listed = f"body {ident} is listed again in {len(at)} frames, first in {frames[at[0]]}"
            said.append(f"{listed}: kept as body {body}")
        for what, kind in missing.items():
            if found := int(kind[at].sum()):
                said.append(f"body {body}: {found} joint positions are {what}")
        there = ~np.isnan(joints[at, :, 0]).all(1)
        if nowhere := int((~there).sum()):
            said.append(f"body {body} has no measured joint in {nowhere} frames: absent there")
            at = at[there]
        if len(at):
            bodies.append(Body((body,), frames[at], joints[at], pixels[at]))
    return Tracks(bodies, length, tracked, tuple(said))


def _missing(joints: Float32[np.ndarray, "n J 3"]) -> dict[str, Bool[np.ndarray, "n J"]]:
    """What is wrong with joints -> where."""
    finite, zero = np.isfinite(joints).all(-1), ~joints.any(-1)
    far = finite & (np.abs(joints) > FAR).any(-1)
    seen = finite & ~far & ~zero
    depth = np.where(seen, joints[..., 2], 0).sum(1) / seen.sum(1).clip(1)  # (n,) mean over joints
    zero &= ((np.abs(depth) >= NEAR) | ~seen.any(1))[:, None]
    return {"not a number": ~finite, "zero": zero, f"more than {FAR:.0f} m from the sensor": far}


def fill_missing(body: Body) -> tuple[Body, list[str]]:
    """Missing joints, interpolated in time; one never measured is at the others' mean place."""
    bad = np.isnan(body.joints).any(-1)  # (n, J)
    if not bad.any():
        return body, []
    joints = body.joints.copy()
    joints[bad] = joints[~bad].mean(0)
    for joint in np.flatnonzero(bad.any(0) & ~bad.all(0)):
        good = body[~bad[:, joint]]
        for axis, known in enumerate(good.joints[:, joint].T):
            joints[:, joint, axis] = np.interp(body.frames, good.frames, known)
    done = f"{body}: {int(bad.sum())} missing joint positions interpolated in time"
    return replace(body, joints=joints), [done]
