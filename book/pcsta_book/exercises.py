"""Exercises: what every check does, whatever a reader's answer is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isroutine
from typing import Any


class _NotAnswered(Exception):
    """The answer, or what the answer returns, is still None."""


def exercise(check: Callable[..., bool]) -> Callable[..., bool]:
    """A check that takes any answer: it prints what it finds and returns whether the answer is right.

    An answer of None, or a function that returns None, is "not answered yet". An answer of another
    kind, or one that stops with an error, is not right, and the error is one line: a traceback would
    end the chapter.
    """

    @wraps(check)
    def checked(*answers: Any) -> bool:
        try:
            return bool(check(*map(_asked, answers)))
        except _NotAnswered:
            print("not answered yet")
        except Exception as error:  # whatever the reader's code raises
            print(f"this stops with {type(error).__name__}: {error}")
        return False

    return checked


def _asked(answer: Any) -> Any:
    """The answer; None, also as the result of a function, raises _NotAnswered."""
    if answer is None:
        raise _NotAnswered
    if not isroutine(answer):  # a network, too, can be called, and is an answer as it is
        return answer

    @wraps(answer)
    def result(*arguments: Any) -> Any:
        return _asked(answer(*arguments))

    return result
