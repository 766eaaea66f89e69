"""The programs that are timed side by side compute the same, at sizes that take no time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

SMALL: dict[str, dict[str, int]] = {
    "rosenbrock": {"steps": 200},
    "sweep": {"runs": 50, "steps": 300},
    "sgd": {"rows": 300, "features": 7},
}


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """The package, which lies beside the source and is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1]))
        yield import_module("benchmarks")
        for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
            patch.delitem(sys.modules, name)


@pytest.fixture(scope="module")
def contest(benchmarks: ModuleType) -> ModuleType:
    return import_module("benchmarks.contest")


@pytest.mark.parametrize("name", SMALL)
def test_the_programs_of_a_contest_agree(name: str, contest: ModuleType) -> None:
    for each in import_module(f"benchmarks.{name}").contests(**SMALL[name]):
        differences = contest.disagreement(each)
        assert len(differences) == len(each.programs) - 1
        # Roundoff of float64 over a few hundred steps.
        assert max(apart for program in differences.values() for apart in program.values()) < 1e-12
        # Whatever is forgotten, a program that runs again finds the same.
        each.programs[-1].forget()
        contest.disagreement(each)


def test_basins_and_eigenvalues_agree_with_their_peers(contest: ModuleType) -> None:
    (basins,) = import_module("benchmarks.basins").contests(resolution=40, steps=200)
    assert contest.disagreement(basins)["NumPy, in place"]["basin"] == 0.0
    (eigenvalue,) = import_module("benchmarks.eigenvalue").contests(hidden=8)
    contest.disagreement(eigenvalue)
    ours = eigenvalue.programs[0]
    # The same number from the whole Hessian of the 672 parameters and more.
    import steepest as sd

    exact = sd.theory.spectrum(import_module("benchmarks.eigenvalue").digits(8), dense_limit=10_000).largest.value
    assert ours.results(ours.run())["eigenvalue"][0] == pytest.approx(exact, rel=1e-4)
    assert ("PyTorch" in eigenvalue.programs[-1].name) == (util.find_spec("torch") is not None)


def test_the_sweep_has_all_three_verdicts_where_runs_end_early_and_one_where_none_does(contest: ModuleType) -> None:
    early, none = import_module("benchmarks.sweep").contests(**SMALL["sweep"])
    verdicts = [set(each.programs[0].results(each.programs[0].run())["verdict"]) for each in (early, none)]
    # On w₁² + 10 w₂² rates above 2 / 20 diverge; 300 steps are few for the smallest of the others.
    assert verdicts == [{"converged", "diverged", "out of steps"}, {"out of steps"}]


def test_the_numba_kernels_take_part_where_numba_is_installed(contest: ModuleType) -> None:
    pytest.importorskip("numba")
    for each in import_module("benchmarks.sweep").contests(**SMALL["sweep"]):
        assert sum(program.name.startswith("numba") for program in each.programs) == 2


def test_the_libraries_that_batch_runs_converge_where_steepest_does(contest: ModuleType) -> None:
    peers = import_module("benchmarks.peers")
    (sweep,) = peers.contests(runs=50, steps=300)
    differences = contest.disagreement(sweep)
    installed = [name for name in ("optimistix", "torch") if util.find_spec(name) is not None]
    assert len(differences) == len(installed)
    for apart in differences.values():
        assert apart["converged"] == 0.0
        assert apart["w"] < 1e-12
    for name in ("optimistix", "torch"):
        assert (f"pip install {name}" in sweep.task) == (name not in installed)
    found = sweep.programs[0].results(sweep.programs[0].run())
    assert 0 < found["converged"].sum() < 50
    # The runs that converged are counted as being at the minimum, the slow ones are not.
    assert 0 < np.count_nonzero(found["w"].any(axis=1)) < len(found["w"]) < 50


