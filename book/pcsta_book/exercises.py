"""Exercises: what every check does, whatever a reader's answer is."""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import isroutine, signature
from typing import Any

import numpy as np
import torch
from torch import Tensor

Kind = Callable[[Any], Any]  # an answer -> the same as this kind; readers are told its name


class _NotAnswered(Exception):
    """The answer, or what the answer returns, is still None."""


class _OtherKind(Exception):
    """The answer, or what the answer returns, is nothing that the check could read."""


def exercise(check: Callable[..., bool]) -> Callable[..., bool]:
    """A check that takes any answer: it prints what it finds and returns whether the answer is right.

    A parameter may be annotated with a kind, one of those below, dict or bool: the check gets the answer
    as this kind; of an answer that is a function, what it returns. So a list, an array and a tensor of
    the same numbers are one answer.

    An answer of None, or a function that returns None, is "not answered yet". An answer of another
    kind, or one that stops with an error, is not right, and the error is one line: a traceback would
    end the chapter.
    """
    kinds: list[Kind | None] = [
        p.annotation if callable(p.annotation) and p.annotation is not p.empty else None
        for p in signature(check).parameters.values()
    ]

    @wraps(check)
    def checked(*answers: Any) -> bool:
        try:
            return bool(check(*map(_asked, answers, kinds)))
        except _NotAnswered:
            print("not answered yet")
        except _OtherKind as error:
            print(error)
        except Exception as error:  # whatever the reader's code raises
            print(f"this stops with {type(error).__name__}: {error}")
        return False

    return checked


def _asked(answer: Any, kind: Kind | None) -> Any:
    """The answer as this kind; of a function, its result. None raises _NotAnswered."""
    if answer is None:
        raise _NotAnswered
    if isroutine(answer):  # a network, too, can be called, and is an answer as it is

        @wraps(answer)
        def result(*arguments: Any) -> Any:
            return _asked(answer(*arguments), kind)

        return result
    if kind is None:
        return answer
    try:
        return kind(answer)
    except Exception as error:
        said = " ".join(repr(answer).split())
        said = said if len(said) < 60 else f"{said[:60]} …"
        asked = kind.__name__.replace("_", " ")
        raise _OtherKind(f"asked for: {asked}, not {said}") from error


# --- kinds ----------------------------------------------------------------------------------------
def a_number(answer: Any) -> float:
    """Of one element, whatever holds it; whole where it can be."""
    value = float(an_array(answer).item())
    return int(value) if value.is_integer() else value


def a_list(answer: Any) -> tuple[float, ...]:
    """Of numbers."""
    return tuple(map(a_number, answer))


def a_pair(answer: Any) -> tuple[float, float]:
    """Of numbers."""
    first, second = a_list(answer)
    return first, second


def an_array(answer: Any) -> np.ndarray:
    """Of numbers or truths; also of a tensor."""
    values = np.asarray(answer.detach() if isinstance(answer, Tensor) else answer)
    if values.dtype.kind not in "biuf":
        raise TypeError(values.dtype)
    return values


def a_tensor(answer: Any) -> Tensor:
    """Of numbers, float32; also of an array or of lists."""
    if isinstance(answer, list | tuple):
        return torch.stack([a_tensor(one) for one in answer])
    return torch.as_tensor(answer, dtype=torch.float32).detach()


def a_set(answer: Iterable[str]) -> set[str]:
    """Of words; one word alone is a set, too."""
    found = {answer} if isinstance(answer, str) else set(answer)
    if not all(isinstance(name, str) for name in found):
        raise TypeError(found)
    return found


def a_set_of_pairs(answer: Any) -> set[tuple[float, str]]:
    """Of a number and a word."""
    return {(a_number(one), str(other)) for one, other in answer}
