"""How values show themselves in a notebook: a table of escaped words, and drawings as inline SVG.

Text takes the colour of the notebook, light or dark; only drawings have colours of their own. Words with a ``<`` in
them, be it a name of the user's or a column of a table, are words.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_POINTS = 120  # of a curve, at most; more are not seen at this size
_LEFT = "text-align:left;vertical-align:top"


class Markup(str):
    """HTML made here, which is not to be escaped again."""

    __slots__ = ()


def card(title: str, rows: Iterable[tuple[str, Any]], below: str = "") -> str:
    """A table of names and values under a title.

    Args:
        title: above the table.
        rows: (name, value); a value is escaped unless it is :class:`Markup`.
        below: HTML under the table, within the same block.

    >>> "&lt;b&gt;" in card("a & b", [("name", "<b>")])
    True
    """
    head = f'<tr><th style="{_LEFT};white-space:nowrap">'
    body = "".join(
        f'{head}{html.escape(name)}</th><td style="{_LEFT}">{_cell(value)}</td></tr>' for name, value in rows
    )
    table = f"<table><tbody>{body}</tbody></table>" if body else ""
    return f'<div><div style="font-weight:bold">{html.escape(title)}</div>{table}{below}</div>'


def listing(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """A table with a heading: one line a row, its values escaped unless they are :class:`Markup`."""
    head = "".join(f'<th style="{_LEFT}">{html.escape(name)}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_LEFT}">{_cell(value)}</td>' for value in row) + "</tr>" for row in rows
    )
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def formula(latex: str) -> Markup:
    r"""A formula, which notebooks typeset.

    >>> formula("w_1 < w_2")
    '\\(w_1 &lt; w_2\\)'
    """
    return Markup(rf"\({html.escape(latex, quote=False)}\)")


def sparkline(values: ArrayLike, colour: str, width: int = 220, height: int = 40, words: str = "") -> Markup:
    """A curve as a small drawing; its scale is logarithmic where it is positive and spans more than a decade.

    Args:
        values: at equal distances, shape (n,); what is not finite is left out.
        colour: of the line.
        width: in pixels.
        height: in pixels.
        words: read out in place of the drawing.
    """
    curve = np.asarray(values, float)
    curve = curve[np.isfinite(curve)]
    if len(curve) < 2:
        return Markup("")
    curve = curve[np.unique(np.linspace(0, len(curve) - 1, _POINTS).astype(int))]
    if curve.min() > 0 and curve.max() > 10 * curve.min():
        curve = np.log(curve)
    span = float(curve.max() - curve.min())
    across = np.linspace(2, width - 2, len(curve))
    down = np.full(len(curve), height / 2) if not span else 2 + (height - 4) * (curve.max() - curve) / span
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    line = f'<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round" points="{points}"/>'
    return _drawing(line, width, height, words)


def bar(parts: Mapping[str, int], colours: Mapping[str, str], width: int = 320, height: int = 14) -> Markup:
    """How a number of things is divided, as one bar with its parts in words beneath it.

    Args:
        parts: name → how many, in order.
        colours: name → colour.
        width: in pixels.
        height: in pixels.
    """
    total, left, drawn = sum(parts.values()), 0.0, []
    for name, count in parts.items():
        share = width * count / total
        drawn.append(f'<rect x="{left:.1f}" width="{share:.1f}" height="{height}" fill="{colours[name]}"/>')
        left += share
    words = ", ".join(f"{count} {name}" for name, count in parts.items())
    legend = " &nbsp; ".join(f"{dot(colours[name])} {count} {html.escape(name)}" for name, count in parts.items())
    return Markup(f"{_drawing(''.join(drawn), width, height, words)}<div>{legend}</div>")


def dot(colour: str) -> Markup:
    """A mark of a colour, to stand before a word."""
    mark = f'<circle cx="6" cy="6" r="5" fill="{colour}" stroke="currentColor" stroke-opacity="0.5"/>'
    return _drawing(mark, 12, 12, "")


def _drawing(inside: str, width: int, height: int, words: str) -> Markup:
    role = f'role="img" aria-label="{html.escape(words)}"' if words else 'aria-hidden="true"'
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" {role} width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="vertical-align:middle">{inside}</svg>'
    )


def number(value: Any) -> str:
    """A number in six digits, anything else as it is written.

    >>> number(0.1), number(3), number(float("nan")), number("adam")
    ('0.1', '3', 'nan', 'adam')
    """
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value)


def vector(values: ArrayLike, most: int = 6) -> str:
    """Numbers in a row, the first of them where there are many.

    >>> vector([0.5, -0.0]), vector(range(9), most=3)
    ('(0.5, 0)', '(0, 1, 2, … 9 in all)')
    """
    flat = np.ravel(np.asarray(values, float)) + 0.0  # there is no minus zero to a reader
    shown = ", ".join(f"{entry:.6g}" for entry in flat[:most])
    return f"({shown})" if len(flat) <= most else f"({shown}, … {len(flat)} in all)"


def called(function: Any) -> str:
    """What a function is called: its name, else its class.

    >>> called(np.mean)
    'mean'
    """
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
    own = getattr(function, "name", None)
    return str(own if isinstance(own, str) and own else name or type(function).__name__)


def _cell(value: Any) -> str:
    return value if isinstance(value, Markup) else html.escape(str(value))