def test_optimistix_stops_a_step_after_steepest(benchmarks: ModuleType) -> None:
    pytest.importorskip("optimistix")
    import optax

    import steepest as sd

    rates = np.geomspace(0.03, 0.09, 20)
    _, rounds = import_module("benchmarks.peers").optimistix_minimise(rates, 1_000)()
    stop = sd.Stop(gradient_norm=1e-8)
    descent = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=rates, steps=1_000, stop=stop)
    # The first of its rounds is a look at the start.
    np.testing.assert_array_equal(rounds - 2, descent.steps.values)


def test_the_cost_of_growing_numbers_of_runs_is_tabulated(
    benchmarks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaling = import_module("benchmarks.scaling")
    monkeypatch.setattr(scaling, "_LEAST_SECONDS", 0.0)
    here = scaling.cost_here(20, 10)
    assert here.cores == scaling.available_cores()
    assert here.warm > 0
    assert 0 < here.loaded <= here.descended <= here.labelled
    asked = []

    def in_fresh_process(runs: int, steps: int, cores: int) -> Any:
        asked.append((runs, steps, cores))
        return here._replace(cores=cores, warm=0.001 / cores)

    monkeypatch.setattr(scaling, "in_fresh_process", in_fresh_process)
    monkeypatch.setattr(scaling, "available_cores", lambda: 2)
    monkeypatch.setattr(scaling, "command_seconds", lambda folder: 2.0)
    text = scaling.measured(quick=True)
    assert asked == [(100, 1_000, 2), (1_000, 1_000, 2), (10_000, 1_000, 2), (1_000, 1_000, 1), (1_000, 1_000, 2)]
    # A millisecond of one core for 100 runs of 1,000 steps.
    assert any(line.startswith("| 100 | 2 |") and "| 10.0 |" in line for line in text.splitlines())
    assert any(line.startswith("| 2 |") and "| 2.00 |" in line for line in text.splitlines())
    monkeypatch.setattr(scaling, "available_cores", lambda: 1)
    assert "only one core" in scaling.measured(quick=True)


def test_a_process_of_its_own_prints_its_cost_and_has_its_own_peak(
    benchmarks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scaling = import_module("benchmarks.scaling")
    cost = scaling.Cost(1, 2.0, 0.5, 100.0, 200.0, 300.0)
    monkeypatch.setattr(scaling, "cost_here", lambda runs, steps: cost if (runs, steps) == (10, 20) else None)
    kept: list[list[int]] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: kept.append(list(cores)), raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 1}, raising=False)
    monkeypatch.setattr(sys, "argv", ["benchmarks.scaling", "10", "20", "1"])
    scaling.main()
    assert scaling.Cost(**json.loads(capsys.readouterr().out)) == cost
    assert kept == [[1]]
    # This process has JAX loaded and more; a new one begins small.
    program = "from benchmarks.scaling import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", program], cwd=scaling.ROOT, check=True, capture_output=True, text=True)
    if Path("/proc/self/status").exists():
        assert 0 < float(done.stdout) < scaling.peak_memory() / 2


def test_the_command_prints_what_a_module_measured_itself(
    benchmarks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = import_module("benchmarks.__main__")
    scaling = import_module("benchmarks.scaling")
    monkeypatch.setattr(scaling, "measured", lambda quick: f"| quick | {quick} |")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "scaling", "--quick", "--markdown", str(tmp_path / "found.md")])
    command.main()
    assert "| quick | True |" in capsys.readouterr().out
    assert "| quick | True |" in (tmp_path / "found.md").read_text(encoding="utf-8")


def test_results_that_differ_are_refused(contest: ModuleType) -> None:
    def program(name: str, value: float) -> Any:
        return contest.Program(name, lambda: np.array([1.0, value]), lambda values: {"loss": values})

    def match(value: float) -> Any:
        return contest.Contest("two", "to be alike", (program("one", 2.0), program("other", value)), 1e-10)

    assert contest.disagreement(match(2.0 + 1e-12))["other"]["loss"] < 1e-11
    for value in (2.0 + 1e-6, np.nan, np.inf):
        with pytest.raises(ArithmeticError, match="loss differs by"):
            contest.disagreement(match(value))


