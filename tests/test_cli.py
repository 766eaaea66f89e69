"""The command line: the real command for what it prints and writes, an in-process runner for bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import steepest as sd
from steepest.cli import app

HEAVY = ("jax", "numpy", "pandas", "matplotlib", "optax", "xarray", "sklearn", "scipy")

SURFACES = """
import math

import jax.numpy as jnp
import numpy as np

import steepest as sd
from neighbour import STEEPNESS

bowl = sd.Objective(lambda w: w[0] ** 2 + STEEPNESS * w[1] ** 2, start=[4.0, 2.5], name="bowl")
risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, np.arange(4.0)[:, None], 2 * np.arange(4.0) + 1)
number = 3


def ridge(w):
    return w[0] ** 2 + jnp.sqrt(1 + w[1] ** 2)


def untraceable(w):
    return math.sin(w[0])


def misspelt(w):
    return w.summ()


def vector(w):
    return 2 * w


def slow_sgd(learning_rate):
    import optax

    return optax.sgd(learning_rate / 10)


def broken_method(learning_rate):
    raise KeyError("no such part")
"""


def command(*arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command and check that it ended well."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    ended = subprocess.run(
        [sys.executable, "-m", "steepest", *arguments],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def in_process(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})


def refused(*arguments: str) -> str:
    """The one line that bad input gets."""
    result = in_process(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("steepest: ")
    return lines[0].removeprefix("steepest: ")


@pytest.fixture
def surfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, made the current one, with objectives in surfaces.py."""
    (tmp_path / "surfaces.py").write_text(SURFACES)
    (tmp_path / "neighbour.py").write_text("STEEPNESS = 10.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    return tmp_path


def words(text: str) -> str:
    """The text with all white space alike, so that a line break in a table does not matter."""
    return " ".join(text.split())


# What answers without computing


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from steepest.cli import app; app(['descend', '--help'], standalone_mode=False); "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "--learning-rate V" in ended.stdout


def test_help_answers_within_half_a_second() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        command("--help")
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 0.5


def test_help_shows_every_command_and_the_grammar() -> None:
    everything = in_process("--help").stdout
    for name in ("descend", "fit", "chapter", "landscapes", "datasets"):
        assert f"\n  {name} " in everything
    grammar = in_process("descend", "--help").stdout
    for example in ("0.1,0.2", "1e-4..1:50", "0..0.9:10:linear"):
        assert example in grammar
    assert max(map(len, (everything + grammar).splitlines())) <= 80


def test_landscapes_are_listed_with_what_is_known_of_them() -> None:
    told = in_process("landscapes").stdout
    assert max(map(len, told.splitlines())) <= 80
    for name, landscape in sd.landscapes.CATALOGUE.items():
        assert f"\n{name}" in "\n" + told
        assert words(landscape.source) in words(told)


def test_a_terminal_that_knows_only_ascii_gets_the_rest() -> None:
    rows = command("descend", "bowl", "--learning-rate", "0.1,0.3", "--steps", "60", PYTHONIOENCODING="ascii").stdout
    assert "0.3 diverged" in words(rows.replace("|", " "))


def test_datasets_are_listed_and_written(tmp_path: Path) -> None:
    listed = in_process("datasets").stdout
    assert "iris 150 4 3 classes" in words(listed)
    assert "diabetes 442 10 a number" in words(listed)
    write = ("datasets", "iris", "--out", str(tmp_path / "tables" / "iris.csv"))
    assert in_process(*write).exit_code == 0
    pd.testing.assert_frame_equal(pd.read_csv(write[-1]), sd.datasets.bundled("iris"))
    assert "exists already" in refused(*write)
    assert in_process(*write, "--overwrite").exit_code == 0
    assert "did you mean 'iris'?" in refused("datasets", "irs", "--out", "irs.csv")
    assert "--out is missing" in refused("datasets", "iris")
    assert "did you mean '.parquet'?" in refused("datasets", "iris", "--out", "iris.parket")


def test_version() -> None:
    assert in_process("--version").stdout == f"steepest {sd.__version__}\n"


# steepest descend


def test_one_run_is_told_in_full() -> None:
    """30 steps at 0.08 on the chapter's bowl w1² + 5 w2² multiply the coordinates by 0.84 and 0.2 each (15.3)."""
    ended = command("descend", "bowl", "--learning-rate", "0.08", "--steps", "30")
    assert ended.stderr == ""
    assert words(ended.stdout).startswith("bowl, sgd, learning_rate 0.08, 1 run verdict out of steps at step 30")
    told = dict(line.rsplit(maxsplit=1) for line in ended.stdout.splitlines() if line.startswith(("loss", "w[")))
    assert float(told["w[0]"]) == pytest.approx(4 * 0.84**30, rel=1e-9)
    assert float(told["w[1]"]) == pytest.approx(2.5 * 0.2**30, rel=1e-9)
    assert float(told["loss"]) == pytest.approx((4 * 0.84**30) ** 2, rel=1e-9)


def test_a_sweep_is_told_by_its_verdicts_and_written_in_full(tmp_path: Path) -> None:
    """The steep bowl's largest eigenvalue is 20, so plain descent diverges above a learning rate of 2/20."""
    ended = command(
        *("descend", "steep_bowl", "--learning-rate", "0.01..0.2:20:linear", "--set", "momentum=0,0.5"),
        *("--steps", "200", "--out", "sweep.csv"),
        folder=tmp_path,
    )
    assert ended.stderr == ""
    assert "\x1b" not in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    told = words(ended.stdout)
    assert "40 runs (learning_rate 20 × momentum 2)" in told
    assert " 0 0.1 0.1 1 out of steps 0 0.11 0.2 10 diverged " in told
    assert told.endswith("written: sweep.csv")
    rates = np.linspace(0.01, 0.2, 20)
    sweep = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=rates, momentum=[0, 0.5], steps=200)
    table = pd.read_csv(tmp_path / "sweep.csv")
    pd.testing.assert_frame_equal(table, sweep.to_dataframe(), check_dtype=False, rtol=1e-12)
    counts = pd.Series(sweep.verdict.values.ravel()).value_counts()
    for verdict, count in counts.items():
        assert f" {count} {verdict} the " in told


