"""The lab without its page: formulas against NumPy, states there and back, answers and exported code, the server."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import jax
import numpy as np
import optax
import pandas as pd
import pytest
import uvicorn
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

import steepest as sd
from steepest.lab import answers, desk, maps, method, problem, theory
from steepest.lab import server as serving
from steepest.lab.code import code
from steepest.lab.formula import as_python, objective_of
from steepest.lab.presets import PRESETS
from steepest.lab.serving import listening
from steepest.lab.state import LEAST_RATE, MOST_RATE, State, from_address, from_query


class Answer(NamedTuple):
    """What the server said."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Asks a server on this machine, over the wire."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request("GET", path, headers=named)
            found = connection.getresponse()
            told = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, told, found.read())


@pytest.fixture(scope="module")
def client():
    taken = listening(0)
    server = uvicorn.Server(uvicorn.Config(serving.application(), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Client(taken.getsockname()[1])
    server.should_exit = True
    thread.join(30)
    taken.close()


# Formulas

NAMES = {"sin": np.sin, "cos": np.cos, "exp": np.exp, "tanh": np.tanh, "abs": np.abs, "pi": np.pi, "e": np.e}


def formulas() -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["w1", "w2", "x", "y", "pi", "2", "0.5", "3.25"])

    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({' '.join(parts)})"),
            st.tuples(inner, st.sampled_from(["2", "3"])).map(lambda parts: f"({parts[0]})^{parts[1]}"),
            st.tuples(st.sampled_from(["sin", "cos", "tanh", "abs"]), inner).map(
                lambda parts: f"{parts[0]}({parts[1]})"
            ),
            inner.map(lambda part: f"-({part})"),
        )

    return st.recursive(leaf, wider, max_leaves=8)


@given(formulas(), st.floats(-2, 2), st.floats(-2, 2))
def test_a_formula_is_what_numpy_makes_of_it(text, w1, w2):
    names = NAMES | {"w1": np.float64(w1), "w2": np.float64(w2), "x": np.float64(w1), "y": np.float64(w2)}
    with np.errstate(all="ignore"):
        expected = float(eval(text.replace("^", "**"), {"__builtins__": {}}, names))
    found = objective_of(text)([w1, w2])
    if np.isfinite(expected) and abs(expected) < 1e12:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        written = eval(as_python(text), {"jnp": jax.numpy, "w": np.array([w1, w2])})
        assert float(written) == pytest.approx(expected, rel=2e-5, abs=2e-5)  # float32 where nobody asks for more


def test_a_power_of_a_negative_number_has_a_gradient():
    run = sd.descend(objective_of("(w1 - 1)^2 + w2^4"), optax.sgd, start=[-3.0, -0.5], learning_rate=0.05, steps=50)
    assert np.isfinite(run.loss.values).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('true')", "cannot stand in a formula"),
        ("w1.__class__", "cannot stand in a formula"),
        ("open('x')", "unknown function 'open'"),
        ("[w1 for w1 in (1, 2)]", "cannot stand in a formula"),
        ("lambda: 1", "cannot stand in a formula"),
        ("w1 if w2 else 3", "cannot stand in a formula"),
        ("'a' * 3", "cannot stand in a formula"),
        ("1j", "cannot stand in a formula"),
        ("True", "cannot stand in a formula"),
        ("w1 := 3", "cannot be read"),
        ("w1; w2", "cannot be read"),
        ("w1 +", "cannot be read"),
        ("", "is empty"),
        ("w3", "unknown name 'w3'"),
        ("sin(w1, w2)", "sin takes one argument, got 2"),
        ("sin(*w1)", "sin takes one argument"),
        ("w1 // w2", "cannot stand in a formula"),
        ("-" * 200 + "w1", "nested more than 30 deep"),
        ("(w1+" * 40 + "w2" + ")" * 40, "nested more than 30 deep"),
        ("+".join(["1"] * 101), "has more than 200 numbers"),
        ("w1 // 2", "w1 and w2 (or x and y)"),
        ("w1" * 200, "400 characters; 300 are allowed"),
    ],
)
def test_what_is_no_formula_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        objective_of(text)


@pytest.mark.parametrize("sign", "+-*/")
def test_a_long_sum_or_product_is_not_nested(sign):
    text = sign.join(["w1"] * 70)
    assert objective_of(text)([1.0, 3.0]) == eval(text, {"w1": 1.0})


CONSTANTS = [
    "9^9^9^9", "10^400", "1/0", "0^(-1)", "(-8)^(1/3)", "0/0", "2/3", "1/(1-1)", "-(2^0.5)", "pi/0", "e^e", "1e400",
]  # fmt: skip


