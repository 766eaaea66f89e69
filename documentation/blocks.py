"""Blocks of Python in Markdown: found, run, and what they show.

The ``python`` blocks of a file are one program, run from top to bottom. What stands behind ``python`` on the line that
opens a block says what is done with it:

* ``python``: run.
* ``python show What the picture is``: run, and what it prints and the value of its last line are put beneath it; the
  rest of the line is the caption of a picture and what is read out in its place.
* ``python no-run``: not run, as it needs what a build does not have; it must be valid Python all the same.
* ``console show``: its lines that begin with ``$ steepest`` are run, in the folder of the file's other blocks, and what
  they print is put beneath.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# After the first failure the rest of an example fails for lack of its names.
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST
PICTURES = {".gif": "gif", ".png": "png", ".webp": "webp"}


class Block(NamedTuple):
    """A block of Python in a Markdown file.

    Attributes:
        line: the line its code begins on, counted from 1.
        code: the code.
        runs: whether it is run.
        shows: whether what it prints and returns is put beneath it.
        caption: of the picture that it shows.
        language: ``python``, or ``console`` for commands.
    """

    line: int
    code: str
    runs: bool = True
    shows: bool = False
    caption: str = ""
    language: str = "python"


class Output(NamedTuple):
    """What a block shows: words, HTML, or a picture as the bytes of a file of that kind."""

    kind: str
    content: str | bytes


def blocks_of(text: str) -> list[Block]:
    """The blocks of a Markdown text that are marked as Python, in their order."""
    found: list[Block] = []
    words: list[str] = []
    fence, opened = "", 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        mark = re.match(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if mark is None:
            continue
        if not fence:
            fence, opened, words = mark[1], number, mark[2].split()
        elif mark[1].startswith(fence) and not mark[2].strip():
            shows = words[1:2] == ["show"]
            if words and (words[0] in ("python", "py", "pycon") or (words[0] == "console" and shows)):
                code = "\n".join(lines[opened : number - 1]) + "\n"
                language = "console" if words[0] == "console" else "python"
                caption = " ".join(words[2:]) if shows else ""
                found.append(Block(opened + 1, code, "no-run" not in words, shows, caption, language))
            fence = ""
    assert not fence, f"the block that opens on line {opened} is never closed"
    return found


def run_block(block: Block, names: dict[str, Any], file: str) -> list[Output]:
    """Runs a block as a program, or as examples with their output where it has prompts, and returns what it shows."""
    if block.language == "console":
        return _run_commands(block, file)
    if ">>> " in block.code:
        _run_examples(block, names, file)
        return []
    if not block.shows:
        exec(compiled(block, file), names)
        return []
    return _run_shown(block, names, file)


def compiled(block: Block, file: str) -> Any:
    """The code of a block, with the line numbers of the file it stands in."""
    return compile(_placed(block), file, "exec")


def run_text(text: str, file: str) -> list[list[Output]]:
    """Runs all blocks of a Markdown text and returns what each of them shows, in the order of :func:`blocks_of`."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [run_block(block, names, file) if block.runs else [] for block in blocks_of(text)]


def _placed(block: Block) -> str:
    return "\n" * (block.line - 1) + block.code


def _run_examples(block: Block, names: dict[str, Any], file: str) -> None:
    example = doctest.DocTestParser().get_doctest(block.code, names, file, file, block.line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    runner.run(example, out=report.append, clear_globs=False)
    names.update(example.globs)
    if runner.failures:
        raise AssertionError("".join(report))


def _run_shown(block: Block, names: dict[str, Any], file: str) -> list[Output]:
    """Runs all but a last line that is an expression, then that, and returns what was printed and its value."""
    tree = ast.parse(_placed(block), file)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, file, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), file, "eval"), names)
    words = [Output("text", printed.getvalue().rstrip())] if printed.getvalue().strip() else []
    shown = [*words, *_displayed(value)]
    assert shown, f"{file}:{block.line}: the block is marked 'show', and neither prints anything nor ends in a value"
    return shown


def _run_commands(block: Block, file: str) -> list[Output]:
    """Runs the commands of a block in processes of their own and returns what they print, in black and white."""
    printed = []
    for line in block.code.splitlines():
        name, *arguments = shlex.split(line.removeprefix("$ "), comments=True)
        is_call = line.startswith("$ ") and name == "steepest"
        assert is_call, f"{file}:{block.line}: {line!r} is no call of steepest"
        environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
        command = [sys.executable, "-m", "steepest", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{file}:{block.line}: {line!r} failed: {done.stderr}"
        printed.append(done.stdout.rstrip())
    return [Output("text", "\n\n".join(printed))]


def _displayed(value: Any) -> Iterator[Output]:
    """A value as a notebook would show it."""
    from matplotlib.figure import Figure

    if value is None:
        return
    if isinstance(value, tuple) and all(isinstance(each, Figure) for each in value):
        for each in value:
            yield from _displayed(each)
    elif isinstance(value, Figure):
        yield Output("webp", picture(value))
    elif isinstance(value, Path) and value.suffix in PICTURES:
        yield Output(PICTURES[value.suffix], value.read_bytes())
    elif hasattr(value, "_repr_html_"):
        yield Output("html", value._repr_html_())
    else:
        yield Output("text", str(value) if isinstance(value, str) else repr(value))


def picture(figure: Any) -> bytes:
    """A figure as the bytes of a WebP file without loss, in the look of ``steepest.figures``."""
    from steepest.figures.style import style

    written = io.BytesIO()
    with style():
        figure.savefig(written, format="webp", dpi=100, pil_kwargs={"lossless": True, "method": 4})
    return written.getvalue()
