"""What JSON may be, by an annotation."""

from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from pcsta.conforms import conforms


class Inner(TypedDict):
    names: list[str]
    kind: Literal["a", "b"]
    note: NotRequired[str | None]


@dataclass
class Line:
    inner: Inner
    shares: dict[str, float]
    said: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


INNER = {"names": ["x"], "kind": "a"}


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (1, int, True), (True, int, False), (1.0, int, False), ("1", int, False),
        (1, float, True), (0.5, float, True), (float("nan"), float, False), (False, float, False),
        (None, str | None, True), (3, str | None, False), ([], Literal["a"], False),
        (["a"], list[str], True), ("a", list[str], False), ([1], list[str], False),
        (["a", "b"], tuple[str, ...], True), ([1, 2.5], tuple[float, float], True),
        ([1], tuple[float, float], False), ([1, "2"], tuple[float, float], False),
        ({"a": [1]}, dict[str, list[int]], True),
        ({"a": 1}, dict[str, str], False), ([INNER], list[Inner], True), ({}, Any, True),
        (INNER, Inner, True), (INNER | {"note": None, "other": 3}, Inner, True),
        (INNER | {"note": 3}, Inner, False), (INNER | {"kind": "c"}, Inner, False),
        ({"names": []}, Inner, False), ([], Inner, False), (None, Inner, False),
        ({"inner": INNER, "shares": {"a": 1}}, Line, True),
        ({"inner": INNER, "shares": {"a": "1"}}, Line, False),
        ({"inner": INNER, "shares": {}, "said": [1]}, Line, False), ({"shares": {}}, Line, False),
    ],
)  # fmt: skip
def test_what_conforms(value, kind, right):
    assert conforms(value, kind) is right
