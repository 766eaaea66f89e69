"""Data larger than memory: what is read block by block gives what is computed in memory."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import optax
import pandas as pd
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest as sd
from steepest.descent import Verdict, descend
from steepest.risk import EmpiricalRisk
from steepest.streams import ParquetRows, as_source
from steepest.streams.sources import InMemory, cuts
from steepest.streams.stream import Stream

ROWS, FEATURES = 700, 4
generator = np.random.default_rng(0)
X = generator.normal(size=(ROWS, FEATURES)) * np.array([1.0, 2.0, 3.0, 4.0]) + 5.0
Y = X @ generator.normal(size=FEATURES) + generator.normal(size=ROWS)
CLASSES = (np.median(Y) < Y).astype(np.int64) + (np.quantile(Y, 0.9) < Y)
WEIGHTS = generator.uniform(0.5, 2.0, ROWS)
LINEAR, SQUARED = sd.models.linear, sd.losses.mean_squared_error
KINDS = ("memory-mapped", "zarr", "dask", "parquet")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(cuts, "__defaults__", (8 * (FEATURES + 1) * 64,))


def source(kind, array, folder, name):
    """The array as it would be met on a disk."""
    path = folder / f"{name}.{kind}"
    if kind == "memory-mapped":
        np.save(f"{path}.npy", array)
        return np.load(f"{path}.npy", mmap_mode="r")
    if kind == "zarr":
        return zarr.create_array(str(path), data=array, chunks=(150, *array.shape[1:]))
    if kind == "dask":
        dask_array = pytest.importorskip("dask.array")
        return dask_array.from_array(array, chunks=(150, *array.shape[1:]))
    columns = [f"c{place}" for place in range(array.shape[1])] if array.ndim == 2 else "target"
    table = pd.DataFrame(array, columns=columns if array.ndim == 2 else [columns])
    table.to_parquet(f"{path}.parquet", row_group_size=150)
    return ParquetRows(f"{path}.parquet", tuple(columns) if array.ndim == 2 else columns)


def both(kind, folder, model=LINEAR, loss=SQUARED, y=Y, **more):
    """The risk in memory and the same risk streamed."""
    streamed = EmpiricalRisk(model, loss, source(kind, X, folder, "x"), source(kind, y, folder, "y"), **more)
    return EmpiricalRisk(model, loss, X, y, **more), streamed


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_reads_what_the_array_holds(kind, tmp_path):
    made = as_source(source(kind, X, tmp_path, "x"))
    assert made.shape == X.shape
    assert made.borders[0] == 0
    assert made.borders[-1] == ROWS
    spans = [(0, 1), (0, ROWS), (149, 151), (300, 460), (ROWS - 1, ROWS), (7, 7)]
    for one in (made, pickle.loads(pickle.dumps(made))):
        for first, last in spans:
            np.testing.assert_array_equal(one.read(first, last), X[first:last])


def test_a_stretch_of_a_memory_map_is_read_where_it_lies(tmp_path):
    whole = source("memory-mapped", X, tmp_path, "x")
    np.testing.assert_array_equal(as_source(whole[100:300][50:]).read(3, 9), X[153:159])
    with pytest.raises(ValueError, match=r"whole rows one after the other.*array\[first:last\]"):
        as_source(whole[:, ::2])


def test_reading_leaves_resident_memory_as_it_was(tmp_path):
    program = f"""
        import numpy as np
        from steepest.streams.sources import as_source
        def resident():
            lines = open("/proc/self/status").read().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
        written = np.lib.format.open_memmap({str(tmp_path / "x.npy")!r}, mode="w+", shape=(400_000, 100))
        written[:] = 1.0
        written.flush()
        del written
        source = as_source(np.load({str(tmp_path / "x.npy")!r}, mmap_mode="r"))
        before = resident()
        total = sum(source.read(first, first + 10_000).sum() for first in range(0, 400_000, 10_000))
        assert total == 4e7
        print(resident() - before)
    """
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 60


@given(st.integers(1, 400), st.lists(st.integers(1, 120), max_size=6), st.integers(1, 90))
@settings(deadline=None)
def test_blocks_part_the_rows_and_none_is_too_long(rows, lengths, most):
    borders = tuple(border for border in np.cumsum([0, *lengths]).tolist() if border < rows)

    class Chopped(InMemory):
        @property
        def borders(self):
            return (*borders, rows)

    found = cuts(Chopped(np.zeros((rows, 1))), InMemory(np.zeros(rows)), block_bytes=16 * most)
    assert found[0] == 0
    assert found[-1] == rows
    lengths_found = np.diff(found)
    assert (lengths_found > 0).all()
    assert lengths_found.max() <= max(most, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_least_squares_from_moments_is_the_direct_computation(kind, weights, tmp_path):
    here, streamed = both(kind, tmp_path, l2=0.1, weights=weights)
    arguments = {"learning_rate": [1e-4, 5e-3, 1.0], "steps": 10_000, "every": 500}
    direct, fast = (descend(risk, optax.sgd, **arguments) for risk in (here, streamed))
    np.testing.assert_array_equal(fast.verdict, direct.verdict)
    np.testing.assert_allclose(fast.loss, direct.loss, rtol=1e-9)
    stable = direct.verdict.values != Verdict.DIVERGED
    np.testing.assert_allclose(fast.params["weight"][stable], direct.params["weight"][stable], rtol=1e-9)
    np.testing.assert_allclose(fast.params["bias"][stable], direct.params["bias"][stable], rtol=1e-9)


def test_moments_take_one_pass(tmp_path, monkeypatch):
    _, streamed = both("memory-mapped", tmp_path)
    read = []
    original = Stream._read
    monkeypatch.setattr(Stream, "_read", lambda self, *span: read.append(span) or original(self, *span))
    descend(streamed, optax.sgd, learning_rate=[1e-3, 1e-2], steps=1000)
    descend(streamed, optax.sgd, learning_rate=0.02, momentum=0.9, steps=1000)
    sd.theory.constants(streamed)
    rows = sum(last - first for first, last in read)
    assert ROWS <= rows <= ROWS + 4, "the moments are one pass; the first two rows tell shapes"


@pytest.mark.parametrize("kind", KINDS)
def test_full_batches_are_summed_over_blocks(kind, tmp_path):
    here, streamed = both(kind, tmp_path, loss=sd.losses.huber, l2=0.1, weights=WEIGHTS)
    arguments = {"learning_rate": [1e-3, 1e-2, 1e3], "momentum": 0.5, "steps": 30, "every": 4, "average": True}
    direct, summed = (descend(risk, optax.sgd, **arguments) for risk in (here, streamed))
    np.testing.assert_array_equal(summed.verdict, direct.verdict)
    np.testing.assert_array_equal(summed.steps, direct.steps)
    np.testing.assert_allclose(summed.loss, direct.loss, rtol=1e-12)
    np.testing.assert_allclose(summed.gradient_norm, direct.gradient_norm, rtol=1e-9)
    np.testing.assert_allclose(summed.average["weight"], direct.average["weight"], rtol=1e-10)
    assert streamed({"weight": np.ones(FEATURES), "bias": 0.5}) == pytest.approx(
        here({"weight": np.ones(FEATURES), "bias": 0.5}), rel=1e-13
    )


def test_a_run_that_converges_between_records_ends_where_it_would_in_memory(tmp_path):
    here, streamed = both(
        "memory-mapped", tmp_path, sd.models.softmax, sd.losses.softmax_cross_entropy, CLASSES, l2=1.0
    )
    arguments = {"learning_rate": [0.01, 0.02], "steps": 4000, "every": 7, "stop": sd.Stop(gradient_norm=0.05)}
    direct, summed = (descend(risk, optax.sgd, **arguments) for risk in (here, streamed))
    assert (direct.verdict == Verdict.CONVERGED).all()
    np.testing.assert_array_equal(summed.steps, direct.steps)
    np.testing.assert_array_equal(summed.dataset.step, direct.dataset.step)
    np.testing.assert_allclose(summed.loss, direct.loss, rtol=1e-12)


def test_an_epoch_of_batches_sees_each_row_once(tmp_path):
    stream = both("memory-mapped", tmp_path)[1].stream
    for epoch in range(3):
        seen = []
        for rows, plan in stream.buffers(seed=5, epoch=epoch, batch_size=48):
            assert (plan[:-1] >= 0).all(), "only the last batch of an epoch may be short"
            used = plan[plan >= 0]
            assert (rows.weights[used] > 0).all()
            seen.append(rows.y[used])
        assert len(seen) > 2, "rows are read in several buffers"
        np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.sort(Y))
    first, again = (np.concatenate([r.y[p[p >= 0]] for r, p in stream.buffers(5, 0, 48)]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, np.concatenate([r.y[p[p >= 0]] for r, p in stream.buffers(6, 0, 48)]))


@pytest.mark.parametrize("kind", KINDS)
def test_mini_batches_come_where_those_in_memory_come(kind, tmp_path):
    here, streamed = both(kind, tmp_path, sd.models.mlp((8,)), sd.losses.softmax_cross_entropy, CLASSES)
    arguments = {"learning_rate": [1e-3, 1e-2], "batch_size": 32, "seed": [0, 1], "epochs": 12}
    direct, shuffled = (descend(risk, optax.adam, **arguments) for risk in (here, streamed))
    assert shuffled.loss.dims == direct.loss.dims
    np.testing.assert_array_equal(shuffled.steps, direct.steps)
    np.testing.assert_allclose(shuffled.loss.isel(epoch=0), direct.loss.isel(epoch=0), rtol=1e-12)
    np.testing.assert_allclose(shuffled.final_loss, direct.final_loss, rtol=0.2)
    again = descend(streamed, optax.adam, **arguments)
    xr.testing.assert_identical(again.dataset, shuffled.dataset)


def test_batches_of_one_block_are_the_exact_gradient_steps(tmp_path):
    # With one buffer and batches of all rows the shuffling changes the order of a sum and nothing else.
    here, streamed = both("memory-mapped", tmp_path, loss=sd.losses.huber)
    whole = descend(here, optax.sgd, learning_rate=1e-3, steps=20)
    object.__setattr__(streamed.stream, "cuts", (0, ROWS))
    batched = descend(streamed, optax.sgd, learning_rate=1e-3, batch_size=ROWS, steps=20, every=1)
    np.testing.assert_allclose(batched.loss, whole.loss, rtol=1e-12)


@pytest.mark.parametrize("loss", [SQUARED, sd.losses.huber])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_constants_come_from_one_pass(loss, weights, tmp_path):
    here, streamed = both("zarr", tmp_path, loss=loss, l2=0.3, weights=weights)
    one, other = sd.theory.constants(here), sd.theory.constants(streamed)
    assert other.smoothness == pytest.approx(one.smoothness, rel=1e-10)
    assert other.strong_convexity == pytest.approx(one.strong_convexity, rel=1e-7)
    assert other.largest_row_smoothness == pytest.approx(one.largest_row_smoothness, rel=1e-12)


def test_diagnose_takes_streams(tmp_path):
    here, streamed = both("memory-mapped", tmp_path)
    one, other = sd.diagnose(here), sd.diagnose(streamed)
    assert other.settings["learning_rate"] == pytest.approx(one.settings["learning_rate"], rel=1e-6)
    _, network = both("memory-mapped", tmp_path, sd.models.mlp((4,)))
    assert "rows" in str(sd.diagnose(network))


def test_a_streamed_descent_is_kept_in_a_store(tmp_path):
    _, streamed = both("memory-mapped", tmp_path, loss=sd.losses.huber)
    arguments = {"learning_rate": [1e-3, 1e-2], "steps": 9}
    kept = descend(streamed, optax.sgd, **arguments, store=tmp_path / "runs.zarr")
    xr.testing.assert_identical(kept.dataset.load(), descend(streamed, optax.sgd, **arguments).dataset)
    assert (sd.open_runs(tmp_path / "runs.zarr").steps == 9).all()


def test_what_needs_the_rows_in_memory_says_so(tmp_path):
    _, streamed = both("memory-mapped", tmp_path, loss=sd.losses.huber)
    with pytest.raises(ValueError, match=r"larger than memory.*risk\.sample"):
        sd.theory.spectrum(streamed, at={"weight": np.zeros(FEATURES), "bias": 0.0})
    with pytest.raises(ValueError, match=r"batches\.shuffled\(1\)"):
        descend(streamed, optax.sgd, learning_rate=0.1, batch_size=1, steps=3)
    with pytest.raises(ValueError, match="a pass over data larger than memory"):
        descend(streamed, optax.lbfgs, steps=3)
    assert streamed.sample(100).rows == 100


def test_numbers_that_are_not_finite_are_found_with_their_row(tmp_path):
    broken = X.copy()
    broken[423, 2] = np.nan
    risk = EmpiricalRisk(LINEAR, SQUARED, source("memory-mapped", broken, tmp_path, "x"), Y)
    with pytest.raises(ValueError, match="got nan in row 423, column 2"):
        descend(risk, optax.sgd, learning_rate=0.01, steps=2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: ParquetRows(folder / "none.parquet"), "neither a Parquet file nor a folder"),
        (lambda folder: ParquetRows(folder / "t.parquet", ("a", "z")), "has no column 'z'; it has a, s"),
        (lambda folder: ParquetRows(folder / "t.parquet"), "'s' must be numeric, got .*string"),
    ],
)
def test_bad_parquet_is_refused(make, words, tmp_path):
    pd.DataFrame({"a": [1.0], "s": ["x"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        make(tmp_path)


def test_parquet_of_several_files_is_one_table(tmp_path):
    for place in range(3):
        part = pd.DataFrame(X[place * 200 : (place + 1) * 200], columns=list("abcd"))
        part.to_parquet(tmp_path / f"part-{place}.parquet", row_group_size=64)
    rows = ParquetRows(tmp_path, ("d", "a"))
    np.testing.assert_array_equal(rows.read(150, 450), X[150:450][:, [3, 0]])
    assert rows.names == ("d", "a")


def test_dask_chunks_of_unknown_size_are_refused(tmp_path):
    dask_array = pytest.importorskip("dask.array")
    array = dask_array.from_array(X, chunks=(100, FEATURES))
    with pytest.raises(ValueError, match=r"x\.compute_chunk_sizes\(\)"):
        EmpiricalRisk(LINEAR, SQUARED, array[array[:, 0] > 0], Y)
