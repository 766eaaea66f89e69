"""Links of a built site: each leads to a page and a place that are there, and nothing is loaded from another host."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, unlike the links that a reader follows.
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_LOADED_RELATIONS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "manifest", "modulepreload"}
_IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class _Page(HTMLParser):
    """The places of a page and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One opening tag."""
        given = {name: value or "" for name, value in attrs}
        self.places |= {
            given[name] for name in ("id", "name") if given.get(name) and not (name == "name" and tag != "a")
        }
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _LOADED and given.get(_LOADED[tag]):
            self.loaded.append(given[_LOADED[tag]])
        if given.get("srcset"):
            self.loaded += [part.split()[0] for part in given["srcset"].split(",") if part.split()]
        if tag == "link" and _LOADED_RELATIONS & set(given.get("rel", "").split()) and given.get("href"):
            self.loaded.append(given["href"])
        self.loaded += _IN_STYLES.findall(given.get("style", ""))


def dead_links(site: Path) -> list[str]:
    """Every link within the site that leads nowhere, or out of it to another file, as ``page: link``."""
    site = site.resolve()
    pages = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start at the root of a server
            continue
        own = [*page.links, *(each for each in page.loaded if not _is_foreign(each))]
        found += [f"{path.relative_to(site)}: {link}" for link in own if not _leads_somewhere(link, path, site, pages)]
    return found


def _leads_somewhere(link: str, path: Path, site: Path, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or link.startswith("data:"):
        return True
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    # A site that was built inside of its repository must not lean on what lies beside it.
    if not target.exists() or not target.is_relative_to(site):
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].places


def foreign(site: Path) -> list[str]:
    """Everything that a browser would fetch from another host by opening a page, as ``page: address``."""
    found = []
    for path in sorted(site.rglob("*.html")):
        page = _Page(path.read_text())
        found += [f"{path.relative_to(site)}: {each}" for each in page.loaded if _is_foreign(each)]
    for path in sorted(site.rglob("*.css")):
        found += [f"{path.relative_to(site)}: {each}" for each in _IN_STYLES.findall(path.read_text())]
    return found


def _is_foreign(address: str) -> bool:
    return bool(re.match(r"(?:https?:)?//", address))


def check(site: Path) -> int:
    """Say what is wrong with a built site, a line each, and return how much."""
    wrong = [f"dead link on {each}" for each in dead_links(site)]
    wrong += [f"loaded from another host on {each}" for each in foreign(site)]
    for each in wrong:
        print(each, file=sys.stderr)
    return len(wrong)
