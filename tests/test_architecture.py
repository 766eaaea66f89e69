"""The house as docs/architecture.md describes it: who may import whom, and how long things may be.

The order of rooms is read from the table of that document and from nowhere else. Imports count wherever they stand: at
the top, inside a function, for type checkers only. ``import steepest as sd`` counts as an import of what is used of it.
Each check is first tried on a small made-up package that breaks it.
"""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import steepest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "steepest"
DOCUMENT = ROOT / "docs" / "architecture.md"

LONGEST_FILE = 300
LONGEST_FUNCTION = 50

EXCUSED: dict[str, str] = {}
"""What may be longer, as "room.py" or "room.py:function", and why."""


# What the document says


def rows_of(document: str) -> dict[str, int]:
    """Each file, and each folder with a slash at its end, with the number of its row in the table of rooms."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in document.splitlines() if line.startswith("|")]
    starts = [number for number, row in enumerate(cells) if row[:2] == ["concept", "where"]]
    assert len(starts) == 1, f"docs/architecture.md needs one table that begins | concept | where |, has {len(starts)}"
    rooms = [re.findall(r"`([\w/]+(?:\.py|/))`", row[1]) for row in cells[starts[0] + 2 :] if len(row) == 3]
    return {room: number for number, row in enumerate(rooms) for room in row}


def row_of(file: str, rows: Mapping[str, int]) -> int | None:
    """The row a file belongs to: its own, else that of the nearest folder around it, else None.

    The ``__init__.py`` of a folder whose files have rows of their own belongs to the last of them: it imports them.
    """
    around = [f"{folder.as_posix()}/" for folder in Path(file).parents if folder != Path()]
    own = next((rows[room] for room in [file, *around] if room in rows), None)
    if own is not None or not file.endswith("/__init__.py"):
        return own
    inside = file.removesuffix("__init__.py")
    return max((row for room, row in rows.items() if room.startswith(inside)), default=None)


# What the code does


def files_of(source: Path) -> list[str]:
    """The package's files; its own ``__init__.py`` has only the lazy table and belongs to no room."""
    found = (path.relative_to(source).as_posix() for path in source.rglob("*.py"))
    return sorted(file for file in found if file != "__init__.py")


def file_of(names: list[str], source: Path, homes: Mapping[str, str]) -> str | None:
    """The file that ``steepest.<names>`` lives in; None for what is neither a module nor in the lazy table."""
    if names and names[0] in homes:
        names = homes[names[0]].split(".")[1:] + names[1:]
    for length in range(len(names), 0, -1):
        module = "/".join(names[:length])
        for file in (f"{module}.py", f"{module}/__init__.py"):
            if (source / file).is_file():
                return file
    return None


def imports_of(file: str, source: Path, homes: Mapping[str, str]) -> list[tuple[int, str]]:
    """The files of the package that a file imports, each with the lines it does so on."""
    nodes = list(ast.walk(ast.parse((source / file).read_text())))
    found = ((line, file_of(names, source, homes)) for line, names in [*_statements(nodes, file), *_uses(nodes)])
    return sorted({(line, imported) for line, imported in found if imported is not None})


