"""A cluster gives what one machine gives, whatever becomes of its workers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optax
import pytest
import xarray as xr

pytest.importorskip("distributed")

import steepest as sd
from steepest.command.references import find_objective
from steepest.descent import Stop, descend
from steepest.objectives import Objective
from steepest.risk import EmpiricalRisk
from steepest.scale import Cluster, ClusterLost, away, execution
from steepest.scale.away import Sender
from steepest.scale.cluster import Connection, expected
from steepest.scale.reading import progress

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

FACTOR = 10.0
bowl = Objective(lambda w: w[0] ** 2 + FACTOR * w[1] ** 2, start=[4.0, 2.5], name="steep bowl")
generator = np.random.default_rng(0)
x, y = generator.normal(size=(40, 3)), generator.normal(size=40)
network = EmpiricalRisk(sd.models.mlp((4,)), sd.losses.mean_squared_error, x, y)

WIDE = {
    "learning_rate": np.geomspace(1e-4, 0.2, 6000), "momentum": [0.0, 0.9], "steps": 1500, "every": 100, "path": False,
    "stop": Stop(gradient_norm=None),
}  # fmt: skip


class Processes:
    """A scheduler and workers, each a process of its own, as started by hand."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._file = folder / "scheduler.json"
        self.scheduler = self._started("dask", "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        deadline = time.monotonic() + 30
        while not self._file.exists():
            assert time.monotonic() < deadline, "the scheduler did not come up"
            time.sleep(0.05)
        time.sleep(0.2)
        self.workers = [self._started("dask", "worker", "--no-nanny", "--nthreads", "1") for _ in range(workers)]
        import json

        self.address = json.loads(self._file.read_text())["address"]

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *words, "--scheduler-file", str(self._file)]
        folder = self._file.parent
        with (folder / "log.txt").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@contextmanager
def processes(folder: Path, workers: int = 2) -> Iterator[Processes]:
    started = Processes(folder, workers)
    try:
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def short_tasks(monkeypatch):
    monkeypatch.setattr(execution, "_SENT_SECONDS", (0.0, 0.0))


def on(cluster: Processes) -> Cluster:
    return Cluster(cluster.address, always=True)


