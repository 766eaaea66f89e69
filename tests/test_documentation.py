"""Every example in the documentation runs, in docstrings, README.md and docs/*.md, and every link leads to a file.

The ``python`` blocks of a Markdown file are one program, run from top to bottom in an empty folder. A block that opens
with ``python no-run`` needs what a test does not have (the reader's table, a cluster): it must be valid Python, is not
run, and is counted in the reason of a skipped test.
"""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in (SOURCE / "steepest").rglob("*.py")
    if path.name != "__main__.py"  # importing it runs the command
)
# After the first failure the rest of a docstring fails for lack of its names.
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST


# What has examples of libraries that are not dependencies.
OPTIONAL = {
    "steepest.torch": ("torch",),
    "steepest.modules": ("equinox", "flax"),
    "docs/torch.md": ("torch", "equinox", "flax"),
}


def needs(name: str) -> None:
    """Skip what cannot run without an optional library that is not installed."""
    for part, libraries in OPTIONAL.items():
        if name == part or name.startswith(f"{part}."):
            for library in libraries:
                pytest.importorskip(library)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


# Docstrings


def run_docstrings(module: ModuleType) -> int:
    """Runs the examples of a module and says how many there were.

    Raises:
        AssertionError: one of them does something else than the docstring says.
    """
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(example, out=report.append)
    if runner.failures:
        raise AssertionError("".join(report))
    return runner.tries


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    needs(name)
    run_docstrings(importlib.import_module(name))


def test_a_wrong_docstring_is_found() -> None:
    module = ModuleType("made_up", "A right example and a wrong one.\n\n>>> 1 + 1\n2\n")
    assert run_docstrings(module) == 1
    module.__doc__ = ">>> 1 + 1\n3\n"
    with pytest.raises(AssertionError, match="Expected:\n    3\nGot:\n    2"):
        run_docstrings(module)


def test_examples_are_found_in_functions() -> None:
    """Guards against a finder that sees only the docstring of the module."""
    assert run_docstrings(importlib.import_module("steepest.errors")) >= 1
    assert run_docstrings(importlib.import_module("steepest")) >= 5


# Markdown


class Block(NamedTuple):
    """A block of Python in a Markdown file: the line its code begins on, the code, and whether it is run."""

    line: int
    code: str
    runs: bool


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
            if words and words[0] in ("python", "py", "pycon"):
                found.append(Block(opened + 1, "\n".join(lines[opened : number - 1]) + "\n", "no-run" not in words))
            fence = ""
    assert not fence, f"the block that opens on line {opened} is never closed"
    return found


def run_block(block: Block, names: dict[str, Any], file: str) -> None:
    """Runs a block as a program, or as examples with their output where it has prompts."""
    if ">>> " in block.code:
        example = doctest.DocTestParser().get_doctest(block.code, names, file, file, block.line - 1)
        report: list[str] = []
        runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
        runner.run(example, out=report.append, clear_globs=False)
        names.update(example.globs)
        if runner.failures:
            raise AssertionError("".join(report))
    else:
        exec(compiled(block, file), names)


def compiled(block: Block, file: str) -> Any:
    """The code of a block, with the line numbers of the file it stands in."""
    return compile("\n" * (block.line - 1) + block.code, file, "exec")


MARKDOWN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = {path.relative_to(ROOT).as_posix(): blocks_of(path.read_text()) for path in MARKDOWN}


@pytest.mark.parametrize("file", [file for file, blocks in BLOCKS.items() if any(block.runs for block in blocks)])
def test_python_in_markdown(file: str) -> None:
    needs(file)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in BLOCKS[file]:
        if block.runs:
            run_block(block, names, file)


def test_python_in_markdown_that_is_not_run() -> None:
    left_out = [(file, block) for file, blocks in BLOCKS.items() for block in blocks if not block.runs]
    for file, block in left_out:
        compiled(block, file)
    if left_out:
        places = ", ".join(f"{file}:{block.line}" for file, block in left_out)
        pytest.skip(f"{len(left_out)} marked no-run: {places}")


def broken_links(text: str, folder: Path) -> list[str]:
    """The relative links and pictures of a Markdown text that lead to no file."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    relative = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    return [target for target in relative if not (folder / target).exists()]


@pytest.mark.parametrize("file", ["CONTRIBUTING.md", "CHANGELOG.md", *BLOCKS])
def test_links_lead_to_files(file: str) -> None:
    path = ROOT / file
    assert broken_links(path.read_text(), path.parent) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").touch()
    text = "[a](there.md#part), [b](#here), [c](https://example.org/x.md), ![d](gone.png)"
    assert broken_links(text, tmp_path) == ["gone.png"]


MADE_UP = """
# Title

```python
x = 2
```

    ```python
    indented = "a code block of its own, not ours"
    ```

```console
$ steepest --help
```

````markdown
```python
raise ValueError("a block within a block is text")
```
````

~~~python
>>> x + 1
3
>>> y = x * 2
~~~

```python no-run
x = read(table)
```

```python
assert y == 4
```
"""


def test_blocks_are_found_with_their_lines() -> None:
    assert [(block.line, block.runs) for block in blocks_of(MADE_UP)] == [
        (5, True),
        (23, True),
        (29, False),
        (33, True),
    ]
    with pytest.raises(AssertionError, match="line 2 is never closed"):
        blocks_of("text\n```python\nx = 1\n")


def test_blocks_share_their_names_and_wrong_ones_fail() -> None:
    names: dict[str, Any] = {}
    for block in blocks_of(MADE_UP):
        if block.runs:
            run_block(block, names, "made_up.md")
    assert names["y"] == 4
    with pytest.raises(AssertionError, match=r"made_up\.md.*line 1"):
        run_block(Block(1, ">>> x\n3\n", runs=True), names, "made_up.md")
    with pytest.raises(SyntaxError, match=r"made_up\.md, line 7"):
        run_block(Block(7, "x =\n", runs=True), names, "made_up.md")
