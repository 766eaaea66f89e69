"""What ``import steepest`` gives, what it costs, and that every public name says what it is."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import steepest

SOURCE = Path(__file__).parents[1] / "src" / "steepest"
HEAVY = (
    "jax",
    "jaxlib",
    "numpy",
    "optax",
    "pandas",
    "xarray",
    "zarr",
    "sklearn",
    "pyarrow",
    "matplotlib",
    "typer",
    "torch",
)


def documented_names() -> list[str]:
    """The list in the package's docstring."""
    assert steepest.__doc__ is not None
    return re.findall(r"^\* ``(\w+)``: .+\.$", steepest.__doc__, re.MULTILINE)


def test_the_public_names_are_the_documented_ones() -> None:
    documented = documented_names()
    assert sorted(documented) == steepest.__all__
    assert len(set(documented)) == len(documented)
    assert set(steepest._HOMES) == set(steepest.__all__)


def test_type_checkers_see_the_names_that_python_finds() -> None:
    """The imports under TYPE_CHECKING are a second list of the same names, each from the same home."""
    (block,) = (
        node
        for node in ast.parse((SOURCE / "__init__.py").read_text()).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name)
    )
    homes = {
        alias.name: f"steepest.{alias.name}" if node.module == "steepest" else node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert homes == steepest._HOMES


@pytest.mark.parametrize("name", steepest.__all__)
def test_a_public_name_is_found_and_says_what_it_is(name: str) -> None:
    value = getattr(steepest, name)
    assert getattr(steepest, name) is value
    assert name in dir(steepest)
    assert (value.__doc__ or "").strip()
    home = steepest._HOMES[name]
    assert value is (sys.modules[home] if home == f"steepest.{name}" else getattr(sys.modules[home], name))


def test_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from steepest import *", names)
    assert set(steepest.__all__) <= set(names)


def test_version_is_that_of_the_installed_package() -> None:
    assert steepest.__version__ == version("steepest")
    assert "__version__" in dir(steepest)


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"unknown name in steepest 'decend': did you mean 'descend'\?"):
        _ = steepest.decend  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="landscape"):
        exec("from steepest import landscape")
    assert not hasattr(steepest, "__wrapped__")


def test_import_is_light() -> None:
    """A fresh interpreter, since this one has imported everything already."""
    code = f"""
import sys
import steepest
dir(steepest), steepest.__all__, steepest.__version__
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
steepest.Objective
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = done.stdout.splitlines()
    assert before == ""
    assert "jax" in after.split()


# Docstrings, read from the source: the docstring that a class inherits is not one of its own.


def undocumented(text: str, file: str) -> Iterator[str]:
    """Public modules, classes, functions and methods of a source text that have no docstring."""
    tree = ast.parse(text)
    if not ast.get_docstring(tree):
        yield file
    yield from _undocumented_members(tree, file)


def _undocumented_members(parent: ast.Module | ast.ClassDef, name: str) -> Iterator[str]:
    for node in parent.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node) and not _is_overload(node):
                yield f"{name}:{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from _undocumented_members(node, f"{name}:{node.name}")


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)


def test_everything_public_has_a_docstring() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 20
    found = [name for path in files for name in undocumented(path.read_text(), str(path.relative_to(SOURCE)))]
    assert not found, "without a docstring: " + ", ".join(found)


def test_a_missing_docstring_is_found() -> None:
    text = '''
def documented():
    """It is."""

def bare(): ...

def _private(): ...

class Thing:
    """One."""

    def method(self): ...

    def __len__(self): ...
'''
    assert list(undocumented(text, "made_up.py")) == ["made_up.py", "made_up.py:bare", "made_up.py:Thing:method"]


@pytest.mark.parametrize("module", sorted({*steepest._HOMES.values()}))
def test_a_module_exports_what_it_has(module: str) -> None:
    """A name in ``__all__`` that is not there would fail only for who imports it with a star."""
    imported = importlib.import_module(module)
    missing = [name for name in getattr(imported, "__all__", []) if not hasattr(imported, name)]
    assert missing == []
