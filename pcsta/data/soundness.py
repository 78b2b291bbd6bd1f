"""Whether a prepared store is as sound ones are: `pcsta check STORE`.

Training does not tell: a model learns from exchanged sides or shifted frames too, only less.
"""

from collections import Counter, defaultdict

import numpy as np
from jaxtyping import Float

from pcsta.data.bodies import STATURE, stature
from pcsta.data.check import Finding
from pcsta.data.ntu import NAME
from pcsta.data.shard import StoreError
from pcsta.data.store import Store
from pcsta.data.tracks import Body
from pcsta.skeletons import Skeleton

LOOKED = 600  # clips that are read whole, drawn at random; of all others one frame
PAIRS = {*range(50, 61), *range(106, 121)}  # NTU's actions of two people
LAGS = np.arange(-15, 16)  # frames
# Mean cosine of two glimpses. On a real clip of NTU: 0.5 (Lite0), with random weights 0.94 (Lite0) and
# 0.999 (Inception).
ALIKE = 0.9
# Correlation of a hand's speed and its glimpse's change. On that clip: 0.7, and 0.2 a frame later.
FOLLOWS = 0.1


def examine(store: Store) -> dict[str, Finding]:
    """What holds of every sound store, by name; what this one cannot tell is left out."""
    if not len(store):
        raise StoreError(f"{store.path} has no clip that could be read; its index.jsonl says why")
    looked = np.random.default_rng(0).permutation(len(store))[:LOOKED].tolist()
    names = [NAME.fullmatch(clip.name) for clip in store.clips]
    actions = [int(name["action"]) for name in names if name]
    found = {}
    if len(actions) == len(store):
        found["labels"] = _labels(actions, store.labels.tolist())
    parted = [p for p in store.settings["splits"] if p.startswith("cross-")]
    found |= {protocol: _sides(store, protocol) for protocol in parted}
    found |= _skeletons(store)
    if len(actions) == len(store) and store.settings["dataset"].startswith("ntu"):
        found["second person"] = _second(store, {i: actions[i] for i in looked})
    film = store.settings["dataset"] in ("jhmdb", "own")  # a Kinect's pictures are mirrored
    firsts = [joints[joints.any((1, 2))] for joints in (store.joints(i)[:, 0] for i in looked)]
    firsts = [joints for joints in firsts if len(joints)]
    bodies = [Body((1,), np.arange(len(j)), j, j[..., :2]) for j in firsts]
    tall = float(np.median([stature(body, store.skeleton) for body in bodies] or [0.0]))
    found["size"] = Finding(
        ok=STATURE[0] <= tall <= STATURE[1],
        what=f"person 1 is {tall:.2f} m from head to foot",
        do="joints are in another unit than metres: convert them, and prepare again",
    )
    if not film and {"left foot", "left ankle"} <= set(store.skeleton.joints):
        left = np.mean([_left_is_left(joints, store.skeleton) for joints in firsts] or [False])
        found["left and right"] = Finding(
            ok=bool(left > 0.75),
            what=f"the left hip is on the left in {100 * left:.0f} % of the clips",
            do="joints' names or the x axis are exchanged: mend that, and prepare again",
        )
    if store.glimpse_features and store.crops == "hands":
        found |= _glimpses(store, looked)
    return found


def _labels(actions: list[int], labels: list[int]) -> Finding:
    """A label is to be that of most clips whose names have its action."""
    counts: dict[int, Counter[int]] = defaultdict(Counter)
    for action, label in zip(actions, labels, strict=True):
        counts[action][label] += 1
    share = sum(max(count.values()) for count in counts.values()) / len(labels)
    said = f"{100 * share:.1f} % of the clips have the label of their name's action"
    return Finding(ok=share == 1, what=said, do="the others have wrong ones: prepare again")


def _sides(store: Store, protocol: str) -> Finding:
    """People, or cameras or setups, are to be on one side alone."""
    clips = [[store.clips[i] for i in side] for side in store.split(protocol)]
    what, of = "people", [{clip.subject for clip in side} for side in clips]
    if protocol == "cross-view":
        what, of = "cameras", [{str(clip.camera) for clip in side} for side in clips]
    elif protocol == "cross-setup":
        what, of = "setups", [{clip.name[:4] for clip in side} for side in clips]
    both = of[0] & of[1]
    said = f"{len(of[0])} {what} train, {len(of[1])} test, {len(both)} do both"
    return Finding(ok=not both, what=said, do="the sides are not the protocol's: prepare again")


