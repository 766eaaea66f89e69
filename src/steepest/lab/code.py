"""The Python code that reproduces what is on the screen."""

from __future__ import annotations

from steepest.lab.formula import as_python
from steepest.lab.methods import METHODS
from steepest.lab.problems import DATA
from steepest.lab.state import State


def code(state: State) -> str:
    """A program that makes the runs of a state, and prints how they ended.

    >>> print(code(State("bowl", starts=((1.0, 2.0),), learning_rate=0.05, steps=50)))
    import optax
    import steepest as sd
    <BLANKLINE>
    objective = sd.landscapes.bowl
    starts = [[1.0, 2.0]]
    runs = sd.descend(
        objective,
        optax.sgd,
        start=starts,
        learning_rate=0.05,
        steps=50,
        every=1,
        path=True,
        stop=sd.Stop(parameter_norm=1e+12),
    )
    print(runs)
    sd.figures.save(sd.figures.contour(runs), "paths.png")
    sd.figures.save(sd.figures.loss_curves(runs), "losses.png")
    <BLANKLINE>
    """
    written = METHODS[state.method].written
    plain = written is not None and state.schedule == "constant" and not state.is_noisy
    made = written if plain else f"lab.method({state.method!r}, {state.schedule!r}, {state.is_noisy})"
    lines = ["import functools"] if plain and state.method == "nesterov" else []
    lines += ["import optax"] if plain else []
    lines += ["import steepest as sd"]
    lines += ["from steepest import lab"] if not plain or state.problem in DATA else []
    lines += ["import jax.numpy as jnp"] if state.problem == "formula" else []
    body = [
        *_objective(state),
        f"starts = {[list(point) for point in state.starts]}",
        "runs = sd.descend(",
        "    objective,",
        f"    {made},",
        "    start=starts,",
        *(f"    {name}={value}," for name, value in _arguments(state, plain).items()),
        ")",
        "print(runs)",
        *([] if state.problem in DATA else ['sd.figures.save(sd.figures.contour(runs), "paths.png")']),
        'sd.figures.save(sd.figures.loss_curves(runs), "losses.png")',
    ]
    return "\n".join([*lines, "", *body]) + "\n"


def _arguments(state: State, plain: bool) -> dict[str, str]:
    """The settings of the screen as a program says them, without those that its method does not take."""
    settings = state.settings
    left_out = {"progress"}
    left_out |= {"horizon", "noise"} if plain else set()
    left_out |= {"momentum"} if plain and not METHODS[state.method].momentum else set()
    left_out |= set() if state.batch_size else {"batch_size"}
    left_out |= set() if state.batch_size or state.is_noisy else {"seed"}
    written = {name: repr(value) for name, value in settings.items() if name not in left_out}
    return written | {"stop": f"sd.Stop(parameter_norm={settings['stop'].parameter_norm:g})"}


def _objective(state: State) -> list[str]:
    if state.problem == "formula":
        return [
            "objective = sd.Objective(",
            f"    lambda w: {as_python(state.formula)},",
            f"    start={list(state.found.start)},",
            f"    name={state.formula!r},",
            f"    window={state.found.window},",
            ")",
        ]
    if state.problem in DATA:
        return [f"objective = lab.problem({state.problem!r}).objective"]
    return [f"objective = sd.landscapes.{state.problem}"]
