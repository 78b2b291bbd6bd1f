"""The files that a store was made from, as they were and as they are: what must be read again."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pcsta.data.dataset import Sample
from pcsta.data.shard import AGAIN, Source, StoredClip, StoreError, read_shard, shards
from pcsta.data.store_writer import StoreWriter, written


def sources(sample: Sample, video: bool, digest: bool = True) -> dict[str, Source]:
    """A sample's files as they are: "skeleton" and, if wanted, "video"; read for a `digest`."""
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
    """Whether to read a sample again: its files have changed, or could not be read then."""
    then, now = stored.sources, sources(sample, video, digest=False)
    if stored.passing or then.keys() != now.keys():
        return True
    if all(then[kind] == now[kind] | {"digest": then[kind]["digest"]} for kind in now):
        return False
    again = sources(sample, video)
    return any(then[kind]["digest"] != again[kind]["digest"] for kind in again)


Kept = dict[int, tuple[Path, StoredClip]]  # a sample's number -> its shard, and its line in it


def review(writer: StoreWriter, samples: Sequence[Sample], video: bool) -> tuple[Kept, list[str]]:
    """Let a writer `renew` the shards that are damaged, or whose files have changed.

    Returns those of their samples that stay as they are, and a sentence for each cause.
    """
    kept: Kept = {}
    why: list[str] = []
    others: list[str] = []
    for shard in shards(writer.path):
        first = int(shard.name)
        here = samples[first : first + writer.block]
        try:
            lines = dict(enumerate(read_shard(shard, writer.settings), first))
            told = [(line.name, line.label, line.subject) for line in lines.values()]
            if told != [(sample.name, sample.label, sample.subject) for sample in here]:
                raise StoreError(f"{shard} describes other samples than these")
        except StoreError as error:
            why.append(f"made anew: {error}".removesuffix(f"; {AGAIN}"))
            writer.renew[first] = written(shard)
            continue
        if again := [i for i, line in lines.items() if changed(line, samples[i], video)]:
            writer.renew[first] = written(shard)
            others += [samples[i].name for i in again]
            good = (i for i, line in lines.items() if i not in again and line.skipped is None)
            kept |= {i: (shard, lines[i]) for i in good}
    if others:
        names = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        why.append(f"read again, as their files have changed: {len(others)} ({names})")
    return kept, why