@pytest.mark.parametrize("text", CONSTANTS)
def test_constants_of_an_exported_formula_are_those_of_the_lab(text):
    """Python would raise, or take a root of a negative number for a complex one."""
    for whole in (f"{text} * w1", f"w2^2 + {text}", f"w1^({text})"):
        with jax.enable_x64(True):
            written = eval(as_python(whole), {"jnp": jax.numpy, "w": jax.numpy.asarray([1.5, 2.0])})
        np.testing.assert_array_equal(float(written), objective_of(whole)([1.5, 2.0]))


def test_a_formula_that_explodes_has_an_infinite_value_at_once():
    assert objective_of("9^9^9^9^9 + w1")([1.0, 1.0]) == np.inf


# States


@given(
    st.sampled_from(["rosenbrock", "himmelblau", "regression"]),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=8),
    st.sampled_from(["gradient descent", "heavy ball", "nesterov", "adam", "rmsprop"]),
    st.floats(1e-12, 1e6),
    st.floats(0, 0.999),
    st.integers(1, 20_000),
    st.integers(0, 2**31 - 1),
)
def test_a_state_is_the_same_after_its_address(name, starts, used, rate, momentum, steps, seed):
    state = State(name, "", tuple(starts), used, rate, momentum, "cosine", 0, 0.5, steps, seed)
    assert from_query(dict(parse_qsl(state.to_query()))) == state


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"learning_rate": "nan"}, "learning_rate must be a number from 1e-12 to 1e+06, got 'nan'"),
        ({"learning_rate": "inf"}, "got 'inf'"),
        ({"momentum": "1"}, "momentum must be a number from 0 to 0.999"),
        ({"steps": "1e9"}, "steps must be a whole number from 1 to 20000"),
        ({"steps": "99999999999999999999999"}, "steps must be a whole number"),
        ({"seed": "-1"}, "seed must be a whole number"),
        ({"batch_size": "²"}, "batch_size must be a whole number"),
        ({"starts": "1,2,3"}, "starts must be points"),
        ({"starts": "1e300,0"}, "up to 1e+06"),
        ({"starts": ";".join(["0,0"] * 9)}, "at most 8 points"),
        ({"problem": "rosenbrok"}, "did you mean 'rosenbrock'"),
        ({"method": "sgd<script>"}, "unknown method"),
        ({"speed": "1"}, "unknown field 'speed'"),
        ({"problem": "formula", "formula": "import os"}, "cannot be read"),
    ],
)
def test_a_state_that_is_wrong_is_told_in_words(client, query, words):
    for kind in ("runs", "landscape", "sweep", "basins", "code", "runs.nc"):
        answer = client.get(f"/{kind}?" + urlencode(query))
        assert answer.status_code == (400 if kind in ("code", "runs.nc") else 200)
        assert words in answer.json()["error"]


def test_a_formula_left_behind_is_none_of_the_state():
    left = from_query({"problem": "spirals", "formula": "w1^2"})
    assert left == from_query({"problem": "spirals"})
    assert left.found is from_query({"problem": "spirals"}).found
    assert from_query({"formula": "w1 +"}).formula == ""
    assert from_query({"problem": "formula", "formula": "w1^2"}).formula == "w1^2"


def test_a_thousand_steps_are_all_recorded():
    (run,) = answers.runs(State("bowl", starts=((4.0, 2.5),), learning_rate=1e-4, steps=1000))["runs"]
    assert run["step"] == list(range(1001))
    (run,) = answers.runs(State("bowl", starts=((4.0, 2.5),), learning_rate=1e-5, steps=20_000))["runs"]
    assert run["step"] == list(range(0, 20_001, 20))


@pytest.mark.parametrize(
    "before", ["", "?", "http://127.0.0.1:4001/?", "http://localhost:1/?", " http://127.0.0.1:9/?"]
)
def test_an_address_that_was_copied_is_its_state(before):
    state = State("himmelblau", "", ((1.0, 2.0), (-1.0, 0.5)), "nesterov", 0.01, 0.5, "cosine", 0, 0.0, 50, 3)
    assert from_address(before + state.to_query() + ("#" if before else "")) == state


def test_an_address_of_something_else_is_told_in_words():
    assert from_address("http://127.0.0.1:4001/") == from_query({})
    for text in ("rosenbrock", "http://127.0.0.1:1/?rosenbrock", "/tmp/file"):
        with pytest.raises(ValueError, match="is no address of the lab"):
            from_address(text)
    with pytest.raises(ValueError, match="did you mean 'rosenbrock'"):
        from_address("problem=rosenbrok")