SWEEPS = {
    "wide": {"objective": bowl, **WIDE},
    "batches": {
        "objective": network, "learning_rate": [0.01, 0.1], "batch_size": [1, 8, None], "seed": range(3), "epochs": 3,
        "record": {"whole": network},
    },
    "looped": {
        "objective": {"bowl": bowl, "rosenbrock": sd.landscapes.rosenbrock}, "learning_rate": [1e-3, 1e-2], "steps": 30,
        "method": {"sgd": optax.sgd, "adam": optax.adam},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_a_cluster_gives_what_one_machine_gives(name, cluster, short_tasks):
    arguments = {"method": optax.sgd, **SWEEPS[name]}
    xr.testing.assert_identical(descend(**arguments, cluster=on(cluster)).dataset, descend(**arguments).dataset)


def test_results_stream_into_a_store(cluster, short_tasks, tmp_path):
    stored = descend(bowl, optax.sgd, **WIDE, cluster=on(cluster), store=tmp_path / "runs.zarr")
    assert progress(tmp_path / "runs.zarr").tasks >= 8
    xr.testing.assert_identical(stored.dataset.load(), descend(bowl, optax.sgd, **WIDE).dataset)


def test_few_tasks_are_under_way_at_a_time(cluster, short_tasks, monkeypatch):
    most = []
    original = Sender._send

    def counted(self, sent):
        original(self, sent)
        most.append(len(self._under_way))

    monkeypatch.setattr(Sender, "_send", counted)
    descend(bowl, optax.sgd, **WIDE, cluster=on(cluster))
    assert len(most) >= 8
    assert max(most) <= 2 * away._AHEAD + 1


def test_a_worker_killed_in_mid_sweep_is_done_without(tmp_path, short_tasks, monkeypatch):
    with processes(tmp_path) as own:
        original, stored = execution._write, []

        def killing(*arguments):
            original(*arguments)
            stored.append(1)
            if len(stored) == 2:
                own.workers[0].kill()

        monkeypatch.setattr(execution, "_write", killing)
        survived = descend(bowl, optax.sgd, **WIDE, cluster=on(own), store=tmp_path / "runs.zarr")
        assert own.workers[0].wait() == -signal.SIGKILL
    xr.testing.assert_identical(survived.dataset.load(), descend(bowl, optax.sgd, **WIDE).dataset)


@pytest.mark.parametrize("ahead", [2, 0])
def test_a_worker_that_stands_still_does_not_hold_up_the_rest(tmp_path, short_tasks, monkeypatch, ahead):
    """Nor where, with nothing sent ahead, all that is under way is with it while more tasks wait to be sent."""
    monkeypatch.setattr(away, "_AHEAD", ahead)
    monkeypatch.setattr(away, "_LATE_SECONDS", 0.5)
    monkeypatch.setattr(away, "_FETCH_SECONDS", 1.0)
    with processes(tmp_path) as own:
        original, stored = execution._write, []

        def stopping(*arguments):
            original(*arguments)
            stored.append(1)
            if len(stored) == 2:
                own.workers[0].send_signal(signal.SIGSTOP)

        monkeypatch.setattr(execution, "_write", stopping)
        came = descend(bowl, optax.sgd, **WIDE, cluster=on(own), store=tmp_path / "runs.zarr")
    xr.testing.assert_identical(came.dataset.load(), descend(bowl, optax.sgd, **WIDE).dataset)


def test_a_lost_scheduler_leaves_what_was_done_and_a_new_call_finishes_it(tmp_path, short_tasks, monkeypatch):
    with processes(tmp_path) as own:
        original, stored = execution._write, []

        def killing(*arguments):
            original(*arguments)
            stored.append(1)
            if len(stored) == 2:
                own.scheduler.kill()

        monkeypatch.setattr(execution, "_write", killing)
        with pytest.raises(ClusterLost, match=r"was lost .*\d of \d+ tasks are in .*takes up from there"):
            descend(bowl, optax.sgd, **WIDE, cluster=on(own), store=tmp_path / "runs.zarr")
    monkeypatch.setattr(execution, "_write", original)
    kept = progress(tmp_path / "runs.zarr").finished
    assert 2 <= kept < progress(tmp_path / "runs.zarr").tasks
    finished = descend(bowl, optax.sgd, **WIDE, store=tmp_path / "runs.zarr")
    xr.testing.assert_identical(finished.dataset.load(), descend(bowl, optax.sgd, **WIDE).dataset)


def test_without_any_worker_left_the_cluster_is_lost(tmp_path, short_tasks, monkeypatch):
    monkeypatch.setattr(away, "_ALONE_SECONDS", 1.0)
    with processes(tmp_path, workers=1) as own:
        original = execution._write

        def killing(*arguments):
            original(*arguments)
            own.workers[0].kill()

        monkeypatch.setattr(execution, "_write", killing)
        with pytest.raises(ClusterLost, match="no worker is left"):
            descend(bowl, optax.sgd, **WIDE, cluster=on(own), store=tmp_path / "runs.zarr")


def test_what_a_worker_raises_is_what_would_be_raised_here(cluster):
    plan = sd.batches.explicit(np.zeros((5, 2), int))
    arguments = {"learning_rate": [0.1, 0.2], "batch_size": plan, "steps": 50}
    with pytest.raises(ValueError, match="explicit plan has 5 steps") as here:
        descend(network, optax.sgd, **arguments)
    with pytest.raises(ValueError, match="explicit plan has 5 steps") as there:
        descend(network, optax.sgd, **arguments, cluster=on(cluster))
    # How far a run had come when the plan ended depends on the machine.
    one, other = (str(error.value).partition("the run needs")[0] for error in (here, there))
    assert one == other


def test_a_loss_in_a_file_travels_with_the_module_beside_it(cluster, tmp_path):
    (tmp_path / "shapes_of_mine.py").write_text("def square(w):\n    return (w * w).sum()\n")
    (tmp_path / "mine.py").write_text(
        "import steepest as sd\nfrom shapes_of_mine import square\n"
        "own = sd.Objective(lambda w: 3 * square(w), start=[1.0, 2.0], name='own')\n"
    )
    own = find_objective(f"{tmp_path / 'mine.py'}:own")
    arguments = {"learning_rate": [0.01, 0.1], "steps": 20}
    there = descend(own, optax.sgd, **arguments, cluster=on(cluster))
    xr.testing.assert_identical(there.dataset, descend(own, optax.sgd, **arguments).dataset)


def test_other_doors_take_a_cluster(cluster):
    found = sd.experiments.basins(sd.landscapes.himmelblau, learning_rate=0.01, resolution=20, cluster=on(cluster))
    xr.testing.assert_identical(
        found.dataset, sd.experiments.basins(sd.landscapes.himmelblau, learning_rate=0.01, resolution=20).dataset
    )
    many = sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.02, seed=1, cluster=on(cluster))
    assert many.fraction == sd.experiments.multistart(sd.landscapes.wells, learning_rate=0.02, seed=1).fraction
    here, there = sd.diagnose(network), sd.diagnose(network, cluster=on(cluster))
    assert str(there) == str(here)


def test_small_sweeps_stay_here_and_it_is_said():
    with pytest.warns(UserWarning, match=r"sending these 3 runs to 2 threads would take about .* so they run here"):
        descend(bowl, optax.sgd, learning_rate=[0.01, 0.02, 0.03], steps=10, cluster=Cluster("local", workers=2))


def test_the_cost_decides_by_threads_and_by_what_is_sent(monkeypatch):
    said = []
    monkeypatch.setattr(execution, "say_local", lambda *arguments: said.append(arguments))
    sweep, cuts, cost = _priced(seconds=100.0)
    many = Connection(None, threads=64, task_seconds=1e-3, byte_seconds=1e-9)
    assert execution._pays(sweep, cuts, cost, many)
    slow = Connection(None, threads=64, task_seconds=1e-3, byte_seconds=1.0)
    assert not execution._pays(sweep, cuts, cost, slow)
    few = Connection(None, threads=1, task_seconds=1e-3, byte_seconds=1e-9)
    assert not execution._pays(sweep, cuts, cost, few)
    assert len(said) == 2


def _priced(seconds):
    """A sweep that costs so many seconds of one core."""
    from dataclasses import replace

    from steepest.descent.cut import cut
    from steepest.scale.cost import measure

    kept = {}

    def keep(sweep, *_):
        kept["sweep"] = sweep
        raise StopIteration

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steepest.descent.door._run", keep)
        with pytest.raises(StopIteration):
            descend(bowl, optax.sgd, learning_rate=np.geomspace(1e-3, 0.1, 4000), steps=50, every=50, path=False)
    sweep = kept["sweep"]
    cuts = [cut(job) for job in sweep.jobs]
    cost = measure(sweep.jobs[0], cuts[0])
    assert cost.seconds(sweep, cuts) > 0
    scaled = replace(cost, run_step_seconds=cost.run_step_seconds * seconds / cost.seconds(sweep, cuts))
    return sweep, cuts, scaled


def test_what_starting_workers_costs_is_known_beforehand():
    assert expected(Cluster("local", workers=3)).threads == 3
    assert expected(Cluster("tcp://10.0.0.5:8786")) is None


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("somewhere", ValueError, "cluster must be"),
        (3, TypeError, "cluster must be"),
    ],
)
def test_what_is_no_cluster_is_refused(value, error, words):
    with pytest.raises(error, match=words):
        descend(bowl, optax.sgd, learning_rate=0.01, steps=10, cluster=value)


