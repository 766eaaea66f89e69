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
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import jax
import numpy as np
import optax
import pandas as pd
import pytest
import uvicorn
import xarray
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

import steepest as sd
from steepest.lab import answers, method, problem
from steepest.lab import server as serving
from steepest.lab.code import code
from steepest.lab.formula import as_python, objective_of
from steepest.lab.presets import PRESETS
from steepest.lab.serving import listening
from steepest.lab.state import State, from_query


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

    def get(self, path: str, host: str | None = None) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request("GET", path, headers={} if host is None else {"Host": host})
            found = connection.getresponse()
            headers = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, headers, found.read())


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
        ("-" * 200 + "w1", "nested 30 deep"),
        ("+".join(["w1"] * 99), "more than 200 parts, or is nested"),
        ("w1" * 200, "400 characters; 300 are allowed"),
    ],
)
def test_what_is_no_formula_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        objective_of(text)


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
    answer = client.get("/runs?" + urlencode(query))
    assert answer.status_code == 400
    assert words in answer.json()["error"]


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


def test_the_theory_is_that_of_the_library():
    state = State("steep_bowl", starts=((4.0, 2.5),), learning_rate=2 / 22, steps=200)
    found = answers.runs(state)["theory"]
    # Curvatures 2 and 20: limit 2/20, best 2/22, contraction 9/11 (chapter 15.5).
    assert found["start"]["limit"] == pytest.approx(0.1)
    assert found["start"]["best"] == pytest.approx(2 / 22)
    assert found["end"]["contraction"] == pytest.approx(9 / 11)
    assert found["measured"] == pytest.approx(9 / 11, rel=1e-6)


@pytest.mark.parametrize(("name", "factor"), [("gradient descent", 1.0), ("heavy ball", 1.9), ("nesterov", 1.9 / 2.8)])
def test_the_limit_follows_the_method(name, factor):
    state = State("steep_bowl", starts=((4.0, 2.5),), method=name, momentum=0.9)
    assert answers.spectrum(state, (1.0, 1.0))["limit"] == pytest.approx(0.1 * factor)


def test_the_verdict_map_turns_where_the_limit_is():
    state = State("steep_bowl", starts=((4.0, 2.5),), learning_rate=0.05, steps=2000)
    found = answers.sweep(state)
    for limit, verdicts in zip(found["limit"], found["verdict"], strict=True):
        for rate, verdict in zip(found["learning_rate"], verdicts, strict=True):
            if rate > 1.2 * limit:
                assert verdict == "diverged"
            if rate < 0.99 * limit:
                assert verdict != "diverged"


def test_basins_are_those_of_the_experiment():
    found = answers.basins_of(State("himmelblau", learning_rate=0.01, steps=300))
    assert len(found["minimisers"]) == 4
    assert np.shape(found["basin"]) == (60, 60)


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
    found = answers.sweep(State("spirals", starts=((-0.5, 1.0),), learning_rate=0.05, steps=1000))
    assert np.shape(found["verdict"]) == (8, 24)
    assert found["steps"] == 200
    assert answers.sweep(State("bowl", starts=((4.0, 2.5),), learning_rate=0.05, steps=300))["steps"] == 300


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
        for kind in ("landscape", "runs", "sweep"):
            answer = client.get(f"/{kind}?" + urlencode(fields | {"steps": "50"}))
            assert answer.status_code in (200, 400), (kind, fields, answer.text)
            assert isinstance(answer.json(), dict)


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
    scripts = [path.name for path in (Path(answers.__file__).parent / "page").glob("*.js")]
    assert "lab.js" in scripts
    for name in ("", "lab.css", "choices", *scripts):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/../pyproject.toml").status_code == 404
    assert not re.search(r"https?://", client.get("/").text)


def test_another_host_is_refused(client):
    """A page of somewhere else that has its name lead here (DNS rebinding) gets nothing."""
    assert client.get("/", host="evil.example").status_code == 400


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
    monkeypatch.setattr(serving, "LONGEST_ANSWER", 0.05)
    monkeypatch.setattr(serving, "_worked", lambda work, query: done.wait(60))
    answer = client.get("/runs?problem=bowl")
    done.set()
    assert answer.status_code == 504
    assert "ask for fewer steps" in answer.json()["error"]
    monkeypatch.undo()
    assert client.get("/runs?problem=bowl").status_code == 200


def test_waiting_for_a_turn_is_not_taken_for_slowness(client, monkeypatch):
    def slowly(work, query):
        time.sleep(0.3)
        return PlainTextResponse("done")

    monkeypatch.setattr(serving, "LONGEST_ANSWER", 0.5)
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


def test_the_command_serves_on_this_machine_alone_and_stops_on_ctrl_c():
    process = subprocess.Popen(
        [sys.executable, "-m", "steepest", "lab", "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        with closing(connection):
            connection.request("GET", "/choices")
            assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "the lab has stopped" in said
        assert "Traceback" not in said
    finally:
        process.kill()


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