# Answers


@pytest.mark.parametrize("state", [preset.state for preset in PRESETS], ids=[preset.name for preset in PRESETS])
def test_every_preset_is_answered_with_what_its_code_computes(state, tmp_path, monkeypatch):
    """The code that the page exports, run as a program, makes the runs that the page shows."""
    monkeypatch.chdir(tmp_path)
    shown = answers.runs(state)["runs"]
    names: dict[str, object] = {}
    exec(compile(code(state), "exported", "exec"), names)
    runs = names["runs"]
    assert isinstance(runs, sd.Descent)
    for place, run in enumerate(shown):
        own = runs.isel(start=place) if "start" in runs.axes else runs
        assert own.verdict.item() == run["verdict"]
        assert (
            own.final_loss.item()
            == pytest.approx(run["loss"][-1] if run["loss"][-1] is not None else np.nan, rel=1e-6, nan_ok=True)
            or run["steps"] < state.steps
        )
        assert int(own.steps.item()) == run["steps"]
    assert (tmp_path / "losses.png").stat().st_size > 1000


@st.composite
def states(draw: st.DrawFn) -> State:
    name, formula, rate = draw(
        st.sampled_from(
            [
                ("himmelblau", "", 0.01),
                ("regression", "", 0.05),
                ("formula", "w1^2 + sin(3*w2)^2/4 + (1/3)*abs(w1*w2)^1.5", 0.05),
                ("formula", "log(1 + x^2 + 2*y^2) + 2^(-1)*w1", 0.2),
                ("formula", "9^9^9^9*w1 + w2^2", 0.1),
            ]
        )
    )
    return State(
        name,
        formula,
        tuple(draw(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=4))),
        draw(st.sampled_from(["gradient descent", "heavy ball", "nesterov", "adam", "rmsprop"])),
        rate * draw(st.sampled_from([0.1, 1.0, 30.0])),
        draw(st.sampled_from([0.0, 0.5, 0.9])),
        draw(st.sampled_from(["constant", "constant", "cosine", "exponential", "1/t", "warm-up"])),
        draw(st.sampled_from([0, 1, 32])) if name == "regression" else 0,
        draw(st.sampled_from([0.0, 0.0, 0.1])),
        draw(st.sampled_from([1, 60, 1000, 1001, 2500])),
        draw(st.integers(0, 5)),
    )


@pytest.mark.slow
@settings(max_examples=60)
@given(states())
def test_exported_code_makes_the_runs_of_the_screen(state):
    shown, names = answers.runs(state)["runs"], {}
    exec(code(state).partition("print(runs)")[0], names)  # without the pictures
    runs = names["runs"]
    for place, run in enumerate(shown):
        own = runs.isel(start=place) if "start" in runs.axes else runs
        losses = own.loss.values[np.isfinite(own.loss.values)]
        assert own.verdict.item() == run["verdict"]
        assert int(own.steps.item()) == run["steps"]
        assert len(losses) == len(run["loss"])
        np.testing.assert_allclose(losses, run["loss"], rtol=1e-7)  # what the page is told has eight digits


