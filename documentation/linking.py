"""Names of code in running text become links: to the reference, and to the tests that check a formula."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from mkdocs.utils import get_relative_url

from documentation import cited_tests, reference

# Not within links, headings and blocks of code.
_LEFT_ALONE = re.compile(
    r"(<a\b.*?</a>|<h[1-6]\b.*?</h[1-6]>|<pre\b.*?</pre>|<table class=\"highlighttable.*?</table>)", re.DOTALL
)
_CODE = re.compile(r"<code>([^<>]+)</code>")


class Linker:
    """Knows where each name is.

    Args:
        addresses: path of a made page → its address within the site.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._places: dict[str, str] = {}
        for name in reference.public_names():
            address = addresses.get(reference.place_of(name.module))
            if address is not None:
                self._remember(name, f"{address}#{name.public}")
        for module in reference.public_modules()[1:]:
            address = addresses.get(reference.place_of(module.__name__))
            if address is not None:
                short = module.__name__.removeprefix("steepest.")
                self._places |= {f"sd.{short}": address, module.__name__: address}
        tests = addresses.get(cited_tests.PLACE)
        if tests is not None:
            self._tests = tests

    def _remember(self, name: reference.Name, address: str) -> None:
        self._places |= {name.public: address, f"sd.{name.short}": address}
        if "." in name.short or not name.short.islower():
            self._places[name.short] = address
        if name.short in ("descend", "diagnose", "open_runs", "check_gradient"):
            self._places[name.short] = address

    def linked(self, text: str, url: str) -> str:
        """The HTML of a page with its code spans linked, as seen from its own address."""
        parts = _LEFT_ALONE.split(text)
        return "".join(
            part if number % 2 else _CODE.sub(lambda found: self._link(found, url), part)
            for number, part in enumerate(parts)
        )

    def _link(self, found: re.Match[str], url: str) -> str:
        code = html.unescape(found[1])
        address = self._places.get(code.partition("(")[0])
        if cited_tests.CITED.fullmatch(code):
            address = f"{self._tests}#{cited_tests.anchor(code)}"
        if address is None:
            return found[0]
        path, _, place = address.partition("#")
        return f'<a href="{get_relative_url(path, url)}{f"#{place}" if place else ""}">{found[0]}</a>'
