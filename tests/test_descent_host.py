"""The host's side: memory, interruption, progress, warnings, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import jax
import numpy as np
import optax
import pytest

from steepest.descent import Stop, Verdict, descend
from steepest.descent import blocks as blocks_module
from steepest.objectives import Objective
from steepest.risk import EmpiricalRisk

bowl = Objective(lambda w: w[0] ** 2 + 10 * w[1] ** 2, start=[4.0, 2.5], name="steep bowl")


def test_a_million_learning_rates_stay_within_two_gigabytes():
    program = """
        import resource, warnings
        import numpy as np, optax
        from steepest.descent import descend
        from steepest.objectives import Objective
        bowl = Objective(lambda w: w[0] ** 2 + 10 * w[1] ** 2, start=[4.0, 2.5])
        rates = np.geomspace(1e-4, 1, 1_000_000)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sweep = descend(bowl, optax.sgd, learning_rate=rates, steps=100)
        assert sweep.loss.sizes["learning_rate"] == 1_000_000
        limit = rates[(sweep.verdict == "diverged").values.argmax()]
        assert 0.1 < limit < 0.12, limit
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, len(caught))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    gigabytes, warned = done.stdout.split()
    assert float(gigabytes) < 2.0
    assert int(warned) == 1


def interrupt_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("rates", [0.001, np.geomspace(1e-5, 0.2, 5000)])
def test_ctrl_c_returns_what_is_done(rates):
    descend(bowl, optax.sgd, learning_rate=rates, steps=10, every=10_000, path=False)
    timer = interrupt_after(0.5)
    cut = descend(
        bowl,
        optax.sgd,
        learning_rate=rates,
        momentum=0.5,
        steps=500_000_000,
        every=10_000_000,
        path=False,
        stop=Stop(gradient_norm=None),
    )
    timer.join()
    verdicts = set(np.atleast_1d(cut.verdict.values))
    assert Verdict.INTERRUPTED in verdicts
    assert Verdict.OUT_OF_STEPS not in verdicts
    unfinished = cut.verdict == Verdict.INTERRUPTED
    assert np.isfinite(cut.final_loss.where(unfinished, 0.0)).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupted_state_is_a_state_of_the_whole_run(monkeypatch):
    # What an interrupted run holds is what an uninterrupted one held at that step.
    monkeypatch.setattr(blocks_module, "_FIRST_CHUNK_WORK", 1)
    original, calls = blocks_module.advance, []

    def interrupting(*arguments):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(blocks_module, "advance", interrupting)
    cut = descend(bowl, optax.sgd, learning_rate=1e-3, steps=10_000, every=10)
    monkeypatch.undo()
    step = cut.steps.item()
    assert 0 < step < 10_000
    assert cut.verdict == Verdict.INTERRUPTED
    whole = descend(bowl, optax.sgd, learning_rate=1e-3, steps=step, every=10)
    np.testing.assert_allclose(cut.params, whole.params, rtol=1e-12)
    np.testing.assert_allclose(cut.final_loss, whole.final_loss, rtol=1e-12)
    np.testing.assert_array_equal(cut.dataset.step, whole.dataset.step)


def test_one_core_or_two_give_the_same(monkeypatch):
    def run():
        return descend(bowl, optax.sgd, learning_rate=np.geomspace(1e-3, 0.2, 3000), steps=200, every=20)

    monkeypatch.setattr("steepest.descent.cut.cores", lambda: 1)
    one = run()
    monkeypatch.setattr("steepest.descent.cut.cores", lambda: 2)
    two = run()
    np.testing.assert_array_equal(one.steps, two.steps)
    np.testing.assert_array_equal(one.reason, two.reason)
    np.testing.assert_allclose(two.params, one.params, rtol=1e-12)


def test_a_seed_gives_the_same_risk_descent_again():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 3)), generator.normal(size=64)
    risk = EmpiricalRisk(lambda w, rows: rows @ w, lambda p, t: (p - t) ** 2, x, y, start=np.zeros(3))
    runs = [descend(risk, optax.adam, learning_rate=[0.01, 0.1], seed=[1, 2], batch_size=8, epochs=3) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].loss.values, runs[1].loss.values)
    assert not np.array_equal(runs[0].loss.sel(seed=1), runs[0].loss.sel(seed=2))


def test_long_records_are_thinned_with_a_warning(monkeypatch):
    monkeypatch.setattr("steepest.descent.job._RECORD_BYTES", 10_000)
    with pytest.warns(UserWarning, match="pass every="):
        sweep = descend(bowl, optax.sgd, learning_rate=[1e-4, 2e-4], steps=2000)
    assert sweep.loss.nbytes < 20_000
    assert sweep.dataset.step[-1] == 2000


def test_progress_is_silent_off_a_terminal_and_shown_on_request(capfd):
    descend(bowl, optax.sgd, learning_rate=0.01, steps=50)
    assert capfd.readouterr().err == ""
    descend(bowl, optax.sgd, learning_rate=0.01, steps=50, progress=True)
    assert "100 %" in capfd.readouterr().err


def test_work_in_a_thread_of_the_users_is_left_alone():
    found = []
    worker = threading.Thread(target=lambda: found.append(descend(bowl, optax.sgd, learning_rate=0.05, steps=20)))
    worker.start()
    worker.join()
    alone = descend(bowl, optax.sgd, learning_rate=0.05, steps=20)
    np.testing.assert_array_equal(found[0].params, alone.params)


def test_the_users_precision_is_as_found_inside_their_own_programs():
    assert jax.numpy.ones(1).dtype == np.float32
    descend(bowl, optax.sgd, learning_rate=0.05, steps=20)
    assert jax.numpy.ones(1).dtype == np.float32
    assert jax.jit(jax.grad(bowl))(jax.numpy.array([1.0, 1.0])).dtype == np.float32


def test_ctrl_c_before_a_batch_was_seen_keeps_every_run():
    generator = np.random.default_rng(0)
    risk = EmpiricalRisk(
        lambda w, rows: rows @ w,
        lambda p, t: (p - t) ** 2,
        generator.normal(size=(40, 3)),
        generator.normal(size=40),
        start=np.zeros(3),
    )
    timer = interrupt_after(0.7)
    cut = descend(
        risk, optax.sgd, learning_rate=np.geomspace(1e-6, 1e-4, 400), batch_size=[4, 8],
        steps=50_000_000, every=1_000_000, stop=Stop(gradient_norm=None),
    )  # fmt: skip
    timer.join()
    assert (cut.verdict == Verdict.INTERRUPTED).all()
    assert np.isfinite(cut.final_loss).all()
    # Every run's end stands among its records, also of those that never began.
    ends = cut.steps.values
    last = np.minimum(np.searchsorted(cut.dataset.step.values, ends), cut.loss.sizes["step"] - 1)
    reached = cut.dataset.step.values[last] == ends
    losses = np.take_along_axis(cut.loss.transpose(..., "step").values, last[..., None], axis=-1)[..., 0]
    np.testing.assert_array_equal(losses[reached], cut.final_loss.values[reached])