ANNOUNCING_THAT_IT_LISTENS = """
import signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)
install = signal.signal

def announced(*arguments):
    install(*arguments)
    print("listening", file=sys.stderr, flush=True)

signal.signal = announced
from steepest.cli import main

main()
"""


def test_ctrl_c_shows_what_is_done_and_exits_with_130() -> None:
    running = subprocess.Popen(
        [
            *(sys.executable, "-c", ANNOUNCING_THAT_IT_LISTENS, "descend", "bowl", "--learning-rate", "1e-12,2e-12"),
            *("--steps", "2000000000", "--every", "1000000"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert running.stderr.readline() == "listening\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    for rate in ("1e-12", "2e-12"):
        assert f" {rate} interrupted " in words(out)
    assert err.splitlines()[-1] == "steepest: interrupted: the runs under way were stopped where they stood"


def test_an_objective_from_a_file(surfaces: Path) -> None:
    told = in_process("descend", "surfaces.py:bowl", "--learning-rate", "0.05", "--steps", "2")
    assert told.exit_code == 0, told.output
    # One step multiplies the first coordinate by 1 - 2·0.05.
    assert words(told.stdout).startswith(
        "surfaces.py:bowl, sgd, learning_rate 0.05, 1 run verdict out of steps at step 2"
    )
    assert " w[0] 3.24 " in words(told.stdout)


def test_a_plain_function_with_several_starts_and_a_method_from_a_file(surfaces: Path) -> None:
    told = in_process(
        *("descend", "surfaces.py:ridge", "--method", "surfaces.py:slow_sgd", "--learning-rate", "1", "--steps", "1"),
        *("--start", "-1,0", "--start", "5,0"),
    )
    assert told.exit_code == 0, told.output
    assert "-1,0 out of steps 1 steps 1.64 1.6 (-0.8, 0)" in words(told.stdout)
    assert "5,0 out of steps 1 steps 17 8 (4, 0)" in words(told.stdout)


def test_an_empirical_risk_from_a_file_in_epochs_and_batches(surfaces: Path) -> None:
    """The rows lie on y = 2x + 1, so every batch size converges to weight 2 and bias 1."""
    told = in_process(
        *("descend", "surfaces.py:risk", "--learning-rate", "0.1", "--epochs", "400", "--batch-size", "none,2"),
        *("--out", "risk.zarr", "--gradient-norm", "1e-6"),
    )
    assert told.exit_code == 0, told.output
    dataset = xr.open_zarr(surfaces / "risk.zarr")
    assert dataset.sizes["batch_size"] == 2
    assert (dataset.verdict == "converged").all()
    final = dataset.path.isel(epoch=-1).values
    np.testing.assert_allclose(final[np.isfinite(final).all(axis=1)], [[1.0, 2.0]], atol=1e-5)


def test_several_methods_are_an_axis_and_parquet_holds_them(surfaces: Path) -> None:
    told = in_process(
        *("descend", "rosenbrock:4", "--method", "sgd,nadam", "--learning-rate", "1e-4..1e-3:3", "--steps", "5"),
        *("--dtype", "float32", "--out", "methods.parquet", "--seed", "0,1,2"),
    )
    assert told.exit_code == 0, told.output
    table = pd.read_parquet(surfaces / "methods.parquet")
    assert sorted(table["method"].unique()) == ["nadam", "sgd"]
    assert sorted(table["seed"].unique()) == [0, 1, 2]
    assert len(table) == 2 * 3 * 3 * 6


def test_what_is_there_is_replaced_only_when_asked(surfaces: Path) -> None:
    run = ("descend", "bowl", "--learning-rate", "0.1", "--steps", "3", "--out", "run.zarr")
    assert in_process(*run).exit_code == 0
    assert "run.zarr exists already" in refused(*run)
    assert in_process(*run, "--overwrite").exit_code == 0


RATE = ("--learning-rate", "0.1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rosenbrok", *RATE), "did you mean 'rosenbrock'?"),
        (("bowl:3", *RATE), "in any dimension there are ackley, "),
        (("rastrigin:many", *RATE), "must be a whole number, got 'rastrigin:many'"),
        (("nowhere.py:bowl", *RATE), "there is no file 'nowhere.py'"),
        (("surfaces.py", *RATE), "lacks a name: write surfaces.py:NAME, one of bowl, "),
        (("surfaces.py:bowel", *RATE), "did you mean 'bowl'?"),
        (("surfaces.py:number", *RATE), "must be an Objective, an EmpiricalRisk or a function"),
        (("surfaces.py:ridge", *RATE), "start is missing"),
        (("surfaces.py:untraceable", *RATE, "--start", "1,2"), "use jax.numpy"),
        (("surfaces.py:misspelt", *RATE, "--start", "1,2"), "no attribute summ"),
        (("surfaces.py:vector", *RATE, "--start", "1,2"), "the loss must be a scalar"),
        (("bowl", *RATE, "--method", "adamm"), "did you mean 'adam'?"),
        (("bowl", *RATE, "--method", "sgd,sgd"), "names one twice"),
        (("bowl", *RATE, "--method", "surfaces.py:slow"), "did you mean 'slow_sgd'?"),
        (
            ("bowl", *RATE, "--method", "surfaces.py:broken_method"),
            "broken_method(learning_rate=0.1) is not a method that works: 'no such part'",
        ),
        (("bowl", *RATE, "--set", "momentun=0.9"), "did you mean 'momentum'?"),
        (("bowl", *RATE, "--set", "learning_rate=0.2"), "give one of the two"),
        (("bowl", *RATE, "--set", "momentum"), "--set must be NAME=VALUE"),
        (("bowl", *RATE, "--set", "batch_size=2"), "not a hyper-parameter of a method; use --batch-size"),
        (("bowl", *RATE, "--set", "average=true"), "not a hyper-parameter of a method; use Python"),
        (("bowl",), "learning_rate is missing"),
        (("bowl", "--learning-rate", "fast"), "--learning-rate: 'fast' is not a value"),
        (("bowl", "--learning-rate", "none"), "--learning-rate: 'none' is not a value"),
        (("bowl", "--learning-rate", "0..1:5"), "write 0..1:5:linear"),
        (("bowl", *RATE, "--steps", "0"), "steps must be at least 1"),
        (("bowl", *RATE, "--steps", "-5"), "steps must be at least 1"),
        (("bowl", *RATE, "--steps", "5", "--epochs", "5"), "not both"),
        (("bowl", *RATE, "--epochs", "5"), "epochs needs an objective with rows"),
        (("bowl", *RATE, "--batch-size", "5"), "batch_size needs an objective with rows"),
        (("surfaces.py:risk", *RATE, "--batch-size", "5"), "batch"),
        (("bowl", *RATE, "--every", "0"), "every must be at least 1"),
        (("bowl", *RATE, "--seed", "0.5"), "seed must be a whole number"),
        (("bowl", *RATE, "--seed=-1"), "seed must lie in 0 to"),
        (("bowl", *RATE, "--start", "1,2,3"), "start must have shape (2,)"),
        (("bowl", *RATE, "--start", "1,b"), "--start: 'b' is not a number"),
        (("bowl", *RATE, "--gradient-norm=-1"), "gradient_norm must be a number at least 0"),
        (("bowl", *RATE, "--parameter-norm=-1"), "parameter_norm must be a number at least 0"),
        (("bowl", *RATE, "--target-loss", "nan"), "target_loss must be a number"),
        (("bowl", *RATE, "--dtype", "float16"), "did you mean 'float64'?"),
        (("bowl", *RATE, "--out", "run.cvs"), "did you mean '.csv'?"),
        (("bowl", *RATE, "--out", "surfaces.py/run.csv"), "surfaces.py is a file"),
        (("bowl", *RATE, "--figures", "surfaces.py"), "surfaces.py is a file"),
    ],
)
def test_bad_input_gets_one_line(surfaces: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused("descend", *arguments)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("bowl = (\n", "broken.py line 1: SyntaxError: '(' was never closed"),
        ("import jax\n\nbowl = undefined\n", "broken.py line 3: NameError: name 'undefined' is not defined"),
        ("import nothing_of_that_name\n", "broken.py line 1: ModuleNotFoundError: No module named"),
        ("def f():\n    raise KeyError('x')\n\nf()\n", "broken.py line 2: KeyError: 'x'"),
        ("import sys\nsys.exit(3)\n", "broken.py line 2: the file ends the program"),
        ("x = 1\n", "broken.py defines no objective 'bowl', nor any other"),
        ("\x00", "broken.py"),
    ],
)
def test_a_file_that_does_not_run_is_told_with_its_line(surfaces: Path, text: str, sentence: str) -> None:
    (surfaces / "broken.py").write_text(text)
    assert sentence in refused("descend", "broken.py:bowl", *RATE)


