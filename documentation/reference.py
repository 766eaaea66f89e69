"""The reference: one page a public module, every public name of it with its docstring."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import steepest
from steepest import Objective

TITLE = "steepest"


class Name(NamedTuple):
    """A public name.

    Attributes:
        public: how users write it, ``steepest.theory.spectrum``.
        home: where its docstring stands, ``steepest.theory.eigenvalues.spectrum``.
        module: the public module whose page it is on, ``steepest.theory``.
        value: what it is.
    """

    public: str
    home: str
    module: str
    value: Any

    @property
    def short(self) -> str:
        """As it is written with ``import steepest as sd``, without the ``sd``."""
        return self.public.removeprefix("steepest.")


@cache
def public_modules() -> tuple[ModuleType, ...]:
    """Those that ``steepest.__all__`` names, and what else has an ``__all__`` of its own at the same height."""
    named = {name for name in steepest.__all__ if inspect.ismodule(getattr(steepest, name))}
    found = [import_module(f"steepest.{name}") for name in sorted(named | {"fit", "lab", "streams"})]
    return (steepest, *found)


@cache
def public_names() -> tuple[Name, ...]:
    """Every public name that is no module, in the order of its page."""
    return tuple(name for module in public_modules() for name in _names_of(module))


def _names_of(module: ModuleType) -> Iterator[Name]:
    for word in getattr(module, "__all__", None) or _own_names(module):
        value = getattr(module, word)
        if not inspect.ismodule(value):
            yield Name(f"{module.__name__}.{word}", _home(module, word, value), module.__name__, value)


def _own_names(module: ModuleType) -> list[str]:
    """What a module without ``__all__`` defines itself."""
    own = module.__name__
    return [
        word
        for word, value in vars(module).items()
        if not word.startswith("_") and getattr(value, "__module__", None) == own and not inspect.ismodule(value)
    ]


def _home(module: ModuleType, word: str, value: Any) -> str:
    """The module in which a function or class is defined; anything else is where it is assigned."""
    if inspect.isfunction(value) or inspect.isclass(value):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(module, "__path__"):
        for part in pkgutil.iter_modules(module.__path__):
            inner = import_module(f"{module.__name__}.{part.name}")
            if vars(inner).get(word) is value and word in inspect.getsource(inner):
                return f"{inner.__name__}.{word}"
    return f"{module.__name__}.{word}"


def place_of(module: str) -> str:
    """The page of a public module within the site's sources."""
    return f"reference/{module.removeprefix('steepest.')}.md"


def pages() -> dict[str, str]:
    """Path → Markdown of every page of the reference."""
    found = {"reference/index.md": _overview()}
    for module in public_modules():
        body = _landscapes(module) if module.__name__ == "steepest.landscapes" else _members(module)
        found[place_of(module.__name__)] = f"# {module.__name__}\n\n{_introduction(module)}\n\n{body}"
    return found


def _introduction(module: ModuleType) -> str:
    if module is steepest:
        return (
            "What `import steepest as sd` gives besides its modules. Everything is in float64 unless said otherwise; "
            "*params* are any pytree of arrays, and a landscape's are one vector of shape (n,)."
        )
    return inspect.getdoc(module) or ""


def _overview() -> str:
    """Every name with the first sentence of its docstring."""
    lines = [
        "# Reference",
        "",
        "Every public name, from its docstring. Each example in them runs in the test suite.",
        "",
    ]
    for module in public_modules():
        place = place_of(module.__name__).removeprefix("reference/")
        lines += [f"## [`{module.__name__}`]({place})", "", "| name | what it is |", "| --- | --- |"]
        for name in _names_of(module):
            lines.append(f"| [`{name.public.rpartition('.')[2]}`]({place}#{name.public}) | {_sentence(name.value)} |")
        lines.append("")
    return "\n".join(lines)


def _sentence(value: Any) -> str:
    if isinstance(value, Objective):
        return f"A landscape with {'no' if not value.minimisers else len(value.minimisers)} known global minimisers."
    document = inspect.getdoc(value) or ""
    return " ".join(document.partition("\n\n")[0].split()).replace("``", "`").replace("|", r"\|")


def _members(module: ModuleType) -> str:
    return "\n".join(_entry(name) for name in _names_of(module))


def _entry(name: Name) -> str:
    """The docstring of a name, to be found by its public path."""
    alias = "" if name.home == name.public else f"[](){{ #{name.public} }}\n\n"
    heading = name.short if name.module == TITLE else name.public.removeprefix("steepest.")
    short = name.public.rpartition(".")[2]
    return f"{alias}::: {name.home}\n    options:\n      heading: {heading}\n      toc_label: {short}\n"


def _landscapes(module: ModuleType) -> str:
    """Landscapes are values and have no docstrings: each says what is known of it."""
    parts = []
    for name in _names_of(module):
        if not isinstance(name.value, Objective):
            parts.append(_entry(name))
            continue
        each = name.value
        facts = {
            "start": "" if each.start is None else f"({', '.join(f'{number:g}' for number in each.start)})",
            "window": " × ".join(f"[{low:g}, {high:g}]" for low, high in each.window or ()),
            "global minimisers": _points(each),
            "minimum": "" if each.minimum is None else f"{each.minimum:.10g}",
            "curvature": _curvature(each),
            "dimensions": "any, by `in_dimensions(n)`" if each.in_dimensions else "",
            "source": each.source,
        }
        rows = "\n".join(f"| {key} | {value} |" for key, value in facts.items() if value)
        parts.append(
            f"## {name.short} {{ #{name.public} data-toc-label='{each.name}' }}\n\n$$\n{each.formula}\n$$\n\n"
            f"| | |\n| --- | --- |\n{rows}\n"
        )
    return "\n".join(parts)


def _points(objective: Objective) -> str:
    points = [f"({', '.join(f'{number:.6g}' for number in point)})" for point in objective.minimisers]
    return ", ".join(points) if len(points) <= 4 else f"{', '.join(points[:4])} and {len(points) - 4} more"


def _curvature(objective: Objective) -> str:
    if objective.smoothness is None:
        return "" if objective.smooth else "not smooth"
    words = f"at most L = {objective.smoothness:g}"
    return words if objective.strong_convexity is None else f"{words}, at least μ = {objective.strong_convexity:g}"
