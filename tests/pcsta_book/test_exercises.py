"""Checks of exercises take whatever a reader answers, and never end a chapter."""

import numpy as np
import pytest
import torch

from pcsta_book.exercises import (
    a_list,
    a_number,
    a_pair,
    a_set,
    a_set_of_pairs,
    a_tensor,
    an_array,
    exercise,
)


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


NUMBERS = [1.0, 2.0]
KINDS = [  # kind; answers that are one and the same; answers of other kinds
    (a_number, [4, 4.0, [4], np.int64(4), np.array([4]), torch.tensor(4.0)], ["4", [4, 4], {}]),
    (
        a_pair,
        [NUMBERS, (1, 2), np.array(NUMBERS), torch.tensor(NUMBERS)],
        [[1], [1, 2, 3], 4, "ab"],
    ),
    (a_list, [NUMBERS, (1, 2), range(1, 3), torch.tensor(NUMBERS)], [4, "12", [[1, 2], [3, 4]]]),
    (an_array, [NUMBERS, np.array(NUMBERS), torch.tensor(NUMBERS, requires_grad=True)], ["a", {1}]),
    (
        a_tensor,
        [NUMBERS, np.array(NUMBERS), [torch.tensor(1), np.float64(2)]],
        ["a", [[1], [1, 2]]],
    ),
    (a_set, [["b"], {"b"}, "b", np.array(["b"]), {"b": 1}], [4, [1, 2]]),
    (a_set_of_pairs, [{(1, "b")}, [[1.0, "b"]], {1: "b"}.items()], [[1], 4, "b"]),
    (dict, [{1: "b"}, [(1, "b")]], [4, "b"]),
    (bool, [True, 1, np.True_, torch.tensor([True]), {0}], [np.array(NUMBERS)]),
]


@pytest.mark.parametrize("function", [False, True])
@pytest.mark.parametrize("kind, alike, others", KINDS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_check_gets_the_kind_that_it_asks_for(kind, alike, others, function, capsys):
    got = []

    @exercise
    def check(answer: kind):
        got.append(answer() if function else answer)
        return True

    def given(value):
        return (lambda: value) if function else value

    assert all(check(given(value)) for value in alike)
    assert all(np.array_equal(np.asarray(one), np.asarray(got[0])) for one in got)
    assert {type(one) for one in got} == {type(got[0])}
    assert capsys.readouterr().out == ""
    for value in others:
        assert not check(given(value))
        assert capsys.readouterr().out.startswith("asked for: ")
    assert not check(given(None))
    assert "not answered yet" in capsys.readouterr().out