def run_of(state: State, **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = answers.runs(replace(state, **changed))["runs"][0]
    return found | {"path": np.array(found["path"]), "loss": np.array(found["loss"], float)}


@pytest.mark.slow
def test_what_a_preset_says_is_so():
    states = [preset.state for preset in PRESETS]
    bowl, minima, saddle, large, best, valley, batches, rows, noise, plateau, spirals, digits = states
    after = np.abs(run_of(bowl)["path"][20])
    assert after[1] < 1e-5 < 0.1 < after[0]
    assert len({tuple(np.round(run["path"][-1], 3)) for run in answers.runs(minima)["runs"]}) > 2
    on, beside = answers.runs(saddle)["runs"]
    assert np.abs(on["path"][-1]).max() < 1e-8 < 1 < np.abs(beside["path"][-1]).max()
    assert run_of(large)["verdict"] == "diverged"
    assert run_of(large, learning_rate=0.09)["verdict"] == "converged"
    agreed = answers.runs(best)["theory"]
    assert agreed["measured"] == pytest.approx(9 / 11) == agreed["end"]["contraction"]
    assert run_of(valley)["loss"][-1] < 1e-4 * run_of(valley, method="gradient descent")["loss"][-1]
    wavers = np.diff(run_of(batches)["path"][:, 0])
    assert (wavers < 0).any()
    assert (np.diff(run_of(batches, batch_size=0)["path"][:, 0]) > 0).all()
    calm, wild = (np.diff(run_of(rows, schedule=name)["path"][-200:], axis=0) for name in ("1/t", "constant"))
    assert np.std(calm) < 0.2 * np.std(wild)
    assert np.std(wild) > 0.005
    crossings = np.flatnonzero(np.diff(np.sign(run_of(noise)["path"][50:, 0])))
    assert len(crossings) > 1
    assert (run_of(noise, noise=0.0)["path"][:, 0] > 0).all()
    assert run_of(noise, noise=0.0)["verdict"] == "converged"
    assert all(low <= at <= high for at, (low, high) in zip(noise.starts[0], noise.found.window, strict=True))
    standing = run_of(plateau)
    assert standing["loss"][50] > 0.9 * standing["loss"][0]
    assert standing["verdict"] == "converged"
    network = sd.models.mlp((8,), "tanh")
    whole = sd.EmpiricalRisk(network, sd.losses.softmax_cross_entropy, *spirals_of(spirals))
    leaves = jax.tree.leaves(whole.initial(0, np.dtype("float64")))
    assert f"A loss of {sum(np.size(leaf) for leaf in leaves)} weights" in PRESETS[10].words
    assert len(digits.found.table) == 300


def spirals_of(state: State) -> tuple[np.ndarray, np.ndarray]:
    table = state.found.table
    assert table is not None
    return table[["x", "y"]].to_numpy(), table["class"].to_numpy()


def test_maps_of_long_formulas_take_fewer_steps():
    assert problem("formula", "w1^2 + w2^2").maps.steps == 20_000
    assert 5000 < problem("formula", "+".join(["sin(w1)^2"] * 27)).maps.steps < 8000


def test_the_theory_is_that_of_the_library():
    state = State("steep_bowl", starts=((4.0, 2.5),), learning_rate=2 / 22, steps=200)
    found = answers.runs(state)["theory"]
    # Curvatures 2 and 20: limit 2/20, best 2/22, contraction 9/11 (chapter 15.5).
    assert found["start"]["limit"] == pytest.approx(0.1)
    assert found["start"]["best"] == pytest.approx(2 / 22)
    assert found["start"]["kind"] is None
    assert found["end"]["kind"] == "minimum"
    assert found["end"]["contraction"] == pytest.approx(9 / 11)
    assert found["measured"] == pytest.approx(9 / 11, rel=1e-6)


BOWL = State("steep_bowl", starts=((4.0, 2.5),), learning_rate=0.05, steps=1000)


def theory_of(state: State = BOWL, **changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = answers.runs(replace(state, **changed))["theory"]
    for here in (told["start"], told["end"] or told["start"]):
        assert {"at", "largest", "smallest", "limit", "best", "contraction", "kind"} <= set(here)
    return told | {"said": " ".join(told["words"])}


@pytest.mark.parametrize("momentum", [0.5, 0.8, 0.9, 0.95])
def test_a_contraction_that_swings_is_measured_by_its_envelope(momentum):
    # Both roots are complex: √β a step, whatever the phase.
    for start in ((4.0, 2.5), (1.0, 2.0), (-3.0, 0.3)):
        told = theory_of(method="heavy ball", momentum=momentum, starts=(start,))
        assert told["end"]["contraction"] == pytest.approx(np.sqrt(momentum))
        assert told["measured"] is None or told["measured"] == pytest.approx(np.sqrt(momentum), rel=0.02)
    assert theory_of(method="heavy ball", momentum=momentum)["measured"] is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"noise": 0.1},
        {"schedule": "cosine"},
        {"steps": 5},
        {"learning_rate": 0.1},
        {"learning_rate": 1e-4, "steps": 100},
    ],
)
def test_what_cannot_be_measured_honestly_is_not(changed):
    assert theory_of(**changed)["measured"] is None


def test_batches_are_random_and_leave_nothing_to_measure():
    told = theory_of(State("regression", starts=((-1.0, -2.0),), learning_rate=0.1, batch_size=32, steps=500))
    assert told["measured"] is None
    assert "no contraction is measured" in told["said"]


def test_under_a_schedule_nothing_is_predicted_of_its_peak():
    for schedule, which in (("cosine", "begins with"), ("1/t", "begins with"), ("warm-up", "rises to")):
        told = theory_of(schedule=schedule)
        assert told["end"]["contraction"] is None
        assert f"The learning rate 0.05, that the schedule {which}, is 0.5 times the limit" in told["said"]


def test_exactly_at_the_limit_is_neither_below_nor_beyond():
    told = theory_of(learning_rate=0.1)
    assert "at the limit: near the start the steepest direction neither grows nor shrinks" in told["said"]
    assert "does not settle" in told["said"]