def test_an_address_where_nothing_answers(monkeypatch):
    monkeypatch.setattr("steepest.scale.cluster._PATIENCE_SECONDS", 0.5)
    with pytest.raises(ClusterLost, match=r"nothing answers at tcp://127\.0\.0\.1:9 .*dask scheduler"):
        descend(bowl, optax.sgd, learning_rate=0.01, steps=10, cluster="tcp://127.0.0.1:9")


def test_a_scheduler_without_workers(tmp_path, monkeypatch):
    monkeypatch.setattr("steepest.scale.cluster._PATIENCE_SECONDS", 1.0)
    with processes(tmp_path, workers=0) as own, pytest.raises(ClusterLost, match="has no worker; start some with"):
        descend(bowl, optax.sgd, learning_rate=0.01, steps=10, cluster=own.address)


def test_other_versions_on_a_worker_are_named(cluster, monkeypatch):
    monkeypatch.setattr("steepest.scale.cluster.version", lambda name: "0.0.1")
    with pytest.raises(ValueError, match=r"the worker tcp://.* has steepest .* for 0\.0\.1"):
        descend(bowl, optax.sgd, learning_rate=0.01, steps=10, cluster=on(cluster))


def test_without_dask_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'steepest\[cluster\]'"):
        Cluster("local")


@pytest.mark.slow
def test_workers_on_this_machine_are_started_and_ended():
    sweep = descend(bowl, optax.sgd, **WIDE, cluster=Cluster("local", always=True, workers=2))
    xr.testing.assert_identical(sweep.dataset, descend(bowl, optax.sgd, **WIDE).dataset)


@pytest.mark.parametrize("kind", ["memory-mapped", "dask"])
def test_gradients_are_summed_where_the_data_lie(kind, cluster, tmp_path, monkeypatch):
    from steepest.streams import evaluation
    from steepest.streams.sources import cuts

    monkeypatch.setattr(cuts, "__defaults__", (8 * 4 * 100,))
    rows = generator.normal(size=(900, 3))
    targets = rows @ np.ones(3) + generator.normal(size=900)
    np.save(tmp_path / "x.npy", rows)
    array = pytest.importorskip("dask.array")
    x = (
        np.load(tmp_path / "x.npy", mmap_mode="r")
        if kind == "memory-mapped"
        else array.from_array(rows, chunks=(150, 3))
    )
    streamed = EmpiricalRisk(sd.models.linear, sd.losses.huber, x, targets, l2=0.1)
    arguments = {"learning_rate": [1e-2, 1e-1], "steps": 6}
    here = descend(streamed, optax.sgd, **arguments)
    monkeypatch.setattr(evaluation, "block_sums", None)
    there = descend(streamed, optax.sgd, **arguments, cluster=on(cluster))
    np.testing.assert_allclose(there.loss, here.loss, rtol=1e-12)
