"""Which of a method's hyper-parameters may be numbers of a running program, and which it must know beforehand.

Optax constructors take most hyper-parameters as traced numbers; one that is used in a Python ``if`` or as a shape
cannot be. Rather than list them, the constructor is asked: it is traced once, abstractly, with every number unknown.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from steepest.errors import unknown_name
from steepest.precision import abstract

# Where a method has both, the key is the one that optax keeps.
SEED_NAMES = ("key", "seed")


@lru_cache(maxsize=512)
def parameters_of(method: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """(all names, required names, whether any other name is accepted) of a method's parameters."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return (), (), True
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    free = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return tuple(p.name for p in named), tuple(p.name for p in named if p.default is p.empty), free


def accepted(method: Callable[..., Any], name: str) -> bool:
    """Whether the method takes a hyper-parameter of this name."""
    names, _, free = parameters_of(method)
    return free or name in names


def seed_parameter(method: Callable[..., Any], given: Mapping[str, Any]) -> str | None:
    """The method's parameter that takes the run's seed: ``seed`` or ``key``, unless the caller set it."""
    names, _, _ = parameters_of(method)
    free = [name for name in SEED_NAMES if name in names]
    return free[0] if free and not any(name in given for name in free) else None


def check_names(methods: Mapping[Any, Callable[..., Any]], given: Mapping[str, Any], axes: set[str]) -> None:
    """Every hyper-parameter must be known to a method, an axis to all of them, and none may be missing.

    Raises:
        TypeError: one is missing, or an axis is not a parameter of every method.
        ValueError: a name that no method has, with the nearest match.
    """
    for name in given:
        takers = [label for label, method in methods.items() if accepted(method, name)]
        if not takers:
            allowed = {known for method in methods.values() for known in parameters_of(method)[0]}
            raise unknown_name(f"hyper-parameter of {_names(methods)}:", name, allowed)
        if name in axes and len(takers) < len(methods):
            left = next(label for label in methods if label not in takers)
            raise TypeError(
                f"{name} is an axis, but the method {left!r} has no such hyper-parameter; descend with it on its own"
            )
    for label, method in methods.items():
        for name in parameters_of(method)[1]:
            if given.get(name) is None and name not in SEED_NAMES:
                of = f"the method {label!r}" if label is not None else _names(methods)
                raise TypeError(f"{name} is missing: {of} needs it, e.g. {name}=0.1")


def name_of(method: Callable[..., Any]) -> str:
    """What a method is called: a function's name, with what ``functools.partial`` has bound; else its type's.

    >>> name_of(optax.sgd), name_of(optax.nadam)
    ('sgd', 'adam(nesterov=True)')
    """
    bound = getattr(method, "keywords", None)
    name = getattr(getattr(method, "func", method), "__name__", type(method).__name__)
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in bound.items())})" if bound else str(name)


def _names(methods: Mapping[Any, Callable[..., Any]]) -> str:
    return ", ".join(name_of(method) for method in methods.values())


def traceable(
    method: Callable[..., Any],
    static: tuple[tuple[str, Any], ...],
    names: tuple[str, ...],
    shapes: Any,
    seed: str | None,
) -> frozenset[str]:
    """Those of ``names`` that the method accepts as traced numbers, where its parameters have these ``shapes``.

    Args:
        method: the constructor.
        static: the other hyper-parameters.
        names: hyper-parameters that are numbers.
        shapes: (pytree structure, shapes) of the parameters.
        seed: the parameter that takes the seed.
    """
    try:
        return _traceable(method, static, names, shapes, seed)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        name = next(name for name, value in static if not _hashable(value))
        raise TypeError(
            f"{name} must be a number, a list or 1-D array of numbers, a schedule or another hashable value, "
            f"got {type(dict(static)[name]).__name__}; bind it into the method instead"
        ) from None


@lru_cache(maxsize=512)
def _traceable(
    method: Callable[..., Any],
    static: tuple[tuple[str, Any], ...],
    names: tuple[str, ...],
    shapes: Any,
    seed: str | None,
) -> frozenset[str]:
    if _error(method, dict(static), names, shapes, seed) is None:
        return frozenset(names)
    alone = [
        name
        for name in names
        if _error(method, dict(static) | dict.fromkeys(set(names) - {name}, 1.0), (name,), shapes, seed) is None
    ]
    rest = dict.fromkeys(set(names) - set(alone), 1.0)
    return frozenset(alone) if _error(method, dict(static) | rest, tuple(alone), shapes, seed) is None else frozenset()


def check_values(method: Callable[..., Any], values: Mapping[str, Any], shapes: Any, seed: str | None) -> None:
    """The method must accept these very hyper-parameters.

    Raises:
        ValueError: it does not; in the method's own words.
    """
    error = _error(method, values, (), shapes, seed)
    if error is not None:
        given = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise ValueError(
            f"{name_of(method)}({given}) is not a method that works: {str(error).splitlines()[0]}"
        ) from error


def _error(
    method: Callable[..., Any], plain: Mapping[str, Any], names: tuple[str, ...], shapes: Any, seed: str | None
) -> Exception | None:
    """What goes wrong when the method is traced with ``names`` as unknown numbers; None where nothing does."""
    structure, leaves = shapes
    params = jax.tree.unflatten(structure, [abstract(*each) for each in leaves])

    def once(values: dict[str, Any], point: Any) -> Any:
        given = dict(plain) | values
        if seed is not None:
            given[seed] = jax.random.key(0) if seed == "key" else jnp.zeros((), jnp.int32)
        made = optax.with_extra_args_support(method(**given))
        zero = jnp.zeros(())
        return made.update(point, made.init(point), point, value=zero, grad=point, value_fn=lambda _: zero)[0]

    try:
        jax.eval_shape(once, {name: abstract((), np.dtype("float64")) for name in names}, params)
    except Exception as error:  # noqa: BLE001 (whatever a method of the caller's raises)
        return error
    return None


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
