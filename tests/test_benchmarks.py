"""The programs that are timed side by side compute the same, at sizes that take no time."""

from __future__ import annotations

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