def test_a_start_that_curves_downwards_gives_no_limit_and_the_end_does():
    told = theory_of(State("himmelblau", starts=((0.0, 0.0),), learning_rate=0.01, steps=300))
    assert "the curvature there gives no limit; where the run ended the limit is 0.02431" in told["said"]
    diverged = theory_of(State("himmelblau", starts=((0.0, 0.0),), learning_rate=5.0))
    assert diverged["end"] is None
    assert diverged["said"].endswith("the curvature there gives no limit.")


def test_best_is_only_what_is_the_best_of_the_method():
    assert theory_of()["start"]["best"] == pytest.approx(2 / 22)
    assert theory_of(method="heavy ball", momentum=0.9)["start"]["best"] is None
    assert theory_of(method="heavy ball", momentum=0.0)["start"]["best"] == pytest.approx(2 / 22)


def test_a_run_that_goes_round_says_why():
    told = theory_of(State("himmelblau", starts=((1.0, 1.0),), learning_rate=0.025, steps=300))
    assert told["measured"] is None
    assert "It does not settle: the learning rate is not below the limit 0.02002 where it ended" in told["said"]


def test_a_run_that_ends_at_a_saddle_says_so():
    told = theory_of(State("saddle", starts=((0.5, 0.0),), learning_rate=0.1, steps=100))
    assert told["end"]["kind"] == "saddle"
    assert "It converged at a saddle" in told["said"]


@pytest.mark.parametrize(("name", "factor"), [("gradient descent", 1.0), ("heavy ball", 1.9), ("nesterov", 1.9 / 2.8)])
def test_the_limit_follows_the_method(name, factor):
    state = State("steep_bowl", starts=((4.0, 2.5),), method=name, momentum=0.9)
    assert theory.spectrum(state, (1.0, 1.0))["limit"] == pytest.approx(0.1 * factor)


def test_the_verdict_map_turns_where_the_limit_is():
    state = State("steep_bowl", starts=((4.0, 2.5),), learning_rate=0.05, steps=2000)
    found = maps.sweep(state)
    for limit, verdicts in zip(found["limit"], found["verdict"], strict=True):
        for rate, verdict in zip(found["learning_rate"], verdicts, strict=True):
            if rate > 1.2 * limit:
                assert verdict == "diverged"
            if rate < 0.99 * limit:
                assert verdict != "diverged"


def test_basins_are_those_of_the_experiment():
    found = maps.basins_of(State("himmelblau", learning_rate=0.01, steps=300))
    assert len(found["minimisers"]) == 4
    assert np.shape(found["basin"]) == (60, 60)
    assert [entry["basin"] for entry in found["legend"]] == [0, 1, 2, 3, -1, -2]
    assert "minimum at (3, 2)" in " ".join(entry["words"] for entry in found["legend"])


def test_basins_say_what_they_leave_out_and_are_kept_whatever_they_do_not_depend_on():
    state = State("himmelblau", starts=((0.0, 0.0),), learning_rate=0.011, steps=2000)
    found = maps.basins_of(state)
    assert found["steps"] == 500
    assert found["words"].endswith("after 500 steps at most")
    noisy = maps.basins_of(replace(state, noise=1.0, seed=3, starts=((1.0, 1.0),), steps=3000, momentum=0.1))
    assert noisy["basin"] is found["basin"]
    assert noisy["words"].endswith("after 500 steps at most, without the noise of the runs")


def test_basins_of_a_loss_without_curvature_are_refused_in_words_that_fit(client):
    answer = client.get("/basins?problem=ackley&learning_rate=0.01")
    assert answer.status_code == 200
    assert "basins are told apart by the curvature at their minima" in answer.json()["error"]
    found = maps.basins_of(State("formula", "abs(w1) + abs(w2)", learning_rate=0.01))
    assert set(np.ravel(found["basin"])) == {-1}


@pytest.mark.parametrize("rate", [1e-12, 1e-3, 1e6])
def test_the_range_of_the_verdict_map_stays_where_it_is(rate):
    """It does not follow the rate that somebody turns, and has none that the server refuses."""
    found = maps.sweep(replace(BOWL, learning_rate=rate, steps=20, momentum=0.3))
    assert found["learning_rate"][0] == pytest.approx(0.1 / 300)
    assert found["learning_rate"][-1] == pytest.approx(1.0)
    for text in ("1e-9*(w1^2+w2^2)", "1e15*(w1^2+w2^2)", "w1+w2"):
        rates = maps.sweep(State("formula", text, starts=((1.0, 1.0),), learning_rate=rate, steps=20))["learning_rate"]
        assert min(rates) >= LEAST_RATE
        assert max(rates) <= MOST_RATE
        assert len(set(rates)) == 48


