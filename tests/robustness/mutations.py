"""Ways in which files go wrong: on the disk, on the way, in an editor, in another program."""

from __future__ import annotations

import re

import numpy as np

NUMBERS = (
    b"nan", b"-nan(ind)", b"1.#QNAN", b"inf", b"-Infinity", b"\xe2\x88\x9e", b"-3.402823e+38", b"1e400",
    b"999999999", b"99999999999999999999", b"-1", b"0", b"", b"1,5", b"abc", b"0x10", b"1e-320", b"+-1",
)  # fmt: skip
VALUES = (b"null", b"[]", b"{}", b"-1", b"1e999", b'""', b"true", b'"../../x"', b"NaN", b"[[[]]]")


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes become others, anywhere or near the beginning, where headers are."""
    changed = bytearray(data)
    end = len(data) if rng.random() < 0.5 else min(len(data), 256)
    for place in rng.integers(0, max(end, 1), rng.integers(1, 9)) if data else ():
        changed[place] = rng.integers(256)
    return bytes(changed)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """A download that stopped."""
    return data[: rng.integers(0, len(data) + 1)]


def hole(data: bytes, rng: np.random.Generator) -> bytes:
    """A block is zero, as after a crash of the machine, or is missing."""
    start, length = rng.integers(0, len(data) + 1), int(rng.integers(1, 600))
    return data[:start] + bytes(length if rng.random() < 0.5 else 0) + data[start + length :]


def more(data: bytes, rng: np.random.Generator) -> bytes:
    """Something stands behind the end, or before the beginning."""
    extra = rng.bytes(rng.integers(1, 200)) if rng.random() < 0.5 else data[: rng.integers(1, 400)]
    return data + extra if rng.random() < 0.7 else extra + data


def lines(data: bytes, rng: np.random.Generator) -> bytes:
    """Lines are repeated, exchanged, lost or empty."""
    rows = data.splitlines(keepends=True)
    if len(rows) < 2:
        return data + data
    i, j = rng.integers(0, len(rows), 2)
    way = rng.integers(4)
    if way == 0:
        rows.insert(i, rows[j])
    elif way == 1:
        rows[i], rows[j] = rows[j], rows[i]
    elif way == 2:
        del rows[i]
    else:
        rows.insert(i, b"\n")
    return b"".join(rows)


def numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Numbers become ones that are none, or absurd."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", data))
    for match in [found[i] for i in sorted(rng.integers(0, len(found), 2))[::-1]] if found else ():
        data = data[: match.start()] + NUMBERS[rng.integers(len(NUMBERS))] + data[match.end() :]
    return data


def digit(data: bytes, rng: np.random.Generator) -> bytes:
    """A digit becomes another one, which may still be a plausible number."""
    found = [match.start() for match in re.finditer(rb"\d", data)]
    place = found[rng.integers(len(found))] if found else len(data)
    return data[:place] + b"%d" % rng.integers(10) + data[place + 1 :]


def values(data: bytes, rng: np.random.Generator) -> bytes:
    """A value of JSON becomes one of another kind."""
    found = list(re.finditer(rb'(?<=: )(?:"[^"]*"|[-\w.]+|\[[^\[\]]*\])', data))
    if not found:
        return numbers(data, rng)
    match = found[rng.integers(len(found))]
    return data[: match.start()] + VALUES[rng.integers(len(VALUES))] + data[match.end() :]


def encoding(data: bytes, rng: np.random.Generator) -> bytes:
    """Another program saved it."""
    text = data.decode("latin-1")
    names = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp037")
    ways = [lambda: text.replace("\n", "\r\n").encode("latin-1")]
    ways += [lambda name=name: text.encode(name, "replace") for name in names]
    return ways[rng.integers(len(ways))]()


TEXT = (flip, cut, hole, more, lines, numbers, numbers, numbers, encoding)
JSON = (flip, cut, hole, more, lines, values, values, numbers, encoding)
BINARY = (flip, flip, flip, cut, hole, more)


def mutate(data: bytes, ways: tuple, rng: np.random.Generator) -> bytes:
    """One to three faults at once."""
    for _ in range(rng.integers(1, 4)):
        data = ways[rng.integers(len(ways))](data, rng)
    return data
