"""``python -m documentation.screens``: the README's pictures of the lab and of the site, taken in a headless Chromium.

They are kept, because a README is read where nothing is built. Take them anew when either looks different.
"""

from __future__ import annotations

import io
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from documentation.running import ROOT
from steepest.lab.server import application
from steepest.lab.serving import listening

ASSETS = ROOT / "docs" / "assets"
_STATE = "problem=himmelblau&starts=-1,-1;0,0;1,1;-3,0.5&method=heavy%20ball&momentum=0.6&learning_rate=0.005&steps=300"
_WIDTH, _HEIGHT, _SHOWN = 1360, 860, 1000


@contextmanager
def lab() -> Iterator[str]:
    """The address of a lab that runs as long as the context."""
    taken = listening(0)
    server = uvicorn.Server(uvicorn.Config(application(), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        taken.close()


def main() -> int:
    """Takes both pictures; the site must have been built."""
    front = ROOT / "site" / "gallery.html"
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not front.exists():
        print("needs a Chromium and the site: make docs", file=sys.stderr)
        return 1
    with lab() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.goto(f"{address}?{_STATE}")
        page.wait_for_selector("body[data-answers]")
        page.wait_for_timeout(500)
        _write(page.screenshot(), ASSETS / "lab.webp")
        page.goto(front.as_uri())
        page.wait_for_timeout(1000)
        _write(page.screenshot(), ASSETS / "site.webp")
        browser.close()
    return 0


def _write(png: bytes, path: Path) -> None:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((_SHOWN, _SHOWN))
    image.save(path, quality=82, method=6)


if __name__ == "__main__":
    sys.exit(main())
