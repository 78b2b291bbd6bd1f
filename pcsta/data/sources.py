"""The files that a store was made from, as they were and as they are: what must be read again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pcsta.data.dataset import Sample
from pcsta.data.shard import Source, StoredClip, StoreError, damage, read_index, shards
from pcsta.data.store_writer import StoreWriter, written


def sources(sample: Sample, video: bool, digest: bool = True) -> dict[str, Source]:
    """The files of a sample as they are now: "skeleton" and, if wanted, "video", if they are there.

    digest: also read them; else it is empty
    """
    found = {}
    for kind, path in (("skeleton", sample.skeleton_file), ("video", sample.video)):
        if path is None or not path.exists() or (kind == "video" and not video):
            continue
        files = sorted(path.glob("rgb*")) if path.is_dir() else [path]
        stats = [file.stat() for file in files]
        content = hashlib.blake2b(digest_size=8)
        for file in files if digest else ():
            content.update(file.read_bytes())
        found[kind] = Source(
            files=len(files),
            size=sum(s.st_size for s in stats),
            modified=max((s.st_mtime_ns for s in stats), default=0),
            digest=content.hexdigest() if digest else "",
        )
    return found


def changed(stored: StoredClip, sample: Sample, video: bool) -> bool:
    """Whether a sample should be read again: its files are others, or could not be read then.

    A file with another time and the same bytes is the same.
    """
    then, now = stored.sources, sources(sample, video, digest=False)
    if stored.passing or then.keys() != now.keys():
        return True
    if all(then[kind] == now[kind] | {"digest": then[kind]["digest"]} for kind in now):
        return False
    again = sources(sample, video)
    return any(then[kind]["digest"] != again[kind]["digest"] for kind in again)


class Review(NamedTuple):
    """What has to be made anew in a store, and what can be taken over from its shards.

    renew: as `StoreWriter.renew`
    kept:  samples that stay as they are: their shard, and their line in it
    why:   a sentence for each cause
    """

    renew: dict[int, int]
    kept: dict[int, tuple[Path, StoredClip]]
    why: list[str]


def review(writer: StoreWriter, samples: Sequence[Sample], video: bool) -> Review:
    """Compare the shards of a store with their own index, and with the files that they came from."""
    found, others = Review({}, {}, []), []
    for shard in shards(writer.path):
        first = int(shard.name)
        try:
            lines = read_index(shard)
            fault = damage(shard, lines, writer.settings)
        except StoreError as error:
            lines, fault = [], str(error)
        end = min(first + writer.block, len(samples))
        if not fault and len(lines) != end - first:
            fault = f"{shard} has {len(lines)} of {end - first} lines"
        here = list(zip(range(first, end), lines, strict=False))
        told = [(line.name, line.label, line.subject) for line in lines]
        if not fault and told != [(s.name, s.label, s.subject) for s in samples[first:end]]:
            fault = f"{shard} describes other samples than these"
        again = {i for i, line in here if changed(line, samples[i], video)}
        if fault:
            found.why.append(f"made anew: {fault}")
        elif again:
            good = [(i, line) for i, line in here if i not in again and line.skipped is None]
            found.kept.update((i, (shard, line)) for i, line in good)
            others += [samples[i].name for i in sorted(again)]
        if fault or again:
            found.renew[first] = written(shard)
    if others:
        names = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        found.why.append(f"read again, as their files have changed: {len(others)} ({names})")
    return found
