"""Every example in the documentation runs, in docstrings, README.md and docs/, and every link leads to a file.

``documentation/blocks.py``, which the site is built with too, says what a block of Python is and runs it. The blocks
of a file are one program, run from top to bottom in an empty folder. A block that opens with ``python no-run`` needs
what a test does not have (the reader's table, a cluster): it must be valid Python, is not run, and is counted in the
reason of a skipped test.
"""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import pytest
from documentation import cited_tests, notebooks, reference
from documentation.blocks import FLAGS, Block, blocks_of, compiled, run_block

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in (SOURCE / "steepest").rglob("*.py")
    if path.name != "__main__.py"  # importing it runs the command
)


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


MARKDOWN = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


# Pages of docs/ that only the build of the site makes.
MADE = {
    ROOT / "docs" / place
    for place in [*reference.pages(), *(f"notebooks/{name}.md" for name in notebooks.sources()), cited_tests.PLACE]
}


def broken_links(text: str, folder: Path) -> list[str]:
    """The relative links and pictures of a Markdown text that lead to no file and to no page that is made."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    relative = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    return [
        target for target in relative if not (folder / target).exists() and Path(normpath(folder / target)) not in MADE
    ]


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

```python show A number
print("printed")
y + 1
```
"""


def test_blocks_are_found_with_their_lines() -> None:
    assert [(block.line, block.runs) for block in blocks_of(MADE_UP)] == [
        (5, True),
        (23, True),
        (29, False),
        (33, True),
        (37, True),
    ]
    assert [(block.shows, block.caption) for block in blocks_of(MADE_UP)][-2:] == [(False, ""), (True, "A number")]
    with pytest.raises(AssertionError, match="line 2 is never closed"):
        blocks_of("text\n```python\nx = 1\n")


def test_no_block_of_a_page_is_indented() -> None:
    """Within a list or a note a fence is a block to Markdown, and none to what runs the blocks."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.md")]
    fence = re.compile(r"^ {1,}(`{3,}|~{3,}) *(python|console show)", re.MULTILINE)
    assert not [str(page) for page in pages if fence.search(page.read_text())]


def test_blocks_share_their_names_and_wrong_ones_fail() -> None:
    names: dict[str, Any] = {}
    shown = [run_block(block, names, "made_up.md") for block in blocks_of(MADE_UP) if block.runs]
    assert names["y"] == 4
    assert shown == [[], [], [], [("text", "printed"), ("text", "5")]]
    with pytest.raises(AssertionError, match=r"made_up\.md:4.*neither prints anything nor ends in a value"):
        run_block(Block(4, "x = 1\n", shows=True), names, "made_up.md")
    with pytest.raises(AssertionError, match=r"made_up\.md.*line 1"):
        run_block(Block(1, ">>> x\n3\n", runs=True), names, "made_up.md")
    with pytest.raises(SyntaxError, match=r"made_up\.md, line 7"):
        run_block(Block(7, "x =\n", runs=True), names, "made_up.md")