def test_every_program_is_measured_as_often_as_asked(contest: ModuleType) -> None:
    timing = import_module("benchmarks.timing")
    calls = {"one": 0, "other": 0}
    forgotten = {"one": 0, "other": 0}

    def program(name: str) -> Any:
        def run() -> float:
            calls[name] += 1
            # Long enough for one call to fill a measurement, or nearly.
            return float(np.sum(np.ones(20_000_000)))

        def forget() -> None:
            forgotten[name] += 1

        return contest.Program(name, run, lambda value: {"sum": np.asarray(value)}, forget)

    match = contest.Contest("two", "to sum", (program("one"), program("other")), 0.0)
    times = timing.timed(match, timing.Effort(rounds=3, first_rounds=2))
    assert forgotten == {"one": 2, "other": 2}
    for name, number in calls.items():
        assert times[name].first.shape == (2,)
        assert times[name].warm.shape == (3,)
        assert times[name].first.min() > 0
        assert times[name].warm.min() > 0
        # Two first calls, one to see how long it takes, and in each of three rounds one that is not timed.
        assert number >= 2 + 1 + 3 * 2
    table = import_module("benchmarks.report").table(match, times, {"other": {"sum": 0.0}})
    assert sum(line.startswith(("| one |", "| other |")) for line in table.splitlines()) == 2


def test_the_command_prints_the_machine_and_refuses_an_unknown_name(
    benchmarks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = import_module("benchmarks.__main__")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "rosenbrok"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert "choose from rosenbrock, sweep, sgd" in capsys.readouterr().err
    lines = "\n".join(import_module("benchmarks.machine").description())
    assert f"jax {import_module('importlib.metadata').version('jax')}" in lines
    assert "cores" in lines
    assert ("numba not installed" in lines) == (util.find_spec("numba") is None)


def test_data_larger_than_memory_are_written_read_and_trained_on(monkeypatch, tmp_path):
    streaming = import_module("benchmarks.streaming")
    monkeypatch.setattr(streaming, "ROWS", 500_000)
    monkeypatch.setenv("BENCHMARK_FOLDER", str(tmp_path))
    text = streaming.measured(quick=True)
    assert "5,000 rows × 100 features" in text
    assert text.count("MB |") == len(streaming._JOBS)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_what_a_write_to_a_store_costs_is_measured():
    seconds, size = import_module("benchmarks.cluster").stored(2_000)
    assert 0 < seconds < 10
    assert 1 < size < 1000


def test_the_estimators_are_scored_beside_their_peers(contest: ModuleType) -> None:
    scores = import_module("benchmarks.estimators")
    x, y = scores.tables()["regression, scales 1e-3 to 1e4"]
    found = {
        name: scores.outcome(make, x, y, standardised=False, splits=2)
        for name, make in scores.rivals(classes=False, network=False).items()
    }
    assert found["DescentRegressor"].diverged == found["Ridge"].diverged == 0
    assert found["SGDRegressor"].diverged == 2
    assert scores.compared(found["DescentRegressor"], found["SGDRegressor"]) == "better"
    assert scores.compared(found["SGDRegressor"], found["DescentRegressor"]) == "worse"
    assert len(scores.tables()) >= 12


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diabetes", "breast_cancer", "wine", "iris", "digits"])
def test_on_bundled_tables_the_estimators_are_no_worse_than_their_peers(name: str, contest: ModuleType) -> None:
    """As they come, by more than the noise of four splits; the table of docs/benchmarks.md has eight."""
    scores = import_module("benchmarks.estimators")
    x, y = scores.tables()[name]
    for network in (False, True):
        rivals = scores.rivals(classes=name != "diabetes", network=network)
        ours, *others = [scores.outcome(make, x, y, standardised=False, splits=4) for make in rivals.values()]
        assert ours.diverged == 0
        if (name, network) != ("iris", True):  # docs/benchmarks.md says why
            assert "worse" not in {scores.compared(ours, theirs) for theirs in others}