def test_figures_are_drawn_where_asked(surfaces: Path) -> None:
    told = in_process("descend", "bowl", "--learning-rate", "0.05,0.3", "--steps", "20", "--figures", "figures")
    assert told.exit_code == 0, told.output
    assert told.stdout.endswith("drawn: figures/losses.png, figures/paths.png, figures/verdicts.png\n")
    assert sorted(file.name for file in (surfaces / "figures").iterdir()) == ["losses.png", "paths.png", "verdicts.png"]


# steepest chapter


def test_a_section_of_the_chapter_agrees(tmp_path: Path) -> None:
    told = in_process("chapter", "15.5", "--out", str(tmp_path / "chapter"))
    assert told.exit_code == 0, told.output
    assert "0.105 steps 39 39 0 " in words(told.stdout)
    # Four runs: of each its steps, the two numbers of its end and its loss; and 304 of the fine sweep.
    assert "all 320 numbers agree with the book" in told.stdout
    *table, path = told.stdout.splitlines()
    assert max(map(len, table)) <= 80
    assert path.startswith("written: ")
    assert (tmp_path / "chapter" / "numbers.json").exists()


def test_a_number_that_differs_from_the_book_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steepest import chapter

    book = chapter.book_numbers()
    book["15.5 learning rate effect"]["0.04"]["loss"] *= 1 + 1e-9
    monkeypatch.setattr(chapter, "book_numbers", lambda: book)
    told = in_process("chapter", "15.5", "--out", str(tmp_path))
    assert told.exit_code == 1, told.output
    assert "1.0e-09 DIFFERS" in told.stdout
    assert "1 of 17 rows differ from the book" in told.stdout


