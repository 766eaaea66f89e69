"""A formula in w1 and w2 that somebody typed: read by a grammar, never run as Python, made into a loss."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax.numpy as jnp

from steepest.errors import unknown_name
from steepest.objectives import Objective

LONGEST = 300
"""Characters of a formula at most."""

_MOST_PARTS = 200
_DEEPEST = 30
_NAMES = {"w1": 0, "w2": 1, "x": 0, "y": 1}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": jnp.sin, "cos": jnp.cos, "tan": jnp.tan, "exp": jnp.exp, "log": jnp.log, "sqrt": jnp.sqrt, "abs": jnp.abs,
    "tanh": jnp.tanh, "sinh": jnp.sinh, "cosh": jnp.cosh, "arctan": jnp.arctan,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: jnp.add, ast.Sub: jnp.subtract, ast.Mult: jnp.multiply, ast.Div: jnp.divide, ast.Pow: jnp.power,
}  # fmt: skip
_CHAINS = ((ast.Add, ast.Sub), (ast.Mult, ast.Div))


@lru_cache(maxsize=64)
def objective_of(text: str) -> Objective:
    """The loss that a formula stands for, of a vector (w1, w2).

    Numbers, ``w1`` and ``w2`` (or ``x`` and ``y``), ``+ - * / ^``, brackets, ``pi``, ``e`` and a dozen functions.

    Raises:
        ValueError: anything else, or too much of it, with what is allowed.

    >>> objective_of("w1^2 + 10 * w2^2")([1.0, 1.0])
    11.0
    >>> objective_of("__import__('os')")
    Traceback (most recent call last):
    ValueError: unknown function '__import__': Allowed: abs, arctan, cos, cosh, exp, log, sin, sinh, sqrt, tan, tanh
    """
    tree = _parsed(text)
    _check(tree)
    return Objective(lambda w: _value(tree, w), start=[1.5, 1.0], name=text, window=((-3.0, 3.0), (-3.0, 3.0)))


def as_python(text: str) -> str:
    """The same formula as an expression of ``jax.numpy`` in ``w``.

    >>> as_python("sin(w1)^2 + pi*y")
    'jnp.sin(w[0]) ** 2 + 3.141592653589793 * w[1]'
    """
    tree = _parsed(text)
    _check(tree)
    return ast.unparse(_Written().visit(tree))


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ValueError(f"the formula has {len(text)} characters; {LONGEST} are allowed")
    if not text.strip():
        raise ValueError("the formula is empty; write one in w1 and w2, such as w1^2 + 10*w2^2")
    try:
        return ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(_unreadable(text.strip(), error)) from None


def _unreadable(text: str, error: Exception) -> str:
    """What is wrong with a formula, at which of its characters."""
    place = getattr(error, "offset", None) or 0
    place -= text.replace("^", "**")[: max(0, place - 1)].count("**")  # a power is two characters in Python
    words = str(getattr(error, "msg", ""))
    if 0 < place <= len(text) and text[place - 1] in "()[]" and "never closed" in words:
        return f"the bracket at character {place} of the formula is never closed"
    if 0 < place <= len(text) and text[place - 1] in "()[]" and "unmatched" in words:
        return f"the bracket at character {place} of the formula closes none"
    where = f" near character {place}" if place > 0 else ""
    return f"the formula cannot be read{where}; write products as 2*w1 and powers as w1^2"


def size_of(text: str) -> int:
    """How many numbers, names and operations a formula has.

    >>> size_of("w1^2 + sin(w2)")
    6
    """
    return _check(_parsed(text))


def _check(tree: ast.expr) -> int:
    """Every part must be one that is allowed, and there must not be too many of them; how many there are."""
    waiting: list[tuple[ast.expr, int]] = [(tree, 1)]
    parts = 0
    while waiting:
        node, depth = waiting.pop()
        parts += 1
        if parts > _MOST_PARTS:
            raise ValueError(f"the formula has more than {_MOST_PARTS} numbers, names and operations; shorten it")
        if depth > _DEEPEST:
            raise ValueError(f"the formula is nested more than {_DEEPEST} deep; take brackets apart")
        waiting += [(part, depth if _is_chained(node, part) else depth + 1) for part in _parts(node)]
    return parts


def _is_chained(node: ast.expr, part: ast.expr) -> bool:
    """Whether a part belongs to the same sum, or the same product, and is nested in it by the way of reading alone."""
    match node, part:
        case ast.BinOp(op=op, left=left), ast.BinOp(op=inner) if part is left:
            return any(isinstance(op, chain) and isinstance(inner, chain) for chain in _CHAINS)
    return False


def _parts(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            _float(value)
            return []
        case ast.Name(id=name) if name in _NAMES or name in _CONSTANTS:
            return []
        case ast.Name(id=name):
            raise unknown_name("name", name, sorted({*_NAMES, *_CONSTANTS}))
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            return [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return [left, right]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            if name not in _FUNCTIONS:
                raise unknown_name("function", name, sorted(_FUNCTIONS))
            if len(arguments) != 1 or keywords or isinstance(arguments[0], ast.Starred):
                raise ValueError(f"{name} takes one argument, got {len(arguments) + len(keywords)}")
            return list(arguments)
    raise ValueError(
        f"{ast.unparse(node)[:40]!r} cannot stand in a formula; allowed are numbers, w1 and w2 (or x and y), "
        f"+ - * / ^, brackets, pi, e and {', '.join(sorted(_FUNCTIONS))}"
    )


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number of the formula is too large for a float, 1.8e308") from None


def _value(node: ast.expr, w: Any) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            return jnp.asarray(_float(value), w.dtype)
        case ast.Name(id=name):
            return w[_NAMES[name]] if name in _NAMES else jnp.asarray(_CONSTANTS[name], w.dtype)
        case ast.UnaryOp(op=op, operand=operand):
            return -_value(operand, w) if isinstance(op, ast.USub) else _value(operand, w)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(left, right, w)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, w), _value(right, w))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_value(argument, w))
    raise AssertionError(ast.dump(node))


def _power(base: ast.expr, exponent: ast.expr, w: Any) -> Any:
    """A whole number in the exponent is a product, so that a negative base has a power and a derivative."""
    whole = _whole(exponent)
    return _value(base, w) ** whole if whole is not None else jnp.power(_value(base, w), _value(exponent, w))


def _whole(exponent: ast.expr) -> int | None:
    number = _constant(exponent)
    return int(number) if number is not None and number == int(number) and abs(number) <= 64 else None


def _constant(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            number = _float(value)
            return number if math.isfinite(number) else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _constant(operand)
            return None if inner is None else -inner
    return None


class _Written(ast.NodeTransformer):
    """Names and functions as they are in a program, where JAX is to compute all that Python would compute otherwise."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """``w1`` is ``w[0]``."""
        return _read(f"w[{_NAMES[node.id]}]" if node.id in _NAMES else repr(_CONSTANTS[node.id]))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Whole numbers too are floats, as they are in the lab."""
        assert isinstance(node.value, int | float)
        return ast.Constant(_float(node.value))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """A power with a whole exponent stays one, so that a negative base has a derivative.

        Python raises where JAX has an infinity, and takes a root of a negative number for a complex one.
        """
        left, right = self.visit(node.left), self.visit(node.right)
        is_number = not any(isinstance(part, ast.Name) and part.id in _NAMES for part in ast.walk(node))
        plain = isinstance(node.op, ast.Div) and _constant(node.left) is not None and _constant(node.right)
        if is_number and isinstance(node.op, ast.Pow | ast.Div) and not plain:
            left = _jax("asarray", left)
        if not isinstance(node.op, ast.Pow):
            return ast.BinOp(left, node.op, right)
        whole = _whole(node.right)
        return _jax("power", left, right) if whole is None else ast.BinOp(left, node.op, _read(str(whole)))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """``sin`` is ``jnp.sin``."""
        assert isinstance(node.func, ast.Name)
        return _jax(node.func.id, *(self.visit(argument) for argument in node.args))


def _jax(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(ast.Name("jnp", ast.Load()), name, ast.Load()), list(arguments), [])


def _read(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
