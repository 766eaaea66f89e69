"""What a name on the command line refers to: a landscape, something defined in a Python file, or a method of optax."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from steepest.errors import unknown_name

_ALLOWED = {
    "objective": "an Objective, an EmpiricalRisk or a function of the parameters",
    "method": "a function of hyper-parameters that returns an optax.GradientTransformation",
}


def find_objective(text: str) -> Any:
    """The objective that ``text`` names: a landscape, ``LANDSCAPE:DIMENSIONS``, or ``FILE.py:NAME``.

    Returns:
        An Objective or EmpiricalRisk, or a plain function of the parameters.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: what the file defines under that name is not an objective.
        ValueError: no landscape or definition has that name (the nearest match is named), the landscape does not exist
            in that many dimensions, or the file cannot be run.

    >>> find_objective("rosenbrock").name
    'rosenbrock'
    >>> find_objective("rosenbrock:5").start.shape
    (5,)
    """
    if refers_to_file(text):
        return _from_file(text, "objective")
    from steepest import landscapes

    name, colon, dimensions = text.partition(":")
    landscape = landscapes.find(name)
    if not colon:
        return landscape
    if landscape.in_dimensions is None:
        able = sorted(other for other, found in landscapes.CATALOGUE.items() if found.in_dimensions is not None)
        raise ValueError(f"{name} exists as it is only, got {text!r}; in any dimension there are {', '.join(able)}")
    if not dimensions.isdecimal():
        raise ValueError(f"the number of dimensions must be a whole number, got {text!r}; write e.g. {name}:10")
    return landscape.in_dimensions(int(dimensions))


def find_methods(text: str) -> Callable[..., Any] | dict[str, Callable[..., Any]]:
    """The method that ``text`` names, or the labelled axis of the methods that it names with commas between them.

    Raises:
        ValueError: a name occurs twice; else as :func:`find_method`.

    >>> list(find_methods("sgd,adam"))
    ['sgd', 'adam']
    """
    names = [name.strip() for name in text.split(",")]
    if len(names) == 1:
        return find_method(text)
    if len(set(names)) < len(names):
        raise ValueError(f"method {text!r} names one twice; an axis has each method once")
    return {name: find_method(name) for name in names}


def find_method(text: str) -> Callable[..., Any]:
    """The method that ``text`` names: a constructor of optax that takes a learning rate, or ``FILE.py:NAME``.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: what the file defines under that name cannot be called.
        ValueError: no method has that name; the nearest match is named.

    >>> find_method("adam").__name__
    'adam'
    """
    if refers_to_file(text):
        return _from_file(text, "method")  # type: ignore[no-any-return]
    methods = optax_methods()
    if text not in methods:
        raise unknown_name("method", text, methods)
    return methods[text]


def optax_methods() -> dict[str, Callable[..., Any]]:
    """Name → constructor of every optax method that takes a learning rate.

    The parts that methods are made of (``scale_by_adam`` and the like) are left out: alone they do not descend.
    """
    import optax

    public = {name: getattr(optax, name) for name in dir(optax) if not name.startswith(("_", "scale_by_"))}
    functions = {
        name: value for name, value in public.items() if inspect.isfunction(value) or isinstance(value, partial)
    }
    return {name: value for name, value in functions.items() if _takes_learning_rate(value)}


def refers_to_file(text: str) -> bool:
    """Whether ``text`` names something in a Python file.

    >>> refers_to_file("surfaces.py:ridge"), refers_to_file("rastrigin:10")
    (True, False)
    """
    path, _, name = text.rpartition(":")
    return path.endswith(".py") or name.endswith(".py")


@contextmanager
def blaming(text: str) -> Iterator[None]:
    """Turn an error raised in the file that ``text`` names into a sentence with its line; leave all others alone.

    Raises:
        ValueError: code of the file raised something.
    """
    try:
        yield
    except Exception as error:
        if refers_to_file(text) and (place := _line_of(error, _split(text)[0])) is not None:
            raise ValueError(f"{place}: {_in_words(error)}") from error
        raise


def _takes_learning_rate(function: Callable[..., Any]) -> bool:
    signature = inspect.signature(function)
    makes_method = "GradientTransformation" in str(signature.return_annotation)
    return makes_method and any(name.endswith("learning_rate") for name in signature.parameters)


def _split(text: str) -> tuple[Path, str]:
    path, _, name = text.rpartition(":")
    return (Path(path), name) if path.endswith(".py") else (Path(text), "")


def _from_file(text: str, kind: str) -> Any:
    path, name = _split(text)
    if not path.is_file():
        raise FileNotFoundError(f"{kind} {text!r}: there is no file {str(path)!r}")
    module = _run(path)
    own = [other for other, value in vars(module).items() if _defined_in(module, other, value)]
    if not name:
        remedy = f", one of {', '.join(sorted(own))}" if own else ""
        raise ValueError(f"{kind} {text!r} lacks a name: write {path}:NAME{remedy}")
    if not hasattr(module, name):
        if not own:
            raise ValueError(f"{path} defines no {kind} {name!r}, nor any other")
        raise unknown_name(f"{kind} in {path}:", name, own)
    value = getattr(module, name)
    if not _can_be_called(value):
        raise TypeError(f"{kind} {text!r} must be {_ALLOWED[kind]}, got {type(value).__name__}")
    return value


def _can_be_called(value: Any) -> bool:
    return callable(value) and not inspect.isclass(value)


def _defined_in(module: ModuleType, name: str, value: Any) -> bool:
    imported = inspect.isroutine(value) and value.__module__ != module.__name__
    return not name.startswith("_") and _can_be_called(value) and not imported


def _run(path: Path) -> ModuleType:
    """The file as a module; modules beside it can be imported from it, as from a script."""
    location = str(path.resolve())
    specification = importlib.util.spec_from_file_location(f"steepest_file_{path.stem}", location)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{_line_of(error, path) or path}: {_in_words(error)}") from error
    return module


def _line_of(error: BaseException, path: Path) -> str | None:
    """``FILE line N`` of the innermost line of the file that the error passed through, if it did."""
    location = path.resolve()
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == location:
        return f"{path} line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == location]
    return f"{path} line {lines[-1]}" if lines else None


def _in_words(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "the file ends the program; it should only define things"
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {message}"
