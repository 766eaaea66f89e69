"""Formulas in LaTeX become MathML while the site is built: browsers draw it themselves, readers need no script."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves of $…$ and $$…$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_DISPLAY = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)
_NORM = re.compile(r"\\lVert\b(.*?)\\rVert\b", re.DOTALL)
_ARROWS = ("&#x027FA;", "&#x027F9;", "&#x021D2;", "&#x021D4;")


def drawn(page: str) -> str:
    r"""The HTML of a page with its formulas as MathML.

    >>> "<msub>" in drawn('<span class="arithmatex">\\(w_1\\)</span>')
    True
    """
    page = _DISPLAY.sub(lambda found: f'<div class="formula">{mathml(found[1], "block")}</div>', page)
    return _INLINE.sub(lambda found: mathml(found[1], "inline"), page)


def drawn_inline(shown: str) -> str:
    r"""What a notebook would show, with its ``\(…\)`` as MathML.

    >>> "<msub>" in drawn_inline(r"<td>\(w_1\)</td>")
    True
    """
    return re.sub(r"\\\((.*?)\\\)", lambda found: mathml(found[1], "inline"), shown)


def mathml(latex: str, display: str = "inline") -> str:
    r"""A formula as a ``<math>`` element; its LaTeX stays readable to programs as ``alttext``.

    >>> mathml(r"\lVert w \rVert^2").count('fence="true"')
    2
    """
    source = html.unescape(latex).strip()
    # A norm is one thing: by itself its closing bar alone would bear the exponent, and be drawn smaller for it.
    element = convert(_NORM.sub(r"{\\left\\lVert\1\\right\\rVert}", source), display=display)
    for arrow in _ARROWS:  # names of variables to latex2mathml, without room around them
        element = element.replace(f"<mi>{arrow}</mi>", f"<mo>{arrow}</mo>")
    return element.replace("<math ", f'<math alttext="{html.escape(source)}" ', 1)
