"""All Markdown files of the site run, two at a time, each in a process and an empty folder of its own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from documentation.blocks import Output, blocks_of, run_text

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "documentation"
PROCESSES = 2


def run_texts(texts: Mapping[str, str], *, reuse: bool = False) -> dict[str, list[list[Output]]]:
    """What the blocks of each text show, by the name of its file.

    Args:
        texts: name of the file → Markdown.
        reuse: take what an earlier call found for the same text, while nothing in ``src`` has changed.

    Raises:
        RuntimeError: a block failed; the message names the file and ends in the error.
    """
    found: dict[str, list[list[Output]]] = {}
    waiting = []
    for file, text in texts.items():
        kept = KEPT / key(file, text)
        if reuse and kept.exists():
            found[file] = pickle.loads(kept.read_bytes())
        elif any(block.runs for block in blocks_of(text)):
            waiting.append(file)
        else:
            found[file] = [[] for _ in blocks_of(text)]
    # The longest first, so that no process is left with it at the end.
    waiting.sort(key=lambda file: len(blocks_of(texts[file])), reverse=True)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        results = {file: pool.submit(_run, texts[file], file) for file in waiting}
        for file, result in results.items():
            try:
                found[file] = result.result()
            except BaseException as error:
                pool.shutdown(cancel_futures=True)
                raise RuntimeError(f"{file}: a block failed with {type(error).__name__}: {error}") from error
            KEPT.mkdir(parents=True, exist_ok=True)
            (KEPT / key(file, texts[file])).write_bytes(pickle.dumps(found[file]))
    return found


def _run(text: str, file: str) -> list[list[Output]]:
    os.environ["MPLBACKEND"] = "Agg"
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # what is not shown is not wanted
                return run_text(text, file)
        finally:
            os.chdir(before)
            import jax

            jax.clear_caches()  # type: ignore[no-untyped-call]


def key(file: str, text: str) -> str:
    """A name for what a text shows, another when the text or the source of steepest changes."""
    return hashlib.sha256(f"{source_hash()}\0{file}\0{text}".encode()).hexdigest()[:32]


@cache
def source_hash() -> str:
    """Of everything that decides what a block shows, but for the libraries."""
    files = sorted([*(ROOT / "src").rglob("*.py"), Path(__file__).with_name("blocks.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
