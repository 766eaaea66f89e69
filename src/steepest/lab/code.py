"""The Python code that reproduces what is on the screen."""

from __future__ import annotations

from steepest.lab.formula import as_python
from steepest.lab.problems import DATA
from steepest.lab.state import State

_OPTAX = {
    "gradient descent": "optax.sgd",
    "heavy ball": "optax.sgd",
    "nesterov": "functools.partial(optax.sgd, nesterov=True)",
}


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
        steps=50,
        learning_rate=0.05,
        stop=sd.Stop(parameter_norm=1e12),
    )
    print(runs)
    sd.figures.save(sd.figures.contour(runs), "paths.png")
    sd.figures.save(sd.figures.loss_curves(runs), "losses.png")
    <BLANKLINE>
    """
    plain = state.method in _OPTAX and state.schedule == "constant" and not state.is_noisy
    lines = ["import optax", "import steepest as sd"]
    if plain and state.method == "nesterov":
        lines.insert(0, "import functools")
    lines += [] if plain and state.problem not in DATA else ["from steepest import lab"]
    lines = [line for line in lines if plain or line != "import optax"]
    if state.problem == "formula":
        lines.append("import jax.numpy as jnp")
    arguments = {"steps": str(state.steps), "learning_rate": repr(state.learning_rate)}
    if state.method != "gradient descent" or not plain:
        arguments["momentum"] = repr(state.momentum)
    if not plain:
        arguments |= {"horizon": repr(float(state.steps)), "noise": repr(state.noise)}
    if state.batch_size:
        arguments["batch_size"] = str(state.batch_size)
    if state.batch_size or state.is_noisy:
        arguments["seed"] = str(state.seed)
    arguments["stop"] = "sd.Stop(parameter_norm=1e12)"
    if state.batch_size:
        arguments["every"] = "1"
        arguments["path"] = "True"
    made = _OPTAX[state.method] if plain else f"lab.method({state.method!r}, {state.schedule!r}, {state.is_noisy})"
    body = [
        *_objective(state),
        f"starts = {[list(point) for point in state.starts]}",
        "runs = sd.descend(",
        "    objective,",
        f"    {made},",
        "    start=starts,",
        *(f"    {name}={value}," for name, value in arguments.items()),
        ")",
        "print(runs)",
        *([] if state.problem in DATA else ['sd.figures.save(sd.figures.contour(runs), "paths.png")']),
        'sd.figures.save(sd.figures.loss_curves(runs), "losses.png")',
    ]
    return "\n".join([*lines, "", *body]) + "\n"


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
