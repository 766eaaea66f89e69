"""Values of the command line: what is written and what is meant."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steepest.command.grammar import (
    parse_assignments,
    parse_number,
    parse_point,
    parse_points,
    parse_setting,
    parse_value,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(1e-12, 1e12)
COUNTS = st.integers(2, 60)


@given(st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), FINITE))
def test_a_number_written_out_is_read_back_with_its_type(number: float) -> None:
    read = parse_value(repr(number), "--learning-rate")
    assert read == number
    assert type(read) is type(number)


@given(st.lists(FINITE, min_size=2, max_size=8, unique=True))
def test_a_list_is_read_back_in_its_order(numbers: list[float]) -> None:
    assert parse_value(",".join(map(repr, numbers)), "--learning-rate") == numbers


@given(POSITIVE, POSITIVE, COUNTS)
def test_a_log_range_has_its_ends_and_one_ratio(low: float, high: float, count: int) -> None:
    assume(abs(np.log(high / low)) > 1e-3)
    values = np.asarray(parse_value(f"{low!r}..{high!r}:{count}", "--learning-rate"), float)
    assert (values[0], values[-1], len(values)) == (low, high, count)
    ratios = values[1:] / values[:-1]
    np.testing.assert_allclose(ratios, (high / low) ** (1 / (count - 1)), rtol=1e-10)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), COUNTS)
def test_a_linear_range_has_its_ends_and_one_difference(low: float, high: float, count: int) -> None:
    assume(abs(high - low) > 1e-3)
    values = np.asarray(parse_value(f"{low!r}..{high!r}:{count}:linear", "--set momentum"), float)
    assert (values[0], values[-1], len(values)) == (low, high, count)
    np.testing.assert_allclose(np.diff(values), (high - low) / (count - 1), atol=1e-8)


@given(st.integers(-50, 50), st.integers(1, 9), COUNTS, st.booleans())
def test_a_linear_range_of_whole_steps_stays_whole(first: int, step: int, count: int, falling: bool) -> None:
    expected = [first + step * place for place in range(count)]
    if falling:
        expected.reverse()
    values = parse_value(f"{expected[0]}..{expected[-1]}:{count}:linear", "--seed")
    assert values == expected
    assert isinstance(values, list)
    assert all(type(value) is int for value in values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", 0.1),
        ("3", 3),
        (" 1e-3 ", 1e-3),
        ("0.1,", [0.1]),
        ("0.1, 0.2", [0.1, 0.2]),
        ("-1,1", [-1, 1]),
        ("true", True),
        ("False,true", [False, True]),
        ("none,0.9", [None, 0.9]),
        ("1e-4..1:5", [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        ("1e-4..1:5:log", [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        ("1..1e-2:3", [1.0, 0.1, 0.01]),
        ("0..7:8:linear", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("0..1:3:linear", [0.0, 0.5, 1.0]),
        ("0,1e-2..1:3", [0, 0.01, 0.1, 1.0]),
        ("1,true", [1, True]),
        ("1" + 20 * "0", 1e20),
    ],
)
def test_examples(text: str, expected: object) -> None:
    read = parse_value(text, "--learning-rate")
    assert read == expected
    if isinstance(expected, list):
        assert isinstance(read, list)
        assert [type(value) for value in read] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("abc", "'abc' is not a value; write a number"),
        ("", "'' is not a value"),
        ("0.1,,0.2", "'' is not a value"),
        (",", "'' is not a value"),
        ("nan", "'nan' is not finite"),
        ("0.1,inf", "'inf' is not finite"),
        ("1e999", "'1e999' is not finite"),
        ("0.1..1", "the range '0.1..1' has no count"),
        ("0.1..1:5:log:2", "has too many parts"),
        ("0.1..x:5", "'x' is not the end of a range"),
        ("..1:5", "'' is not the end of a range"),
        ("0.1..1:five", "whole number from 2 to 10,000,000, got 'five'"),
        ("0.1..1:2.5", "got '2.5'"),
        ("0.1..1:1", "got '1'"),
        ("0.1..1:99999999999", "from 2 to 10,000,000"),
        ("0.1..1:5:liner", "did you mean 'linear'?"),
        ("0..1:5", "needs both ends above 0; for equal steps write 0..1:5:linear"),
        ("-1..1:5", "write -1..1:5:linear"),
        ("0.5..0.5:5", "both ends of the range '0.5..0.5:5' are the same; write 0.5 alone"),
        ("0.1,0.2,0.1", "0.1 occurs twice in '0.1,0.2,0.1'"),
        ("1,1.0", "1.0 occurs twice"),
        ("0.1,0.1..1:5", "0.1 occurs twice"),
    ],
)
def test_what_is_not_a_value_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        parse_value(text, "--learning-rate")
    assert "--learning-rate" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["none", "true", "0.1,none"])
def test_words_are_no_values_where_only_numbers_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"--learning-rate: '(none|true)' is not a value"):
        parse_value(text, "--learning-rate", words=False)
    assert parse_value("0.1,0.2", "--learning-rate", words=False) == [0.1, 0.2]


def test_a_setting_is_no_axis() -> None:
    assert parse_setting("1e-6", "--gradient-norm") == 1e-6
    assert parse_setting("none", "--gradient-norm") is None
    with pytest.raises(ValueError, match="--gradient-norm takes one value, got '1,2'"):
        parse_setting("1,2", "--gradient-norm")


@given(st.lists(FINITE, min_size=1, max_size=10))
def test_a_point_is_read_back(point: list[float]) -> None:
    assert parse_point(",".join(map(repr, point)), "--start") == point


def test_points_are_nothing_a_start_or_an_axis() -> None:
    assert parse_points([], "--start") is None
    assert parse_points(["4,2.5"], "--start") == [4.0, 2.5]
    assert parse_points(["4,2.5", "-1.5, 2"], "--start") == {"4,2.5": [4.0, 2.5], "-1.5, 2": [-1.5, 2.0]}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["4,"], "--start '4,' lacks a coordinate"),
        ([""], "--start '' lacks a coordinate"),
        (["4,b"], "--start: 'b' is not a number; write a point"),
        (["4,inf"], "--start: 'inf' is not finite"),
        (["4,2", "1,2,3"], "got '4,2' (2) and '1,2,3' (3)"),
        (["4,2", "1,2", "4,2"], "--start 4,2 is given twice"),
    ],
)
def test_what_is_not_a_point_gets_a_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_points(texts, "--start")


def test_assignments() -> None:
    read = parse_assignments(["momentum=0..0.9:10:linear", "nesterov = true"], "--set")
    assert read == {"momentum": np.linspace(0, 0.9, 10).tolist(), "nesterov": True}
    assert parse_assignments([], "--set") == {}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["momentum"], "--set must be NAME=VALUE, got 'momentum'"),
        (["=0.9"], "--set must be NAME=VALUE, got '=0.9'"),
        (["weight-decay=1"], "--set must be NAME=VALUE, got 'weight-decay=1'"),
        (["b1=0.9", "b1=0.8"], "--set gives b1 twice"),
        (["b1=high"], "--set b1: 'high' is not a value"),
    ],
)
def test_what_is_not_an_assignment_gets_a_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_assignments(texts, "--set")


@pytest.mark.parametrize("text", ["foo", "0.1,0.2", "1e-4..1:5", "", "nan"])
def test_what_is_no_single_number_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"^--learning-rate: .*(write a single one such as 0.1|give a finite number)"):
        parse_number(text, "--learning-rate")
