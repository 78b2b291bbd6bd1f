"""JSON is what its annotation says, all the way down: nothing that is read is believed."""

import sys
import typing
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, NotRequired, Union, get_origin, get_type_hints


def conforms(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of a type: a scalar, Literal, union, list, tuple of one type
    (of any length or a given one), dict, TypedDict or dataclass. Numbers are finite; a float may be
    written as an integer."""
    origin, parts = get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if kind is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    if origin in (Union, UnionType):
        return any(conforms(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin in (list, tuple):
        long = origin is list or parts[-1] is ...
        return isinstance(value, (list, tuple)) and (long or len(value) == len(parts)) and all(
            conforms(v, parts[0]) for v in value
        )  # fmt: skip
    if origin is dict:
        return isinstance(value, dict) and all(
            conforms(name, parts[0]) and conforms(each, parts[1]) for name, each in value.items()
        )
    if typing.is_typeddict(kind) or is_dataclass(kind):
        known, needed = _names(kind)
        return isinstance(value, dict) and needed <= value.keys() and all(
            conforms(value[name], part) for name, part in known.items() if name in value
        )  # fmt: skip
    return type(value) is kind


@cache
def _names(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of a TypedDict's or a dataclass's names, and which of them must be there."""
    if is_dataclass(kind):
        free = {f.name for f in fields(kind) if f.default is f.default_factory is MISSING}
    else:  # __required_keys__ does not see through annotations that are strings
        hints = get_type_hints(kind, include_extras=True).items()
        free = {name for name, hint in hints if get_origin(hint) is not NotRequired}
    return get_type_hints(kind), frozenset(free)