def _skeletons(store: Store) -> dict[str, Finding]:
    """Somebody is to be in every clip, and no recording on both sides of a protocol."""
    poses = store.take("joints", np.array([c.start + c.length // 2 for c in store.clips]))
    there = np.asarray(poses.any((1, 2, 3)))
    known = np.array([hash(pose.tobytes()) for pose in poses])
    empty = sum(not store.joints(i).any() for i in np.flatnonzero(~there).tolist())
    both: set[int] = set()
    for protocol in store.settings["splits"]:
        train, test = (side[there[side]] for side in store.split(protocol))
        both.update(test[np.isin(known[test], known[train])].tolist())
    said = f"{empty} clips have nobody in any frame"
    names = ", ".join(store.clips[i].name for i in sorted(both)[:3])
    copies = f"{len(both)} are trained and tested on" + f", such as {names}" * bool(both)
    do = "two clips are one recording: say so beside the accuracy; of your own clips take one out"
    return {
        "somebody": Finding(ok=not empty, what=said, do="joints are lost: prepare again"),
        "skeletons": Finding(ok=not both, what=copies, do=do),
    }


def _second(store: Store, actions: dict[int, int]) -> Finding:
    """Person 2 is to be in most clips of the actions for two, and of no other."""
    seen = defaultdict(list)
    for i, action in actions.items():
        seen[action].append(store.joints(i)[:, 1].any())
    there, wanted = {a for a, found in seen.items() if np.mean(found) > 0.5}, PAIRS & seen.keys()
    both = len(there & wanted)
    said = f"in {both} of {len(wanted)} actions for two, {len(there - wanted)} for one"
    do = "bodies are dropped or invented: `pcsta inspect` a skeleton of A050"
    return Finding(ok=there == wanted, what=said, do=do)


def _left_is_left(joints: Float[np.ndarray, "n J 3"], skeleton: Skeleton) -> bool:
    """Whether the left hip is left of where the feet point, in most frames; x as a Kinect's."""
    at = {name: joints[:, j] for j, name in enumerate(skeleton.joints)}
    up = at[skeleton.root] - (at["left hip"] + at["right hip"]) / 2
    ahead = at["left foot"] - at["left ankle"] + at["right foot"] - at["right ankle"]
    across = at["left hip"] - at["right hip"]
    return bool(np.median((np.cross(up, ahead) * across).sum(-1)) > 0)


def _glimpses(store: Store, looked: list[int]) -> dict[str, Finding]:
    """Whether f_g tells crops apart, and whether V and the hands are of the same frames."""
    seen, follow = [], []
    for i in looked:
        V, hands = store.glimpses(i).astype(np.float32), store.hands(i)
        for n in np.flatnonzero(np.isfinite(hands).all((0, 2))):
            seen.append(V[len(V) // 2, n])
            change, speed = (np.linalg.norm(np.diff(x[:, n], axis=0), axis=-1) for x in (V, hands))
            if len(speed) > LAGS[-1] and min(change.std(), speed.std()) > 0:  # false of NaN
                change, speed = ((x - x.mean()) / x.std() for x in (change, speed))
                by_lag = np.correlate(change, speed, "full") / len(speed)
                follow.append(by_lag[len(speed) - 1 + LAGS])
    if not seen:
        return {}
    lengths = np.linalg.norm(seen, axis=-1)
    whole = np.isfinite(lengths) & (lengths > 0)
    n, unit = whole.sum(), np.array(seen)[whole] / lengths[whole, None]
    alike = (np.square(unit.sum(0)).sum() - n) / max(n * (n - 1), 1)
    found = {"glimpses": Finding(
        ok=bool(whole.mean() > 0.95 and alike < ALIKE),
        what=f"{100 * whole.mean():.0f} % are there, two are {alike:.2f} alike",
        do="the sensor's weights are random, or it saw nothing: `pcsta doctor`, then prepare again",
    )}  # fmt: skip
    if follow:
        r = np.mean(follow, 0)
        found["frames"] = Finding(
            ok=bool(abs(LAGS[r.argmax()]) <= 1 and r.max() > FOLLOWS),
            what=f"glimpses follow the hands {LAGS[r.argmax()]} frames late (r = {r.max():.2f})",
            do="video and skeleton are of other frames or clips: `pcsta predict --overlay` shows it",
        )
    return found
