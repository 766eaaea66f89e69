"""Modules of Equinox and of Flax NNX as models: what they hold is the start, and they are never changed.

Neither library is imported before a module of it is met, and neither is needed for anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from steepest.objectives import Params
from steepest.precision import abstract, cast, double_precision

_FAILURES = (TypeError, ValueError, IndexError, AttributeError, KeyError, NotImplementedError, AssertionError)


@dataclass(frozen=True, eq=False)
class ModuleModel:
    """A module as a :class:`steepest.models.Model`: made by :func:`equinox` or :func:`nnx`.

    Attributes:
        name: the class of the module.
        start: its trainable parameters, float arrays: for Equinox a pytree like the module with None for all else, for
            NNX a dict of names.
    """

    name: str
    start: Params = field(repr=False)
    _apply: Callable[[Params, Any], Any] = field(repr=False)
    _filled: Callable[[Params], Any] = field(repr=False)

    def __call__(self, params: Params, x: Any) -> Any:
        """Predictions of the module in evaluation mode, first axis the rows."""
        return self._apply(params, x)

    def init(self, key: Any, x: Any, y: Any, dtype: np.dtype[Any]) -> Params:
        """What the module holds, whatever the key."""
        return cast(self.start, dtype)

    def module(self, params: Params) -> Any:
        """A module like the one given that holds other parameters, in the dtypes of its own.

        Args:
            params: of one run, such as ``run.params``, or ``sweep.best().params`` of many.

        Raises:
            ValueError: parameters of another structure or of other shapes.
        """
        wanted = jax.tree.map(np.shape, self.start)
        structures = (jax.tree.structure(tree) for tree in (params, self.start))
        given = jax.tree.map(np.shape, params)
        if len(set(structures)) != 1 or given != wanted:
            raise ValueError(
                f"params must have the structure and shapes of what {self.name} holds, {_words(self.start)}, got "
                f"{_words(params)}; of many runs select one first: sweep.best().params"
            )
        own = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), params, self.start)
        return self._filled(own)


def as_model(model: Any, x: Any) -> Any:
    """A module of Equinox or Flax NNX as a model that can be applied to x; anything else as it is.

    Raises:
        TypeError: the class of a module and not an instance.
        ValueError: a module that has nothing to train, or that cannot be applied to x.
    """
    for library, made in (("equinox", equinox), ("flax", nnx)):
        if isinstance(model, type) and _is_module(model, library):
            raise TypeError(f"model must be a module and not its class {model.__name__}; give an instance of it")
        # Equinox wraps functions in modules too, as filter_jit does: without arrays they are functions for us.
        if _is_module(type(model), library) and (library != "equinox" or _has_arrays(model)):
            model = made(model)
    if isinstance(model, ModuleModel) and isinstance(x, np.ndarray):
        _check_applies(model, x)
    return model


def equinox(module: Any, *, state: Any = None, by_row: bool = True) -> ModuleModel:
    """A module of Equinox as a model, in inference mode.

    ``EmpiricalRisk`` does this by itself; call it for a module that takes whole batches, or that has a state.

    Args:
        module: an ``equinox.Module``. Its floating arrays are trained; anything else stays as it is.
        state: of ``equinox.nn.make_with_state``; the module is then called with (row, state). It is only read.
        by_row: whether the module takes one row, as Equinox's layers do, or all of them.

    Raises:
        ModuleNotFoundError: Equinox is not installed.
        TypeError: something else than a module.
        ValueError: nothing in it can be trained, or it needs a state.

    Example:
        >>> import equinox as eqx, steepest as sd
        >>> model = sd.models.equinox(eqx.nn.Linear(2, "scalar", key=jax.random.key(0)))
        >>> model(model.start, np.ones((5, 2))).shape
        (5,)
    """
    library = _imported("equinox")
    if not isinstance(module, library.Module):
        raise TypeError(f"equinox takes an equinox.Module, got {type(module).__name__}")
    name = type(module).__name__
    if state is None and _needs_state(module, library):
        raise ValueError(
            f"{name} has layers with a state, such as batch norm; give it too: "
            "steepest.models.equinox(module, state=state)"
        )
    start, _ = library.partition(module, library.is_inexact_array)
    _, rest = library.partition(library.nn.inference_mode(module), library.is_inexact_array)
    _check_trainable(name, start, "floating arrays")

    def applied(params: Params, x: Any) -> Any:
        held = library.combine(params, rest)
        call = held if state is None else lambda row: held(row, state)[0]
        return jax.vmap(call)(x) if by_row else call(x)

    return ModuleModel(name, _on_host(start), applied, lambda params: library.combine(params, module))


def nnx(module: Any) -> ModuleModel:
    """A module of Flax NNX as a model, in evaluation mode.

    ``EmpiricalRisk`` does this by itself. The module is called with the whole batch.

    Args:
        module: a ``flax.nnx.Module``. Its floating ``nnx.Param`` are trained; statistics and random number generators
            are read and stay as found.

    Raises:
        ModuleNotFoundError: Flax is not installed.
        TypeError: something else than a module.
        ValueError: it has no ``nnx.Param``.

    Example:
        >>> from flax import nnx
        >>> import steepest as sd
        >>> model = sd.models.nnx(nnx.Linear(2, 1, rngs=nnx.Rngs(0)))
        >>> sorted(model.start), model(model.start, np.ones((5, 2))).shape
        (['bias', 'kernel'], (5, 1))
    """
    library = _imported("flax.nnx")
    if not isinstance(module, library.Module):
        raise TypeError(f"nnx takes a flax.nnx.Module, got {type(module).__name__}")
    name = type(module).__name__

    def trainable(path: Any, value: Any) -> bool:
        return isinstance(value, library.Param) and jnp.issubdtype(value.dtype, jnp.inexact)

    twin = library.clone(module)
    twin.eval()
    graph, trained, rest = library.split(twin, trainable, ...)
    leaves, structure = jax.tree.flatten(trained)
    start = library.to_pure_dict(trained)
    _check_trainable(name, start, "nnx.Param")
    # Which leaf of the dict each leaf of the module's own state is: the two need not be in one order.
    places = jax.tree.leaves(
        library.to_pure_dict(jax.tree.unflatten(structure, [np.asarray(place) for place in range(len(leaves))]))
    )
    order = np.argsort([int(place) for place in places])

    def as_state(params: Params) -> Any:
        given = jax.tree.leaves(params)
        return jax.tree.unflatten(structure, [given[place] for place in order])

    def applied(params: Params, x: Any) -> Any:
        return library.merge(graph, as_state(params), rest, copy=True)(x)

    def filled(params: Params) -> Any:
        other = library.clone(module)
        library.update(other, as_state(params))
        return other

    return ModuleModel(name, _on_host(start), applied, filled)


def _is_module(kind: type, library: str) -> bool:
    """Whether a class is a module of a library, told by names alone, so that nothing is imported."""
    return any(base.__name__ == "Module" and base.__module__.split(".")[0] == library for base in kind.__mro__)


def _has_arrays(module: Any) -> bool:
    return any(isinstance(leaf, jax.Array | np.ndarray) for leaf in jax.tree.leaves(module))


def _imported(library: str) -> Any:
    package = library.partition(".")[0]
    try:
        return import_module(library)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{package} is not installed; install it with: pip install {package}") from None


def _needs_state(module: Any, library: Any) -> bool:
    def is_index(node: Any) -> bool:
        return isinstance(node, library.nn.StateIndex)

    return any(is_index(leaf) for leaf in jax.tree.leaves(module, is_leaf=is_index))


def _check_trainable(name: str, start: Params, what: str) -> None:
    leaves = jax.tree.leaves(start)
    if not leaves:
        raise ValueError(f"{name} has nothing to train: it holds no {what}")
    if any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves):
        raise ValueError(f"{name} holds complex parameters; only real ones can be trained")


def _check_applies(model: ModuleModel, x: Any) -> None:
    """Trace the module on two rows, so that what does not fit is said here and not from within the module."""
    with double_precision():
        row = abstract((2, *x.shape[1:]), np.dtype(float) if np.issubdtype(x.dtype, np.floating) else x.dtype)
        try:
            jax.eval_shape(model, cast(model.start, np.dtype(float)), row)
        except _FAILURES as error:
            line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ValueError(
                f"{model.name} cannot be applied to x of shape {x.shape}: {line}; a module of Equinox is given one row "
                "at a time, unless it is wrapped in steepest.models.equinox(module, by_row=False)"
            ) from error


def _on_host(tree: Params) -> Params:
    """A copy as NumPy arrays: what the user does with the module's own later does not reach it."""
    return jax.tree.map(np.array, tree)


def _words(params: Params) -> str:
    return ", ".join(
        f"{jax.tree_util.keystr(path, simple=True, separator='.')} {np.shape(leaf)}"
        for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]
    )
