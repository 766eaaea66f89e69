"""Tests that pages cite, ``tests/test_limits.py::test_…``, as a page of the site that shows their source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from documentation.running import ROOT

PLACE = "theory/tests.md"
CITED = re.compile(r"tests/(test_\w+)\.py::(test_\w+)")


def cited(texts: Iterable[str]) -> list[str]:
    """Every test that is cited, each once, in order."""
    return sorted({found[0] for text in texts for found in CITED.finditer(text)})


def anchor(test: str) -> str:
    """Where a test stands on the page.

    >>> anchor("tests/test_limits.py::test_the_limit")
    'test_limits-test_the_limit'
    """
    return CITED.sub(r"\1-\2", test)


def source(test: str) -> str:
    """The text of a test, with its decorators.

    Raises:
        LookupError: there is no such test.
    """
    found = CITED.fullmatch(test)
    path = ROOT / "tests" / f"{found[1]}.py" if found else None
    if found is None or path is None or not path.exists():
        raise LookupError(f"{test} is cited, and there is no such file")
    text = path.read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == found[2]:
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    raise LookupError(f"{test} is cited, and there is no such test in the file")


def pages(texts: Mapping[str, str]) -> dict[str, str]:
    """Path → Markdown of the page of all tests that the texts cite."""
    lines = [
        "# The tests behind the formulas",
        "",
        "The source of each test that the theory pages name, as it runs in the suite.",
        "",
    ]
    for test in cited(texts.values()):
        words = test.partition("::")[2].removeprefix("test_").replace("_", " ")
        lines += [f"## {words} {{ #{anchor(test)} }}", "", f"`{test}`", "", "``` { .python }", source(test), "```", ""]
    return {PLACE: "\n".join(lines)}
