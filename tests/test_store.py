"""A store keeps what is finished, whatever becomes of the process, and gives it back as it was computed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import optax
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import steepest as sd
from steepest.descent import Stop, Verdict, descend
from steepest.descent.blocks import run_task
from steepest.objectives import Objective
from steepest.risk import EmpiricalRisk
from steepest.scale import StoreError, execution, open_runs
from steepest.scale.fingerprints import described
from steepest.scale.reading import progress
from steepest.scale.specification import differences
from steepest.scale.store import open_store, was_begun
from steepest.scale.trees import tree_of, words_of

bowl = Objective(lambda w: w[0] ** 2 + 10 * w[1] ** 2, start=[4.0, 2.5], name="steep bowl")
generator = np.random.default_rng(0)
x, y = generator.normal(size=(40, 3)), generator.normal(size=40)
risk = EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, y)
network = EmpiricalRisk(sd.models.mlp((4,)), sd.losses.mean_squared_error, x, y)

SWEEPS = {
    "one run": {"objective": bowl, "learning_rate": 0.05, "steps": 37},
    "two axes": {"objective": bowl, "learning_rate": np.geomspace(1e-3, 0.3, 37), "momentum": [0.0, 0.5], "steps": 60},
    "all end between records": {"objective": bowl, "learning_rate": [0.04, 0.05], "steps": 10_000, "every": 7},
    "several objectives": {
        "objective": {"bowl": bowl, "valley": sd.landscapes.rosenbrock.in_dimensions(3)}, "learning_rate": [1e-3, 1e-2],
        "steps": 30, "every": 4,
    },
    "looped and traced": {
        "objective": bowl, "method": {"sgd": optax.sgd, "adam": optax.adam}, "learning_rate": [0.01, 0.1, 1.0],
        "seed": [3, 4], "steps": 25, "average": True,
    },
    "many starts": {
        "objective": bowl, "learning_rate": 0.04, "start": np.linspace(-3, 3, 24).reshape(12, 2), "steps": 40,
    },
    "batches": {
        "objective": network, "learning_rate": [0.01, 0.1], "batch_size": [1, 8, None], "seed": range(3), "epochs": 3,
        "record": {"whole": network},
    },
    "single precision": {"objective": risk, "learning_rate": [0.01, 0.1, 5.0], "steps": 50, "dtype": "float32"},
}  # fmt: skip


def run(name, **more):
    arguments = dict(SWEEPS[name])
    return descend(arguments.pop("objective"), arguments.pop("method", optax.sgd), **arguments, **more)


def assert_same(one, other):
    xr.testing.assert_identical(one.dataset.load(), other.dataset.load())
    for kind in ("leaves", "averages"):
        ours, theirs = getattr(one._parts, kind), getattr(other._parts, kind)
        assert list(ours) == list(theirs)
        for key in ours:
            np.testing.assert_array_equal(ours[key].values, theirs[key].values)


@pytest.fixture
def small_tasks(monkeypatch):
    """Tasks of few blocks of few runs, so that small sweeps have many."""
    monkeypatch.setattr("steepest.scale.execution._STORED_SECONDS", 0.0)
    monkeypatch.setattr("steepest.descent.cut._lanes", lambda job, lanes, *_: min(lanes, 5))


@pytest.mark.parametrize("name", SWEEPS)
def test_what_comes_out_of_a_store_is_what_would_have_been_returned(name, tmp_path, small_tasks):
    assert_same(run(name, store=tmp_path / "runs.zarr"), run(name))


def test_a_finished_store_is_read_and_nothing_is_computed(tmp_path, small_tasks, monkeypatch):
    first = run("two axes", store=tmp_path / "runs.zarr")
    monkeypatch.setattr("steepest.scale.execution.run_task", None)
    assert_same(run("two axes", store=tmp_path / "runs.zarr"), first)
    assert progress(tmp_path / "runs.zarr").tasks > 3


@pytest.mark.parametrize("name", ["two axes", "batches", "looped and traced"])
def test_an_interrupted_sweep_goes_on_where_it_was(name, tmp_path, small_tasks, monkeypatch):
    calls = []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("the power is gone")
        return run_task(*arguments)

    monkeypatch.setattr("steepest.scale.execution.run_task", failing)
    with pytest.raises(RuntimeError, match="the power is gone"):
        run(name, store=tmp_path / "runs.zarr")
    assert progress(tmp_path / "runs.zarr").finished == 1
    assert (open_runs(tmp_path / "runs.zarr").verdict == Verdict.INTERRUPTED).any()
    resumed = run(name, store=tmp_path / "runs.zarr")
    assert len(calls) == 2 + progress(tmp_path / "runs.zarr").tasks - 1
    monkeypatch.undo()
    monkeypatch.setattr("steepest.descent.cut._lanes", lambda job, lanes, *_: min(lanes, 5))
    assert_same(resumed, run(name))


def test_a_store_is_cut_as_it_was_begun_on_a_machine_with_more_cores(tmp_path, monkeypatch):
    monkeypatch.setattr("steepest.scale.execution._STORED_SECONDS", 0.0)
    rates = np.geomspace(1e-4, 1, 900)
    first = descend(bowl, optax.sgd, learning_rate=rates, steps=50, store=tmp_path / "runs.zarr")
    monkeypatch.setattr("steepest.descent.cut.cores", lambda: 7)
    again = descend(bowl, optax.sgd, learning_rate=rates, steps=50, store=tmp_path / "runs.zarr")
    assert_same(again, first)


def test_ctrl_c_keeps_finished_tasks_and_says_which_runs_are_not(tmp_path, small_tasks, monkeypatch):
    original = execution._write

    def interrupting(*arguments):
        original(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(execution, "_write", interrupting)
    cut = run("two axes", store=tmp_path / "runs.zarr")
    assert progress(tmp_path / "runs.zarr").finished == 1
    unfinished = cut.verdict.values == Verdict.INTERRUPTED
    assert 0 < unfinished.sum() < unfinished.size
    assert np.isnan(cut.final_loss.values[unfinished]).all()
    assert np.isfinite(cut.final_loss.values[~unfinished]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 61}, "steps is 60 in the store and 61 in this call"),
        ({"learning_rate": [0.1]}, "learning_rate"),
        ({"momentum": 0.9}, "momentum"),
        ({"stop": Stop(target_loss=1e-3)}, "stop.target_loss is None in the store and 0.001 in this call"),
        ({"seed": 1}, "seed is 0 in the store and 1 in this call"),
        ({"dtype": "float32"}, "dtype is float64 in the store and float32 in this call"),
        ({"every": 2}, "every"),
        (
            {"objective": Objective(lambda w: w[0] ** 2 + 11 * w[1] ** 2, start=[4.0, 2.5], name="steep bowl")},
            "objective",
        ),
        ({"method": optax.adam}, "method"),
    ],
)
def test_another_sweep_is_refused_and_the_difference_named(change, words, tmp_path):
    arguments = SWEEPS["two axes"] | {"method": optax.sgd}
    descend(**arguments, store=tmp_path / "runs.zarr")
    changed = {name: value for name, value in (arguments | change).items() if value is not None}
    if "method" in change:
        del changed["momentum"]
    with pytest.raises(StoreError, match="holds another sweep: .*" + words.replace(".", r"\.")):
        descend(**changed, store=tmp_path / "runs.zarr")


def test_other_data_are_another_sweep(tmp_path):
    descend(risk, optax.sgd, learning_rate=0.1, steps=5, store=tmp_path / "runs.zarr")
    other = x.copy()
    other[7, 1] += 1e-9
    changed = EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, other, y)
    with pytest.raises(StoreError, match=r"objective.*EmpiricalRisk\.x is float64 array of shape"):
        descend(changed, optax.sgd, learning_rate=0.1, steps=5, store=tmp_path / "runs.zarr")


def test_other_versions_are_another_sweep(tmp_path, monkeypatch):
    run("one run", store=tmp_path / "runs.zarr")
    monkeypatch.setattr("steepest.scale.specification.version", lambda name: "0.0.1")
    with pytest.raises(StoreError, match=r"versions\.steepest is"):
        run("one run", store=tmp_path / "runs.zarr")


def test_a_second_process_is_refused_while_the_first_writes(tmp_path, small_tasks, monkeypatch):
    original, stored = execution._write, []

    def failing(*arguments):
        if stored:
            raise RuntimeError("the power is gone")
        stored.append(1)
        original(*arguments)

    monkeypatch.setattr(execution, "_write", failing)
    with pytest.raises(RuntimeError, match="the power is gone"):
        run("two axes", store=tmp_path / "runs.zarr")
    monkeypatch.setattr(execution, "_write", original)
    program = f"""
        import time
        from filelock import FileLock
        with FileLock({str(tmp_path / "runs.zarr" / ".lock")!r}):
            print("locked", flush=True)
            time.sleep(60)
    """
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(StoreError, match="is being written by another process"):
            run("two axes", store=tmp_path / "runs.zarr")
        assert (open_runs(tmp_path / "runs.zarr").verdict != Verdict.INTERRUPTED).any(), "reading needs no lock"
    finally:
        other.kill()
        other.communicate()
    # The lock went with the process that held it.
    assert not (run("two axes", store=tmp_path / "runs.zarr").verdict == Verdict.INTERRUPTED).any()


def test_a_full_disk_ends_with_a_sentence_and_leaves_a_readable_store(tmp_path):
    # A limit on the size of files makes the system refuse a write, as a full disk does.
    program = f"""
        import resource, numpy as np, optax, signal
        import steepest as sd
        import steepest.scale.execution as execution
        execution._STORED_SECONDS = 0.0
        written = []
        original = execution._write
        def write(*arguments):
            if len(written) == 2:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            written.append(1)
            original(*arguments)
        execution._write = write
        generator = np.random.default_rng(0)
        sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=generator.uniform(0.01, 0.02, 8000), steps=50,
                   store={str(tmp_path / "runs.zarr")!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr or "Error" in done.stderr, done.stderr
    assert "the store cannot be written (File too large); 2 of" in done.stderr
    assert progress(tmp_path / "runs.zarr").finished == 2
    assert (open_runs(tmp_path / "runs.zarr").verdict != Verdict.INTERRUPTED).sum() > 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder nobody can write, root included")
def test_a_folder_that_cannot_be_written_is_said_to_be_so():
    with pytest.raises(OSError, match="the store cannot be written"):
        run("one run", store="/proc/runs.zarr")


def test_a_store_is_read_where_it_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = run("two axes", store="runs.zarr")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert kept.final_loss.shape == (37, 2)


def test_what_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="is a folder of something else"):
        run("one run", store=tmp_path)
    with pytest.raises(StoreError, match="is a file"):
        run("one run", store=tmp_path / "notes.txt")
    xr.Dataset({"a": ("n", [1.0])}).to_zarr(tmp_path / "other.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(StoreError, match="not one of runs"):
        run("one run", store=tmp_path / "other.zarr")
    with pytest.raises(FileNotFoundError, match="is not there"):
        open_runs(tmp_path / "nothing.zarr")
    with pytest.raises(StoreError, match="is not a store of runs"):
        open_runs(tmp_path / "other.zarr")


def test_a_store_opens_without_the_call_that_made_it(tmp_path):
    kept = descend(sd.landscapes.rosenbrock, optax.sgd, learning_rate=[1e-4, 1e-3], steps=50, store=tmp_path / "a.zarr")
    opened = open_runs(tmp_path / "a.zarr")
    assert_same(opened, kept)
    assert opened.objectives[None] is sd.landscapes.rosenbrock
    run("batches", store=tmp_path / "b.zarr")
    nets = open_runs(tmp_path / "b.zarr")
    assert nets.params[0]["weight"].shape[:3] == (2, 3, 3)
    with pytest.raises(ValueError, match="is not in the store"):
        nets.objectives[None].loss(nets.params)


def test_xarray_reads_a_store_by_itself(tmp_path):
    kept = run("two axes", store=tmp_path / "runs.zarr")
    alone = xr.open_zarr(tmp_path / "runs.zarr")
    np.testing.assert_array_equal(alone["final_loss"], kept.final_loss)
    assert alone["loss"].dims == ("learning_rate", "momentum", "step")
    assert alone.attrs["specification"]["steps"] == 60


def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    kept = run("two axes", store=tmp_path / "runs.zarr")
    for folder in ("loss", "path", "gradient_norm"):
        for file in (tmp_path / "runs.zarr" / folder / "c").rglob("*"):
            if file.is_file():
                file.unlink()
    assert np.isfinite(open_store(tmp_path / "runs.zarr").dataset()["final_loss"].values).all()
    assert kept.final_loss.shape == (37, 2)


def finished_in(path):
    """Finished tasks of a store that may not have been begun."""
    return progress(path).finished if was_begun(path) else 0


@pytest.mark.slow
def test_killed_at_twenty_moments_it_resumes_to_the_last_bit(tmp_path):
    program = f"""
        import numpy as np, optax
        import steepest as sd
        import steepest.scale.execution as execution
        execution._STORED_SECONDS = 0.02
        print("begun", flush=True)
        sweep = sd.descend(
            sd.landscapes.steep_bowl, optax.sgd, learning_rate=np.geomspace(1e-4, 0.2, 250_000), momentum=[0.0, 0.9],
            steps=3000, every=500, path=False, stop=sd.Stop(gradient_norm=None), store={str(tmp_path / "runs.zarr")!r},
        )
        print("finished", flush=True)
    """
    pick = random.Random(0)
    finished, kills, counts = False, 0, [0]
    while not finished:
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if kills < 20:
            if kills % 4:
                # Within the writing, wherever the machine has come to by then.
                deadline = time.monotonic() + 60
                while finished_in(tmp_path / "runs.zarr") <= counts[-1] and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(pick.uniform(0.0, 0.3))
            else:
                time.sleep(pick.uniform(0.0, 1.0))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        finished = "finished" in process.communicate()[0]
        counts.append(finished_in(tmp_path / "runs.zarr"))
        if finished and kills < 20:
            pytest.fail(f"the sweep ended after {kills} kills; make it longer")
    assert kills == 20
    assert counts == sorted(counts), "a finished task was lost"
    assert len(set(counts)) > 4, f"the kills were all at one place: {counts}"
    whole = descend(
        sd.landscapes.steep_bowl, optax.sgd, learning_rate=np.geomspace(1e-4, 0.2, 250_000), momentum=[0.0, 0.9],
        steps=3000, every=500, path=False, stop=Stop(gradient_norm=None),
    )  # fmt: skip
    assert_same(open_runs(tmp_path / "runs.zarr"), whole)


# Words for values


@given(arrays(np.float64, st.integers(9, 40), elements=st.floats(-1e6, 1e6)), st.integers(0, 8))
def test_arrays_have_the_words_of_their_values(values, place):
    assert described(values) == described(values.copy())
    changed = values.copy()
    changed[place] = np.nextafter(changed[place], np.inf) if changed[place] < 1e6 else -1.0
    assert described(values) != described(changed)


def test_functions_have_the_words_of_their_code_and_not_of_their_place():
    def made(factor):
        return lambda w: factor * w

    assert described(made(2.0)) == described(made(2.0))
    assert described(made(2.0)) != described(made(3.0))
    one, other = {}, {}
    exec("def square(w):\n    return w**2\ndef loss(w):\n    return square(w)", one)
    exec("\n\n\ndef square(w):\n    return w**4\ndef loss(w):\n    return square(w)", other)
    for space in (one, other):
        space["loss"].__module__ = space["square"].__module__ = "__main__"
    assert described(one["square"]) != described(other["square"])
    assert described(one["loss"]) != described(other["loss"]), "what a function calls belongs to it"
    assert described(optax.sgd) == "optax._src.alias.sgd"


def test_words_are_the_same_in_another_process():
    program = (
        "import steepest as sd; from steepest.scale.fingerprints import described; print(described(sd.landscapes.bowl))"
    )
    words = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert words == {f"{described(sd.landscapes.bowl)}\n"}


def test_differences_are_named_by_their_place():
    assert differences({"a": {"b": 1}}, {"a": {"b": 1}}) == []
    assert differences({"a": {"b": 1}}, {"a": {"c": 1}}) == [
        "a.b is 1 in the store and None in this call",
        "a.c is None in the store and 1 in this call",
    ]


trees = st.recursive(
    st.builds(np.zeros, st.tuples(st.integers(1, 3))),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(trees)
def test_trees_come_back_from_their_words(tree):
    import jax

    back = tree_of(words_of(tree))
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    assert [leaf.shape for leaf in jax.tree.leaves(back)] == [leaf.shape for leaf in jax.tree.leaves(tree)]


def test_an_unfinished_beginning_is_begun_again(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("zarr.consolidate_metadata", killed)
    with pytest.raises(KeyboardInterrupt):
        run("one run", store=tmp_path / "runs.zarr")
    monkeypatch.undo()
    assert progress(tmp_path / "runs.zarr").finished == 0, "it can be looked at meanwhile"
    assert run("one run", store=tmp_path / "runs.zarr").steps.item() == 37
    assert Path(tmp_path / "runs.zarr").is_dir()