def test_every_problem_that_can_be_chosen_has_a_landscape_and_runs(client):
    groups = client.get("/choices").json()["problems"]
    assert "himmelblau" in groups["Landscapes"]
    for name in [*groups["Landscapes"], *groups["Data"]]:
        for kind in ("landscape", "runs"):
            answer = client.get(f"/{kind}?problem={name}&steps=20&learning_rate=0.001")
            assert answer.status_code == 200, (name, answer.text)


@pytest.mark.parametrize(("name", "rate"), [("steep_bowl", 1 / 20), ("saddle", 1 / 2)])
def test_a_new_problem_begins_with_one_over_its_curvature(name, rate):
    # Curvatures 2 and 20 of the bowl, 2 and -2 of the saddle.
    assert answers.landscape(State(name, starts=((1.0, 1.0),)))["learning_rate"] == pytest.approx(rate)


@pytest.mark.parametrize("name", ["himmelblau", "rosenbrock", "booth", "regression", "digits"])
def test_the_rate_a_problem_begins_with_does_not_diverge(name):
    opened = answers.landscape(State(name, starts=((0.0, 0.0),)))
    state = State(name, starts=(opened["start"],), learning_rate=opened["learning_rate"], steps=500)
    (run,) = answers.runs(state)["runs"]
    assert run["verdict"] != "diverged"
    assert run["loss"][-1] < run["loss"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sin(w1", "bracket at character 4 .* never closed"),
        ("w1^2 + w2)", "bracket at character 10 .* closes none"),
        ("w1^2 + w2^2 $", "near character 13"),
    ],
)
def test_a_formula_that_cannot_be_read_says_where(text, words):
    with pytest.raises(ValueError, match=words):
        objective_of(text)


def test_a_loss_without_curvature_names_no_rate():
    assert answers.landscape(State("formula", "w1 + w2", starts=((1.0, 1.0),)))["learning_rate"] is None


def test_maps_of_networks_are_coarser_and_say_after_how_many_steps():
    found = maps.sweep(State("spirals", starts=((-0.5, 1.0),), learning_rate=0.05, steps=1000))
    assert np.shape(found["verdict"]) == (8, 24)
    assert found["steps"] == 200
    assert maps.sweep(State("bowl", starts=((4.0, 2.5),), learning_rate=0.05, steps=300))["steps"] == 300


def test_landscapes_and_formulas_that_explode_have_holes_and_no_numbers_that_json_lacks(client):
    for fields in (
        {"problem": "formula", "formula": "exp(exp(exp(w1)))"},
        {"problem": "formula", "formula": "log(w1) + 1/w2"},
        {"problem": "formula", "formula": "9^9^9^9 * w1"},
        {"problem": "rosenbrock", "learning_rate": "1000000"},
        {"problem": "rosenbrock", "noise": "1000000"},
        {"problem": "rosenbrock", "starts": "1e6,-1e6"},
        {"problem": "formula", "formula": "3"},
    ):
        for kind in ("landscape", "runs", "sweep", "basins"):
            answer = client.get(f"/{kind}?" + urlencode(fields | {"steps": "50"}))
            assert answer.status_code == 200, (kind, fields, answer.text)
            told = json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is not in JSON"))
            assert "query" in told or "error" in told


def test_the_same_method_is_one_constructor():
    assert method("adam", "cosine") is method("adam", "cosine")
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        method("adan")


def test_problems_on_data_are_losses_of_two_parameters():
    for name in ("regression", "spirals", "digits"):
        found = problem(name)
        assert np.isfinite(found.objective([0.1, 0.2]))
        assert found.table is not None
        assert found.objective.rows == len(found.table)


def test_the_plane_of_the_digits_holds_the_whole_model():
    """At (1, 0) the loss is that of the trained softmax regression, at (0, 0) that of zero weights, log 10."""
    found = problem("digits")
    assert found.objective([0.0, 0.0]) == pytest.approx(np.log(10))
    assert found.objective([1.0, 0.0]) < 0.5


# The server


def test_the_page_and_its_parts_come_with_a_policy(client):
    scripts = [path.name for path in (Path(theory.__file__).parent / "page").glob("*.js")]
    assert "lab.js" in scripts
    for name in ("", "lab.css", "choices", *scripts):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/../pyproject.toml").status_code == 404
    assert not re.search(r"https?://", client.get("/").text)


def test_another_host_is_refused(client):
    """A page of somewhere else that has its name lead here (DNS rebinding) gets nothing."""
    assert client.get("/", Host="evil.example").status_code == 400