def _statements(nodes: list[ast.AST], file: str) -> Iterator[tuple[int, list[str]]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                package, *names = alias.name.split(".")
                if package == "steepest":
                    yield node.lineno, names
        elif isinstance(node, ast.ImportFrom):
            # The folder that one dot stands for is the first parent of the file, and so on upwards.
            folder = ["steepest", *Path(file).parent.parts]
            base = folder[: len(folder) - node.level + 1] if node.level else []
            package, *names = [*base, *(node.module.split(".") if node.module else [])]
            if package == "steepest":
                yield from ((node.lineno, [*names, alias.name]) for alias in node.names)


def _uses(nodes: list[ast.AST]) -> Iterator[tuple[int, list[str]]]:
    """Every ``sd.name.name`` where ``sd`` is what the package was imported as."""
    aliases = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    called = {alias.asname or "steepest" for alias in aliases if alias.name == "steepest"}
    for node in nodes:
        names: list[str] = []
        value = node
        while isinstance(value, ast.Attribute):
            names.insert(0, value.attr)
            value = value.value
        if isinstance(node, ast.Attribute) and isinstance(value, ast.Name) and value.id in called:
            yield node.lineno, names


def lengths_of(file: str, source: Path) -> Iterator[tuple[str, int, int]]:
    """A file and its functions: name, lines (without the docstring where it is a function), lines allowed."""
    text = (source / file).read_text()
    yield file, len(text.splitlines()), LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                docstring = node.body[0]
                assert docstring.end_lineno is not None
                lines -= docstring.end_lineno - docstring.lineno + 1
            yield f"{file}:{node.name}", lines, LONGEST_FUNCTION


# Where the two differ


def homeless(source: Path, rows: Mapping[str, int]) -> list[str]:
    """Files without a row, and rows without a file."""
    missing = [f"{file} is in no row of the table" for file in files_of(source) if row_of(file, rows) is None]
    stale = [f"the table has {room}, which does not exist" for room in rows if not (source / room).exists()]
    return missing + stale


def upward(source: Path, rows: Mapping[str, int], homes: Mapping[str, str]) -> list[str]:
    """Imports of something from a row below one's own."""
    found = []
    for file in files_of(source):
        for line, imported in imports_of(file, source, homes):
            own, other = row_of(file, rows), row_of(imported, rows)
            if own is not None and other is not None and other > own:
                found.append(f"{file}:{line} imports {imported}, which stands below it in the table")
    return found


def circle(source: Path, homes: Mapping[str, str]) -> list[str]:
    """Files that import each other in a circle, the first once more at the end; empty where there is none."""
    graph = {file: {other for _, other in imports_of(file, source, homes)} for file in files_of(source)}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        files: list[str] = error.args[1]
        return files
    return []


def too_long(source: Path, excused: Mapping[str, str]) -> list[str]:
    """What is longer than allowed and not excused, and excuses that nothing needs."""
    measured = [entry for file in files_of(source) for entry in lengths_of(file, source)]
    over = {
        name: f"{name} has {lines} lines, {allowed} are allowed" for name, lines, allowed in measured if lines > allowed
    }
    needless = [f"{name} is excused and need not be" for name in excused if name not in over]
    return [sentence for name, sentence in over.items() if name not in excused] + needless


# The house as it stands

ROWS = rows_of(DOCUMENT.read_text())
HOMES = steepest._HOMES


def test_every_file_has_a_room_and_every_room_a_file() -> None:
    found = homeless(SOURCE, ROWS)
    assert not found, "\n".join(found)


def test_no_import_runs_up_the_order_of_rooms() -> None:
    found = upward(SOURCE, ROWS, HOMES)
    assert not found, "\n".join(found)


def test_no_imports_in_a_circle() -> None:
    files = circle(SOURCE, HOMES)
    assert not files, " imports ".join(files)


def test_nothing_is_too_long() -> None:
    found = too_long(SOURCE, EXCUSED)
    assert not found, "\n".join(found)


def test_the_walk_sees_the_package() -> None:
    """Guards the four tests above against passing because they looked at nothing."""
    assert {"objectives.py", "descent/door.py", "landscapes/__init__.py", "cli/__init__.py"} <= set(files_of(SOURCE))
    assert "precision.py" in {imported for _, imported in imports_of("objectives.py", SOURCE, HOMES)}
    assert ROWS["precision.py"] < ROWS["objectives.py"] < ROWS["descent/door.py"] < ROWS["cli/"]


# A made-up house that breaks each rule

MADE_UP = """
| name | what |
| --- | --- |
| `nowhere.py` | a table of something else |

| concept | where | what it is |
| --- | --- | --- |
| ground | `ground.py` | what all stand on |
| middle | `middle/inner.py` | a file of a folder with rows of its own |
| middle | `middle/outer.py` | another |
| pair | `pair.py`, `twin.py` | two files of one row |
| folder | `folder/` | one row for all its files |
| roof | `roof.py` | on top |
"""

HOUSE = {
    "__init__.py": "from steepest.roof import tile",
    "ground.py": "import json",
    "middle/__init__.py": "from steepest.middle.outer import thing",
    "middle/inner.py": "from steepest.ground import a, b",
    "middle/outer.py": "from steepest.middle.inner import a\nfrom steepest import ground",
    "pair.py": "from steepest.middle import thing",
    "twin.py": "from steepest.pair import thing",
    "folder/__init__.py": "from steepest.folder.part import a",
    "folder/part.py": "import steepest.middle.outer\nimport numpy.linalg",
    "roof.py": "import steepest as sd\ndef tile():\n    from steepest.folder import a\n    return sd.thing(sd.pair.x)",
}


Build = Callable[..., Path]


@pytest.fixture
def house(tmp_path: Path) -> Build:
    """The made-up house with some files changed: ``house(middle__inner="...")`` is ``middle/inner.py``."""

    def build(**changed: str) -> Path:
        for file, text in (HOUSE | {name.replace("__", "/") + ".py": text for name, text in changed.items()}).items():
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text(text)
        return tmp_path

    return build


MADE_UP_ROWS = rows_of(MADE_UP)
MADE_UP_HOMES = {"thing": "steepest.middle", "pair": "steepest.pair", "tile": "steepest.roof"}


def test_a_sound_house_passes(house: Build) -> None:
    source = house()
    assert homeless(source, MADE_UP_ROWS) == []
    assert upward(source, MADE_UP_ROWS, MADE_UP_HOMES) == []
    assert circle(source, MADE_UP_HOMES) == []
    assert too_long(source, {}) == []
    assert {imported for _, imported in imports_of("roof.py", source, MADE_UP_HOMES)} == {
        "folder/__init__.py",
        "middle/__init__.py",
        "pair.py",
    }


def test_rows_are_read_from_the_right_table() -> None:
    assert MADE_UP_ROWS == {
        "ground.py": 0,
        "middle/inner.py": 1,
        "middle/outer.py": 2,
        "pair.py": 3,
        "twin.py": 3,
        "folder/": 4,
        "roof.py": 5,
    }
    assert row_of("middle/__init__.py", MADE_UP_ROWS) == 2
    assert row_of("folder/part.py", MADE_UP_ROWS) == 4
    with pytest.raises(AssertionError, match="needs one table"):
        rows_of("| concept | what |\n| --- | --- |\n")


@pytest.mark.parametrize(
    "statement",
    [
        "from steepest.roof import tile",
        "from steepest import roof",
        "from steepest import tile",
        "import steepest.roof",
        "import steepest.roof as top",
        "import steepest as sd\nsd.tile()",
        "import steepest\nsteepest.roof.tile()",
        "def lazy():\n    from steepest.roof import tile",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from steepest.roof import tile",
        "from ..roof import tile",
        "from .. import roof",
    ],
)
def test_an_import_that_runs_up_is_found(house: Build, statement: str) -> None:
    (found,) = upward(house(folder__part=statement), MADE_UP_ROWS, MADE_UP_HOMES)
    assert re.fullmatch(r"folder/part\.py:\d imports roof\.py, which stands below it in the table", found)


def test_an_import_that_runs_up_within_a_folder_is_found(house: Build) -> None:
    found = upward(house(middle__inner="from .outer import a"), MADE_UP_ROWS, MADE_UP_HOMES)
    assert found == ["middle/inner.py:1 imports middle/outer.py, which stands below it in the table"]


def test_a_circle_within_a_row_is_found(house: Build) -> None:
    source = house(pair="from steepest.twin import b")
    assert upward(source, MADE_UP_ROWS, MADE_UP_HOMES) == []
    assert set(circle(source, MADE_UP_HOMES)) == {"pair.py", "twin.py"}


def test_a_file_without_a_row_and_a_row_without_a_file_are_found(house: Build) -> None:
    source = house(attic="")
    (source / "twin.py").unlink()
    assert homeless(source, MADE_UP_ROWS) == [
        "attic.py is in no row of the table",
        "the table has twin.py, which does not exist",
    ]


@pytest.mark.parametrize(("lines", "found"), [(300, []), (301, ["roof.py has 301 lines, 300 are allowed"])])
def test_a_long_file_is_found(house: Build, lines: int, found: list[str]) -> None:
    source = house(roof="x = 1\n" * lines)
    assert too_long(source, {}) == found
    assert too_long(source, {"roof.py": "a reason"}) == ([] if found else ["roof.py is excused and need not be"])


@pytest.mark.parametrize("indent", ["", "    "])
@pytest.mark.parametrize(("lines", "found"), [(50, []), (51, ["roof.py:tile has 51 lines, 50 are allowed"])])
def test_a_long_function_is_found_and_its_docstring_is_free(
    house: Build, indent: str, lines: int, found: list[str]
) -> None:
    docstring = ['    """Sentence.', *["    line"] * 30, '    """']
    function = ["def tile():", *docstring, *["    x = 1"] * (lines - 1)]
    around = ["class Roof:"] if indent else []
    source = house(roof="\n".join([*around, *(indent + line for line in function)]))
    assert too_long(source, {}) == found
    needless = [] if found else ["roof.py:tile is excused and need not be"]
    assert too_long(source, {"roof.py:tile": "a reason"}) == needless
