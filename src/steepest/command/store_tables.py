"""What a terminal shows of stores: the specification, the progress and the verdicts of one, a row each of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from steepest.command.terminal import plain_table, show_pairs
from steepest.scale.reading import Progress

_LONGEST = 64
_HIDDEN = ("axes", "versions", "record", "every", "average", "path")


def show_store(progress: Progress, console: Console) -> None:
    """Print what one store holds."""
    console.print(f"{progress.path}: {_done(progress)}", style="bold")
    asked = {name: _words(value) for name, value in progress.specification.items() if name not in _HIDDEN}
    versions = progress.specification.get("versions", {})
    rows = {name: words for name, words in asked.items() if words} | {
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items())
    }
    show_pairs(rows, console)
    if progress.verdicts:
        console.print()
        table = plain_table("runs", "ending")
        for ending, count in progress.verdicts.items():
            table.add_row(f"{count:,}", ending)
        console.print(table)


def show_stores(found: Sequence[Progress], console: Console) -> None:
    """Print a row a store."""
    table = plain_table("store", "objective", "method", "runs", "finished")
    for one in found:
        asked = one.specification
        table.add_row(
            one.path.name, _words(asked.get("objective")), _words(asked.get("method")), f"{one.runs:,}", _done(one)
        )
    console.print(table)


def _done(progress: Progress) -> str:
    return f"{progress.finished} of {progress.tasks} tasks ({progress.finished / max(1, progress.tasks):.0%})"


def _words(value: Any) -> str:
    """A described value in few words: the name where it has one, the labels of an axis."""
    if isinstance(value, Mapping):
        if "axis" in value:
            return f"axis of {_words(value['axis'])}"
        _, inside = next(iter(value.items()), ("", None))
        if isinstance(inside, Mapping) and "name" in inside:
            return str(inside["name"])
        given = {name: item for name, item in value.items() if item not in (None, "default")}
        return ", ".join(f"{name} {_words(item)}" for name, item in given.items())
    if isinstance(value, list):
        shown = ", ".join(map(str, value))
    else:
        shown = "" if value is None else str(value).partition(", hash ")[0]
    shown = shown.rpartition(".")[2] if shown.startswith("optax.") else shown
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} …"