def test_a_page_of_another_site_gets_nothing_but_a_link_here(client):
    for path in ("/", "/runs", "/code?problem=bowl", "/lab.js", "/nothing"):
        assert client.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status_code == 403
    assert client.get("/runs", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status_code == 403
    assert client.get("/?problem=bowl", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status_code == 200
    assert client.get("/choices", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status_code == 200


def test_every_reply_has_the_headers(client):
    replies = [client.get("/"), client.get("/nothing"), client.get("/", Host="evil.example")]
    replies += [client.get("/runs?steps=0"), client.get("/choices", Sec_Fetch_Site="cross-site")]
    for reply in replies:
        for name, value in serving._HEADERS.items():
            assert reply.headers[name.lower()] == value
    assert [reply.status_code for reply in replies] == [200, 404, 400, 200, 403]


def test_choices_are_all_that_the_page_has_to_know(client):
    told = client.get("/choices").json()
    assert told["defaults"] == vars(State()) | {"starts": []}
    assert (told["least_rate"], told["most_rate"]) == (LEAST_RATE, MOST_RATE)
    assert (told["most_starts"], told["most_steps"]) == (8, 20_000)
    assert told["verdicts"] == ["converged", "diverged", "out of steps", "interrupted"]


def test_programs_of_many_formulas_are_forgotten(client, monkeypatch):
    monkeypatch.setattr(serving, "MOST_KINDS", 4)
    cleared: list[int] = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(len(serving._KINDS)))
    serving._KINDS.clear()
    for number in range(9):
        for rate in (0.1, 0.2):
            query = {"problem": "formula", "formula": f"w1^2 + {number}", "learning_rate": str(rate), "steps": "2"}
            assert client.get("/runs?" + urlencode(query)).status_code == 200
    assert len(cleared) == 2
    assert len(serving._KINDS) == 1


def test_data_and_code_can_be_taken_away(client):
    table = client.get("/data.csv?problem=regression")
    assert table.headers["content-disposition"] == 'attachment; filename="regression-data.csv"'
    assert table.text.startswith("x,y\n")
    assert len(table.text.splitlines()) == 201
    assert client.get("/data.csv?problem=bowl").status_code == 400
    assert "sd.landscapes.bowl" in client.get("/code?problem=bowl").text


def test_a_long_address_is_refused(client):
    assert client.get("/runs?formula=" + "x" * 5000).status_code == 414


def test_thousands_of_requests_are_answered_or_told_to_wait(client):
    seen: list[int] = []

    def hammer(number: int) -> None:
        seen.extend(
            client.get(f"/runs?problem=bowl&steps=100&learning_rate={0.01 + number / 1e4}").status_code
            for _ in range(50)
        )

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(seen) == 2000
    assert set(seen) <= {200, 503}
    assert client.get("/runs?problem=bowl").status_code == 200


def test_an_answer_that_takes_too_long_is_given_up(client, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(desk, "LONGEST_ANSWER", 0.05)
    monkeypatch.setattr(serving, "_worked", lambda work, query: done.wait(60))
    answer = client.get("/runs?problem=bowl")
    done.set()
    assert answer.status_code == 504
    assert "ask for fewer steps" in answer.json()["error"]
    monkeypatch.undo()
    free_again(client)
    assert client.get("/runs?problem=bowl").status_code == 200


def free_again(client: Client) -> None:
    """Wait until what was given up has ended."""
    begun = time.monotonic()
    while client.get("/runs?problem=bowl").status_code == 503:
        assert time.monotonic() - begun < 30
        time.sleep(0.01)


def test_while_what_was_given_up_goes_on_others_are_told_at_once_and_then_answered(client, monkeypatch):
    done, worked = threading.Event(), serving._worked

    def stuck(work, query):
        return PlainTextResponse("late") if "stuck" in query and done.wait(60) else worked(work, query)

    monkeypatch.setattr(desk, "LONGEST_ANSWER", 1.0)
    monkeypatch.setattr(serving, "_worked", stuck)
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as four:
        late = four.submit(lambda: client.get("/runs?problem=bowl&stuck=1").status_code)
        time.sleep(0.2)
        behind = [four.submit(lambda: client.get("/runs?problem=bowl").status_code) for _ in range(3)]
        assert late.result() == 504
        assert [waiting.result() for waiting in behind] == [503] * 3
    assert client.get("/runs?problem=bowl").status_code == 503
    assert time.monotonic() - begun < 5
    assert client.get("/sweep?problem=bowl&steps=5").status_code == 200  # a desk of its own
    done.set()
    free_again(client)
    assert [client.get("/runs?problem=bowl").status_code for _ in range(5)] == [200] * 5


def test_waiting_for_a_turn_is_not_taken_for_slowness(client, monkeypatch):
    def slowly(work, query):
        time.sleep(0.3)
        return PlainTextResponse("done")

    monkeypatch.setattr(desk, "LONGEST_ANSWER", 0.5)
    monkeypatch.setattr(serving, "_worked", slowly)
    with ThreadPoolExecutor(4) as four:
        codes = list(four.map(lambda _: client.get("/runs?problem=bowl").status_code, range(4)))
    assert codes == [200] * 4


def test_the_runs_on_the_screen_can_be_taken_away(client):
    """As a labelled dataset and as a table, both equal to what the page was told."""
    query = "problem=himmelblau&starts=1,2;-1,-1;0,0&learning_rate=0.01&steps=50&method=nesterov&momentum=0.5"
    told = client.get(f"/runs?{query}").json()["runs"]
    dataset = xarray.open_dataset(io.BytesIO(client.get(f"/runs.nc?{query}").content))
    assert dict(dataset.path.sizes) == {"start": 3, "step": 51, "parameter": 2}
    for number, run in enumerate(told):
        np.testing.assert_allclose(dataset.path.sel(start=number, step=run["step"]), run["path"], rtol=1e-7)
    assert list(dataset.verdict.values.astype(str)) == [run["verdict"] for run in told]
    assert (dataset.attrs["method"], dataset.attrs["momentum"]) == ("nesterov", 0.5)
    assert from_query(dict(parse_qsl(dataset.attrs["lab"]))) == from_query(dict(parse_qsl(query)))
    table = pd.read_csv(io.StringIO(client.get(f"/runs.csv?{query}").text))
    np.testing.assert_allclose(table.loss.dropna(), [loss for run in told for loss in run["loss"]], rtol=1e-7)


def test_what_nobody_thought_of_is_a_sentence(client, monkeypatch, caplog):
    monkeypatch.setattr("steepest.lab.server.from_query", lambda query: 1 / 0)
    answer = client.get("/runs?problem=bowl")
    assert answer.status_code == 500
    assert "cannot be computed" in answer.json()["error"]
    assert "ZeroDivisionError" in caplog.text


@contextmanager
def lab(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "steepest", "lab", "--no-browser", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*", line)
        assert found, line
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def stopped(process: subprocess.Popen[str]) -> float:
    """Press Ctrl-C; the seconds until the command has ended, in good order."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    took = time.monotonic() - begun
    assert process.returncode == 0, said
    assert said.strip() == "steepest: the lab has stopped"
    return took


def test_the_command_serves_on_this_machine_alone_and_stops_on_ctrl_c():
    with lab() as (process, address):
        client = Client(int(urlsplit(address).port or 0))
        assert client.get("/choices").status_code == 200
        stopped(process)


def test_ctrl_c_does_not_wait_for_a_map():
    """Whoever waits for it is told; the program ends at once, though its threads cannot be stopped."""
    formula = "+".join(f"sin({number}*w1)^2" for number in range(20)) + "+w2^2"
    slow = {"problem": "formula", "formula": formula, "steps": "20000", "learning_rate": "1e-9", "noise": "0.1"}
    with lab() as (process, address), ThreadPoolExecutor(10) as ten:
        client = Client(int(urlsplit(address).port or 0))
        maps = [ten.submit(lambda: client.get("/sweep?" + urlencode(slow)).status_code) for _ in range(10)]
        time.sleep(4)
        took = stopped(process)
        codes = [told.result(10) for told in maps]
    assert set(codes) <= {200, 503}
    assert 503 in codes
    assert took < 3


def test_the_command_opens_a_state_that_was_kept():
    state = State("himmelblau", "", ((1.0, 2.0),), learning_rate=0.01)
    with lab(f"http://127.0.0.1:1/?{state.to_query()}") as (process, address):
        assert from_address(address) == state
        stopped(process)
    done = subprocess.run(
        [sys.executable, "-m", "steepest", "lab", "--no-browser", "problem=rosenbrok"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'rosenbrock'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_told_in_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "steepest", "lab", "--no-browser", "--port", str(port)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_warm_answers_are_quick():
    """Not a benchmark: a warm answer that recompiled would take a hundred times longer than the bound."""
    state = State("rosenbrock", starts=((-1.5, 2.0),), steps=1000)
    answers.runs(state)
    begun = time.perf_counter()
    for rate in np.geomspace(1e-4, 1e-3, 20):
        answers.runs(State("rosenbrock", starts=((-1.5, 2.0),), steps=1000, learning_rate=float(rate)))
    assert time.perf_counter() - begun < 10
