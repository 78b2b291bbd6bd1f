"""Checks of exercises take whatever a reader answers, and never end a chapter."""

import numpy as np
import pytest
import torch

from pcsta_book.exercises import exercise


@exercise
def check_four(answer):
    print("right" if answer == 4 else f"not {answer}")
    return answer == 4


@exercise
def check_double(answer):
    right = answer(2) == 4
    print("right" if right else "twice")
    return right


@pytest.mark.parametrize(
    ("check", "answer", "right", "said"),
    [
        (check_four, 4, True, "right"),
        (check_four, 4.0, True, "right"),
        (check_four, 5, False, "not 5"),
        (check_four, None, False, "not answered yet"),
        (check_four, np.array([4, 4]), False, "ValueError"),
        (check_double, lambda x: 2 * x, True, "right"),
        (check_double, lambda x: 3 * x, False, "twice"),
        (check_double, lambda x: None, False, "not answered yet"),
        (check_double, lambda x: 1 / 0, False, "ZeroDivisionError: division by zero"),
        (check_double, lambda: 4, False, "TypeError"),
        (check_double, 4, False, "TypeError"),
        (lambda net: net.bias.shape == (1,), torch.nn.Linear(1, 1), True, ""),  # and is no function
    ],
)
def test_every_answer_is_taken(check, answer, right, said, capsys):
    assert exercise(check)(answer) is right
    assert said in capsys.readouterr().out
