"""What ``steepest diagnose`` is asked about: a landscape, a definition in a file, or the risk of a model on a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steepest.command.references import find_objective, refers_to_file
from steepest.datasets import SUFFIXES


def find_subject(
    text: str,
    target: str | None,
    model: str | None,
    widths: tuple[int, ...] | None,
    raw: bool,
    ignore: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> Any:
    """The objective that ``text`` names; of a table, what ``steepest fit`` would train.

    Args:
        text: a landscape, ``FILE.py:NAME``, or the path of a table.
        target: the column to predict, for a table.
        model: the model, for a table.
        widths: of the hidden layers of an mlp.
        raw: whether the table's numbers are taken as they are.
        ignore: columns of the table to leave out.
        keep: columns of the table to use, whatever they look like.

    Raises:
        ValueError: a table without a target, or options of a table with something else; else as
            :func:`steepest.command.references.find_objective` and :func:`steepest.fit.table_risk`.

    >>> find_subject("bowl", None, None, None, False).name
    'bowl'
    """
    if refers_to_file(text) or Path(text).suffix not in SUFFIXES:
        given: dict[str, Any] = {"--target": target, "--model": model, "--hidden": widths, "--raw": raw or None}
        given |= {"--ignore": ignore or None, "--keep": keep or None}
        unused = [name for name, value in given.items() if value is not None]
        if unused:
            raise ValueError(f"{unused[0]} is for a table, a .csv or .parquet file, and {text!r} is not one")
        return find_objective(text)
    if target is None:
        raise ValueError(f"--target is missing: name the column of {text} to predict")
    from steepest.fit import table_risk

    return table_risk(
        text, target, model=model, hidden_layer_sizes=widths or (64,), standardise=not raw, ignore=ignore, keep=keep
    )
