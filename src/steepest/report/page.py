"""What a page is made of, and the one HTML file that it becomes.

The file needs nothing but itself: styles, plots and the code that draws them are in it, and its content security policy
forbids every address, and every script but its two, which it knows by their SHA-256. Styles it has to allow, for plotly
makes some while it draws. Whatever comes from a user's table is escaped where it enters: by the template in HTML, by
:func:`as_script` within scripts, and by :func:`label` where plotly would read markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

_MOST_IN_LABEL = 60


@dataclass(frozen=True)
class Table:
    """Rows of words under headings; of ``number`` columns the words stand to the right."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plot:
    """A picture that answers to the pointer.

    Attributes:
        name: of its element, unique on the page.
        title: what it shows, in a sentence; it is read out where there is no picture.
        traces: of plotly, as plain dicts.
        layout: of plotly.
        table: the same in words.
    """

    name: str
    title: str
    traces: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    table: Table


@dataclass(frozen=True)
class Part:
    """A part of the page: a heading, sentences, tables and plots, in this order."""

    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    code: Sequence[str] = ()


@dataclass(frozen=True)
class Warned:
    """Something that is wrong, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: of the page.
        summary: what a reader must know, in a few sentences.
        facts: name → figure, the few that matter most.
        warnings: what is wrong.
        parts: everything else.
    """

    title: str
    summary: Sequence[str]
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[Warned]
    parts: Sequence[Part]


def check_installed() -> None:
    """Refuse before any work where what draws the page is missing.

    Raises:
        ModuleNotFoundError: how to install it.
    """
    missing = [name for name in ("plotly", "jinja2") if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(f"a report needs {' and '.join(missing)}: pip install 'steepest[report]'")


def as_html(page: Page) -> str:
    """The page as one HTML document.

    Raises:
        ModuleNotFoundError: plotly or jinja2 is not installed.
    """
    check_installed()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("steepest.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plots = [plot for part in page.parts for plot in part.plots]
    drawn = {plot.name: {"data": list(plot.traces), "layout": plot.layout} for plot in plots}
    return environment.get_template("page.html").render(
        page=page, drawn=as_script(drawn), library=_as_parsed(get_plotlyjs()) if plots else "", digest=digest
    )


def _as_parsed(script: str) -> str:
    """With the line ends that a browser makes of any others before it looks at the policy."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


def digest(script: str) -> str:
    """What a content security policy knows a script by: its SHA-256, in base64.

    >>> digest("")
    '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def as_script(value: Any) -> str:
    r"""A value as JSON that may stand in a script element: nothing in it can end the element.

    >>> as_script({"name": "</script><b>", "loss": float("nan")})
    '{"name": "\\u003c/script\\u003e\\u003cb\\u003e", "loss": null}'
    """
    text = json.dumps(_plain(value), ensure_ascii=True, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def label(text: Any) -> str:
    """Words of the user's for a plot, short, and safe from plotly's reading of markup.

    >>> label("<b>price</b>")
    '&lt;b&gt;price&lt;/b&gt;'
    """
    words = str(text)
    return html.escape(words if len(words) <= _MOST_IN_LABEL else words[: _MOST_IN_LABEL - 1] + "…")


def write(page: Page, path: str | Path) -> Path:
    """Write the page into a file; its folder is made if need be.

    Raises:
        OSError: the file cannot be written.
    """
    file = Path(path)
    text = as_html(page)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return file


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """What goes wrong where a report is written, as a sentence that names it.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OSError(f"the report {file} cannot be written: {error.strerror or error}") from error


def _plain(value: Any) -> Any:
    """Lists, dicts, words and finite numbers; a number that is not finite is nothing."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
