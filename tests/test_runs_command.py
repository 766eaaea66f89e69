"""``steepest runs`` and ``--store``: what a store holds, told at the command line; and what commands keep."""

from __future__ import annotations

import os
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from steepest.cli import app
from steepest.command.cache import keep_compiled_programs

SWEEP = ("descend", "steep_bowl", "--learning-rate", "1e-3..0.2:40", "--steps", "50")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})


def test_a_store_is_begun_resumed_and_listed(tmp_path):
    store = str(tmp_path / "runs.zarr")
    first, again = invoke(*SWEEP, "--store", store), invoke(*SWEEP, "--store", store)
    assert first.exit_code == again.exit_code == 0, first.output
    assert first.output == again.output
    listed = invoke("runs", store)
    assert listed.exit_code == 0, listed.output
    assert "tasks (100%)" in listed.output
    assert "steep_bowl" in listed.output
    assert "50" in listed.output
    assert "the loss rose above its limit" in listed.output
    assert max(map(len, listed.output.splitlines())) <= max(80, len(store) + 40)


def test_another_sweep_in_the_same_store_is_refused(tmp_path):
    store = str(tmp_path / "runs.zarr")
    invoke(*SWEEP, "--store", store)
    refused = invoke(*SWEEP[:-1], "60", "--store", store)
    assert refused.exit_code == 2
    assert "steps is 50 in the store and 60 in this call" in refused.output


def test_runs_are_written_as_a_table(tmp_path):
    store, table = str(tmp_path / "runs.zarr"), tmp_path / "runs.parquet"
    invoke(*SWEEP, "--store", store)
    assert invoke("runs", store, "--table", str(table)).exit_code == 0
    written = pd.read_parquet(table)
    assert len(written) == 40 * 51
    assert {"learning_rate", "step", "loss", "verdict", "w[0]"} <= set(written.columns)
    refused = invoke("runs", store, "--table", str(table))
    assert refused.exit_code == 2
    assert "exists already" in refused.output


def test_a_folder_of_stores_has_a_row_each(tmp_path):
    for name in ("one", "two"):
        invoke(*SWEEP, "--store", str(tmp_path / f"{name}.zarr"))
    listed = invoke("runs", str(tmp_path))
    assert listed.exit_code == 0
    assert "one.zarr" in listed.output
    assert "two.zarr" in listed.output
    assert "name one of them" in invoke("runs", str(tmp_path), "--table", str(tmp_path / "t.csv")).output


def test_a_cluster_without_dask_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused = invoke(*SWEEP, "--cluster", "local")
    assert refused.exit_code == 2
    assert "pip install 'steepest[cluster]'" in refused.output


@pytest.mark.parametrize("path", ["nothing.zarr", "empty"])
def test_what_is_no_store_is_said_in_a_sentence(path, tmp_path):
    (tmp_path / "empty").mkdir()
    refused = invoke("runs", str(tmp_path / path))
    assert refused.exit_code == 2
    assert "store" in refused.output


def test_compiled_programs_are_kept_unless_the_user_says_where(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("JAX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "elsewhere"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    keep_compiled_programs()
    kept = {name: value for name, value in os.environ.items() if name.startswith("JAX_")}
    for name in kept:
        monkeypatch.delenv(name)
    assert "steepest" in kept["JAX_COMPILATION_CACHE_DIR"]
    assert int(kept["JAX_COMPILATION_CACHE_MAX_SIZE"]) == 2**28
