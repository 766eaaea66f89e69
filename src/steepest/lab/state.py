"""What is on the screen, as numbers: read from an address and written into one, every field checked in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from steepest.descent import Stop
from steepest.errors import unknown_name
from steepest.lab.formula import LONGEST
from steepest.lab.methods import METHODS, SCHEDULES
from steepest.lab.problems import Problem, problem

MOST_STARTS = 8
MOST_STEPS = 20_000
LEAST_RATE, MOST_RATE = 1e-12, 1e6
MOST_RECORDS = 1001
STOP = Stop(parameter_norm=1e12)
"""When a run of the lab ends before its steps do."""

_FARTHEST = 1e6
_COORDINATES = 2


@dataclass(frozen=True)
class State:
    """Everything that decides what the page shows.

    Attributes:
        problem: name of a landscape or data problem, or ``"formula"``.
        formula: in w1 and w2, where the problem is ``"formula"``.
        starts: points (w1, w2).
        method: one of :data:`steepest.lab.methods.METHODS`.
        learning_rate: above 0.
        momentum: from 0 to below 1.
        schedule: one of :data:`steepest.lab.methods.SCHEDULES`.
        batch_size: rows of a step; 0 for all of them.
        noise: standard deviation of the noise on each gradient.
        steps: at most.
        seed: of noise and batches.
    """

    problem: str = "rosenbrock"
    formula: str = ""
    starts: tuple[tuple[float, float], ...] = ()
    method: str = "gradient descent"
    learning_rate: float = 0.001
    momentum: float = 0.9
    schedule: str = "constant"
    batch_size: int = 0
    noise: float = 0.0
    steps: int = 1000
    seed: int = 0

    @property
    def is_noisy(self) -> bool:
        """Whether noise is added."""
        return self.noise > 0

    @property
    def found(self) -> Problem:
        """The problem."""
        return problem(self.problem, self.formula)

    @property
    def settings(self) -> dict[str, Any]:
        """What :func:`steepest.descend` is called with besides the objective, the method and the starts.

        >>> [State(steps=steps).settings["every"] for steps in (1000, 1001, 20_000)]
        [1, 2, 20]
        """
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "horizon": float(self.steps),
            "noise": self.noise,
            "seed": self.seed,
            "steps": self.steps,
            "batch_size": self.batch_size or None,
            "every": -(-self.steps // (MOST_RECORDS - 1)),
            "path": True,
            "stop": STOP,
            "progress": False,
        }

    def to_query(self) -> str:
        """The part of an address behind the question mark; :func:`from_query` reads it back.

        >>> from_query({"problem": "bowl", "starts": "1,2;3,4"}).to_query()[:38]
        'problem=bowl&starts=1.0%2C2.0%3B3.0%2C'
        """
        fields = {name: value for name, value in vars(self).items() if name != "formula" or value}
        fields["starts"] = ";".join(f"{a!r},{b!r}" for a, b in self.starts)
        return urlencode(fields)


def from_query(query: Mapping[str, str]) -> State:
    """A state from the fields of an address; what is not given is as a new page has it.

    Raises:
        ValueError: a field that is unknown, not a number, or out of its range.

    >>> from_query({"learning_rate": "-1"})
    Traceback (most recent call last):
    ValueError: learning_rate must be a number from 1e-12 to 1e+06, got '-1'
    """
    for name in query:
        if name not in State.__dataclass_fields__:
            raise unknown_name("field", name[:60], State.__dataclass_fields__)
    blank = State()
    # A formula left behind by another problem is none of this state: it would make its problem anew.
    formula = query.get("formula", "") if query.get("problem") == "formula" else ""
    if len(formula) > LONGEST:
        raise ValueError(f"formula must have at most {LONGEST} characters, got {len(formula)}")
    state = State(
        query.get("problem", blank.problem),
        formula,
        (),
        _one_of(query, "method", METHODS, blank.method),
        _number(query, "learning_rate", LEAST_RATE, MOST_RATE, blank.learning_rate),
        _number(query, "momentum", 0.0, 0.999, blank.momentum),
        _one_of(query, "schedule", SCHEDULES, blank.schedule),
        _whole(query, "batch_size", 0, 100_000, blank.batch_size),
        _number(query, "noise", 0.0, 1e6, blank.noise),
        _whole(query, "steps", 1, MOST_STEPS, blank.steps),
        _whole(query, "seed", 0, 2**31 - 1, blank.seed),
    )
    found = state.found
    rows = found.objective.rows
    if state.batch_size and rows is None:
        state = replace(state, batch_size=0)
    if rows is not None and state.batch_size >= rows:
        state = replace(state, batch_size=0)
    return replace(state, starts=_starts(query.get("starts", ""), found))


def from_address(text: str) -> State:
    """A state from an address that was copied, of whatever port, or from its part behind the question mark.

    Raises:
        ValueError: what is no such address, or one with a field that is wrong.

    >>> from_address("http://127.0.0.1:4001/?problem=bowl&steps=50").steps
    50
    >>> from_address("bowl")
    Traceback (most recent call last):
    ValueError: 'bowl' is no address of the lab; copy what the browser shows, or its part behind the question mark
    """
    before, mark, behind = text.strip().partition("?")
    fields = (behind if mark or "://" in before else before).partition("#")[0]
    try:
        pairs = parse_qsl(fields, keep_blank_values=True, strict_parsing=True) if fields else []
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is no address of the lab; copy what the browser shows, or its part behind the question mark"
        ) from None
    return from_query(dict(pairs))


def _starts(text: str, found: Problem) -> tuple[tuple[float, float], ...]:
    if not text:
        return (found.start,)
    points = text.split(";", MOST_STARTS)
    if len(points) > MOST_STARTS:
        raise ValueError(f"starts must be at most {MOST_STARTS} points")
    starts = []
    for point in points:
        numbers = point.split(",")
        try:
            pair = tuple(float(number) for number in numbers)
        except ValueError:
            pair = ()
        if len(pair) != _COORDINATES or not all(math.isfinite(value) and abs(value) <= _FARTHEST for value in pair):
            raise ValueError(
                f"starts must be points 'w1,w2' with semicolons between, up to {_FARTHEST:g}; got {point[:40]!r}"
            )
        starts.append((pair[0], pair[1]))
    return tuple(starts)


def _one_of(query: Mapping[str, str], name: str, known: Any, usual: str) -> str:
    value = query.get(name, usual)
    if value not in known:
        raise unknown_name(name, value[:60], known)
    return value


def _number(query: Mapping[str, str], name: str, low: float, high: float, usual: float) -> float:
    text = query.get(name)
    if text is None:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {text[:40]!r}")
    return value


def _whole(query: Mapping[str, str], name: str, low: int, high: int, usual: int) -> int:
    text = query.get(name)
    if text is None:
        return usual
    value = int(text) if text.strip().isdecimal() and len(text) <= 12 else -1
    if not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {text[:40]!r}")
    return value


def plain(value: Any, digits: int = 8) -> float | None:
    """A number that JSON can hold, in so many digits; None where it is not finite."""
    number = float(value)
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None
