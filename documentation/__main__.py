"""``python -m documentation [--out FOLDER] [--reuse] [--serve]``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from documentation import hooks, links
from documentation.running import ROOT


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m documentation",
        description="Build the site: every block of code is run, dead links are errors, no network is needed.",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "site", metavar="FOLDER", help="where to; by default site/")
    parser.add_argument("--reuse", action="store_true", help="do not run again what has not changed since it last ran")
    parser.add_argument(
        "--serve", action="store_true", help="build, show it at 127.0.0.1:8000, and build anew on changes"
    )
    return parser.parse_args()


def main() -> int:
    """Builds the site and returns how much is wrong with it."""
    given = arguments()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    os.environ.setdefault("DISABLE_MKDOCS_2_WARNING", "true")  # Material's advertisement for another tool
    if given.reuse or given.serve:
        os.environ[hooks.REUSE] = "1"
    if given.serve:
        from mkdocs.commands.serve import serve

        serve(str(ROOT / "mkdocs.yml"), dev_addr="127.0.0.1:8000")
        return 0
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(given.out.resolve()), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    try:
        build(config)
    except Abort as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        config.plugins.on_shutdown()
    wrong = links.check(given.out.resolve())
    if not wrong:
        print(f"The site is in {given.out}; open {given.out / 'index.html'}")
        print(f"With its search, which browsers allow servers only: python -m http.server --directory {given.out}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