def test_bad_input_to_the_chapter(tmp_path: Path) -> None:
    assert "did you mean '15.5'?" in refused("chapter", "15.55", "--out", str(tmp_path))
    (tmp_path / "file").touch()
    assert "file is a file" in refused("chapter", "15.5", "--out", str(tmp_path / "file"))


# steepest fit


def test_fit_tells_the_essence_and_leaves_a_folder(tmp_path: Path) -> None:
    """The target is a line with noise of a tenth of its spread, so R² is near 1 - 0.1² / 1.01."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 2))
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [0.6, 0.8] + 0.1 * generator.normal(size=120)})
    table.to_csv(tmp_path / "table.csv", index=False)
    fit = ("fit", "table.csv", "--target", "y", "--learning-rate", "1e-2..10:4", "--epochs", "200", "--out", "fitted")
    ended = command(*fit, folder=tmp_path)
    told = words(ended.stdout)
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "tried 4 learning rates: " in told
    assert "written: fitted" in told
    metrics = json.loads((tmp_path / "fitted" / "metrics.json").read_text())
    assert metrics["test"]["r2"]["value"] == pytest.approx(0.99, abs=0.01)
    assert f" r2 {metrics['test']['r2']['value']:.4g} " in told
    assert "steepest fit table.csv --target y" in (tmp_path / "fitted" / "summary.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--target", "z"), "did you mean"),
        (("--target", "y", "--model", "liner"), "did you mean 'linear'?"),
        (("--target", "y", "--method", "adamm"), "did you mean 'adam'?"),
        (("--target", "y", "--learning-rate", "fast"), "--learning-rate: 'fast' is not a value"),
        (("--target", "y", "--hidden", "64,x"), "--hidden must be whole numbers of at least 1"),
        (("--target", "y", "--test-size", "1.5"), "test_size must lie between 0 and 1"),
        (("--target", "y", "--epochs", "0"), "epochs must be at least 1"),
        (("--target", "y", "--out", "table.csv"), "table.csv is a file"),
        (("--target", "y", "--out", "."), "is not empty"),
    ],
)
def test_bad_input_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"zz": np.arange(20.0), "y": np.arange(20.0) ** 2}).to_csv("table.csv", index=False)
    assert sentence in refused("fit", "table.csv", *arguments)


def test_a_fit_that_was_interrupted_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import steepest.fit

    fit = steepest.fit.fit

    def interrupted(*arguments: Any, **options: Any) -> Any:
        fitted = fit(*arguments, **options)
        fitted.sweep.dataset["verdict"] = fitted.sweep.verdict.astype("<U20")
        fitted.sweep.verdict[0] = "interrupted"
        return fitted

    monkeypatch.setattr(steepest.fit, "fit", interrupted)
    pd.DataFrame({"x": np.arange(20.0), "y": np.arange(20.0) ** 2}).to_csv(tmp_path / "table.csv", index=False)
    told = in_process(
        *("fit", str(tmp_path / "table.csv"), "--target", "y", "--learning-rate", "0.01,0.1", "--epochs", "5"),
        *("--out", str(tmp_path / "fitted")),
    )
    assert told.exit_code == 130, told.output
    assert "1 interrupted" in told.stdout
    assert list((tmp_path / "fitted").iterdir()) == []


def test_a_table_that_is_not_there() -> None:
    assert "there is no table at nowhere.csv" in refused("fit", "nowhere.csv", "--target", "y")


# What every command shares


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("steepest.cli.descend.find_objective", broken)
    assert isinstance(in_process("descend", "bowl", *RATE).exception, ZeroDivisionError)


def test_a_note_of_the_library_is_one_line_too() -> None:
    """200,000 steps of 100 runs recorded each would take more than the library records unasked."""
    told = in_process("descend", "bowl", "--learning-rate", "0.01..0.1:100", "--steps", "400000")
    assert told.exit_code == 0
    assert told.stderr.startswith("steepest: note: recording every step would take ")
    assert len(told.stderr.splitlines()) == 1


def test_usage_mistakes_exit_with_2() -> None:
    for arguments in (["descend"], ["descent", "bowl"], ["descend", "bowl", "--lerning-rate", "1"], ["chapter"]):
        assert in_process(*arguments).exit_code == 2


# Diagnosis


def test_diagnose_says_which_rate_works_and_tries_it():
    told = command("diagnose", "steep_bowl", "--learning-rate", "0.105").stdout
    assert "steep_bowl, 2 parameters" in told
    assert "limit 2), at the edge" in " ".join(told.split())
    assert "diverged at step" in told
    assert max(map(len, told.splitlines())) <= 96


def test_diagnose_for_programs_prints_json_alone(tmp_path):
    table = tmp_path / "diabetes.csv"
    in_process("datasets", "diabetes", "--out", str(table))
    told = in_process("diagnose", str(table), "--target", "target", "--json")
    found = json.loads(told.stdout)
    assert found["advice"]["certain"] is True
    assert [trial["as_predicted"] for trial in found["trials"]] == [True, True]
    raw = json.loads(in_process("diagnose", str(table), "--target", "target", "--raw", "--json").stdout)
    assert "scales" in {finding["kind"] for finding in raw["findings"]}
    assert "scales" not in {finding["kind"] for finding in found["findings"]}


def test_diagnose_takes_what_a_file_defines(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(
        "import steepest as sd\n\n"
        "valley = sd.Objective(lambda w: w[0] ** 2 + 9 * w[1] ** 2, start=[1.0, 1.0], name='valley')\n"
    )
    monkeypatch.chdir(tmp_path)
    told = in_process("diagnose", "own.py:valley").stdout
    assert "valley, 2 parameters" in told
    assert "learning rate 0.0555556" in told  # one over the curvature 18


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bowl", "--target", "y"), "--target is for a table"),
        (("bowl", "--raw"), "--raw is for a table"),
        (("no-such.csv",), "--target is missing"),
        (("no-such.csv", "--target", "y"), "no-such.csv"),
        (("bowll",), "did you mean 'bowl'"),
        (("bowl", "--learning-rate", "-1"), "finite number above 0"),
        (("ackley", "--start", "0,0"), "ackley"),
    ],
)
def test_what_diagnose_cannot_do_is_one_line(arguments, words):
    assert words in refused("diagnose", *arguments)


def test_auto_is_a_learning_rate_of_descend_and_fit(tmp_path):
    told = in_process("descend", "bowl", "--learning-rate", "auto", "--steps", "200").stdout
    assert "converged" in told
    assert "2/(L + μ)" in " ".join(told.split())
    table = tmp_path / "diabetes.csv"
    in_process("datasets", "diabetes", "--out", str(table))
    fitted = " ".join(in_process("fit", str(table), "--target", "target", "--learning-rate", "auto").stdout.split())
    assert "2 (1 + β)/(L + μ)" in fitted
    assert "knows optax.sgd" in refused("descend", "bowl", "--learning-rate", "auto", "--method", "adam")
