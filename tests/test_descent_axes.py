"""Settings and axes: which arguments span the grid, what is compiled how often, and what is refused."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

from compiling import compilations
from steepest.descent import Descent, Stop, Verdict, descend
from steepest.objectives import Objective
from steepest.risk import EmpiricalRisk

bowl = Objective(lambda w: w[0] ** 2 + 10 * w[1] ** 2, start=[4.0, 2.5], name="steep bowl")
saddle = Objective(lambda w: w[0] ** 2 - w[1] ** 2, start=[1.0, 1e-3], name="saddle")
network = EmpiricalRisk(
    lambda params, x: jnp.tanh(x @ params["hidden"]) @ params["out"],
    lambda predictions, targets: 0.5 * (predictions - targets) ** 2,
    np.linspace(-1, 1, 12).reshape(6, 2),
    np.linspace(0, 1, 6),
    start={"hidden": np.full((2, 3), 0.1), "out": np.full(3, 0.2)},
)


def test_changing_a_number_compiles_nothing():
    # optax issue 577: users meet a recompilation for every learning rate.
    def run(rate: float, momentum: float, steps: int, tolerance: float) -> Descent:
        return descend(
            bowl,
            optax.sgd,
            learning_rate=rate,
            momentum=momentum,
            steps=steps,
            every=3,
            stop=Stop(gradient_norm=tolerance),
        )

    with compilations() as first:
        run(0.01, 0.5, 100, 1e-6)
    assert len(first) > 0
    with compilations() as again:
        run(0.02, 0.9, 100, 1e-3)
        run(0.02, 0.9, 1000, 1e-3)
        descend(bowl, optax.sgd, learning_rate=0.03, momentum=0, steps=98, every=3, start=[1.0, 1.0], seed=4)
    assert again == []


def test_numeric_axes_share_one_compilation():
    def run(rates: int, momenta: int) -> list[str]:
        with compilations() as seen:
            descend(
                bowl,
                optax.sgd,
                steps=50,
                every=10,
                learning_rate=np.linspace(0.01, 0.05, rates),
                momentum=np.linspace(0, 0.9, momenta),
                start=[[1.0, 2.0], [3.0, 4.0]],
            )
        return seen

    assert len(run(5, 4)) == len(run(7, 3)) == 2  # begin and advance
    assert run(10, 2) == []  # forty runs again, differently arranged


def test_a_new_risk_with_the_same_model_and_shapes_compiles_nothing():
    def model(w, x):
        return x @ w

    def loss(predictions, targets):
        return (predictions - targets) ** 2

    def run(seed: int) -> None:
        generator = np.random.default_rng(seed)
        risk = EmpiricalRisk(
            model, loss, generator.normal(size=(20, 3)), generator.normal(size=20), l2=0.1 + seed, start=np.zeros(3)
        )
        descend(risk, optax.sgd, learning_rate=0.1, steps=10, batch_size=4)

    run(0)
    with compilations() as again:
        run(1)
    assert again == []


def test_every_kind_of_axis_at_once():
    sweep = descend(
        {"bowl": bowl, "saddle": saddle},
        {"plain": optax.sgd, "adam": optax.adam},
        learning_rate={"constant": 0.05, "decaying": optax.exponential_decay(0.1, 10, 0.5)},
        start={"near": [1.0, 0.1], "far": [4.0, 2.0]},
        seed=range(3),
        steps=30,
        every=10,
    )
    assert sweep.axes == ("objective", "method", "learning_rate", "start", "seed")
    assert sweep.loss.shape == (2, 2, 2, 2, 3, 4)
    assert sweep.path.dims[-2:] == ("step", "parameter")
    alone = descend(saddle, optax.adam, learning_rate=0.05, start=[4.0, 2.0], steps=30, every=10)
    within = sweep.sel(objective="saddle", method="adam", learning_rate="constant", start="far", seed=1)
    np.testing.assert_allclose(within.loss, alone.loss, rtol=1e-12)
    np.testing.assert_allclose(within.params, alone.params, rtol=1e-12)
    assert within.objectives[None] is saddle


def test_switches_and_counts_that_a_method_must_know_are_looped():
    sweep = descend(bowl, optax.sgd, learning_rate=0.02, momentum=0.9, nesterov=[False, True], steps=20)
    assert sweep.loss.dims == ("nesterov", "step")
    for place, nesterov in enumerate([False, True]):
        alone = descend(bowl, optax.sgd, learning_rate=0.02, momentum=0.9, nesterov=nesterov, steps=20)
        np.testing.assert_allclose(sweep.isel(nesterov=place).loss, alone.loss, rtol=1e-12)

    def clipped_if_large(learning_rate: float, halvings: int) -> optax.GradientTransformation:
        return optax.sgd(learning_rate if halvings == 0 else learning_rate / 2**halvings)

    looped = descend(bowl, clipped_if_large, learning_rate=[0.04, 0.08], halvings=[0, 1], steps=20)
    np.testing.assert_allclose(
        looped.loss.sel(learning_rate=0.08, halvings=1), looped.loss.sel(learning_rate=0.04, halvings=0), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (optax.sgd, {"learning_rate": 0.01}),
        (optax.adam, {"learning_rate": 0.01, "b1": 0.8}),
        (optax.adamw, {"learning_rate": 0.01, "weight_decay": 1e-3}),
        (optax.adagrad, {"learning_rate": 0.1}),
        (optax.rmsprop, {"learning_rate": 0.01, "momentum": 0.5}),
        (optax.lion, {"learning_rate": 0.01}),
        (optax.nadam, {"learning_rate": 0.01}),
        (optax.adabelief, {"learning_rate": 0.01}),
        (optax.yogi, {"learning_rate": 0.01}),
        (optax.noisy_sgd, {"learning_rate": 0.01}),
        (optax.polyak_sgd, {"max_learning_rate": 1.0}),
        (optax.lbfgs, {}),
        (optax.sgd(0.01), {}),
    ],
)
def test_optax_constructors_are_methods_as_they_are(method, settings):
    swept = {name: [value / 2, value] for name, value in settings.items()} if settings else {}
    run = descend(bowl, method, steps=15, **swept)
    last = dict.fromkeys(swept, -1)
    alone = descend(bowl, method, steps=15, **settings)
    assert alone.final_loss < 72.5
    np.testing.assert_allclose(run.isel(**last).params, alone.params, rtol=1e-9)


def test_parameters_of_any_structure():
    run = descend(network, optax.sgd, learning_rate=[0.1, 0.2], steps=50)
    assert run.params["hidden"].shape == (2, 2, 3)
    assert "out[2]" in run.path.parameter.values
    several = descend(
        network,
        optax.sgd,
        learning_rate=0.1,
        steps=5,
        start=[network.start, {"hidden": np.zeros((2, 3)), "out": np.ones(3)}],
    )
    assert several.axes == ("start",)
    labelled = descend(network, optax.sgd, learning_rate=0.1, steps=5, start={"own": network.start})
    assert labelled.dataset.start.values.tolist() == ["own"]
    np.testing.assert_allclose(labelled.loss[0], several.loss[0], rtol=1e-12)


def test_objectives_of_different_structure_share_a_grid():
    both = descend({"bowl": bowl, "network": network}, optax.sgd, learning_rate=[0.01, 0.02], steps=5)
    with pytest.raises(ValueError, match="select one objective first"):
        _ = both.params
    assert both.sel(objective="network").params["out"].shape == (2, 3)
    alone = descend(bowl, optax.sgd, learning_rate=0.02, steps=5)
    np.testing.assert_allclose(both.sel(objective="bowl", learning_rate=0.02).params, alone.params, rtol=1e-12)


def test_best_picks_the_smallest_and_never_a_diverged_run():
    sweep = descend(bowl, optax.sgd, learning_rate=[0.001, 0.04, 0.2], momentum=[0.0, 0.5], steps=40)
    best = sweep.best()
    assert best.final_loss == sweep.final_loss.where(sweep.verdict != Verdict.DIVERGED).min()
    each = sweep.best(over="learning_rate")
    assert each.axes == ("momentum",)
    assert each.dataset.learning_rate.values.tolist() == [0.04, 0.04]
    np.testing.assert_array_equal(each.params[1], sweep.sel(learning_rate=0.04, momentum=0.5).params)
    assert sweep.best(by="loss").final_loss == best.final_loss
    with pytest.raises(ValueError, match="every run diverged"):
        descend(bowl, optax.sgd, learning_rate=[1.0, 2.0], steps=40).best()
    with pytest.raises(ValueError, match="one number a run, got 'verdict'"):
        sweep.best(by="verdict")
    with pytest.raises(ValueError, match="one number a run, got 'los'"):
        sweep.best(by="los")


def test_whatever_is_asked_for_is_recorded():
    run = descend(
        bowl,
        optax.sgd,
        learning_rate=[0.01, 0.02],
        steps=20,
        every=5,
        record={"distance": jnp.linalg.norm, "other": saddle},
    )
    np.testing.assert_allclose(run.dataset["distance"], np.linalg.norm(run.path, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(run.dataset["final_other"], run.dataset["other"][:, -1], rtol=1e-12)
    assert run.best(by="final_distance").dataset.learning_rate == 0.02


def test_everything_leaves_the_process_and_comes_back(tmp_path):
    sweep = descend(
        bowl, optax.sgd, learning_rate=[0.01, 1.0], momentum={"none": 0.0, "heavy": 0.9}, steps=30, every=10
    )
    sweep.to_zarr(tmp_path / "sweep.zarr")
    with xr.open_zarr(tmp_path / "sweep.zarr") as back:
        xr.testing.assert_identical(back.load(), sweep.dataset)
    with pytest.raises(FileExistsError, match="exists already"):
        sweep.to_zarr(tmp_path / "sweep.zarr")
    frame = sweep.to_dataframe()
    row = frame[(frame.learning_rate == 0.01) & (frame.momentum == "heavy") & (frame.step == 20)]
    assert row["w[1]"].item() == sweep.path.sel(learning_rate=0.01, momentum="heavy", step=20, parameter="w[1]").item()
    assert len(frame) == 2 * 2 * 4


def test_a_parameter_called_like_a_variable_has_a_column_of_its_own():
    run = descend(Objective(lambda p: p["loss"] ** 2, start={"loss": 3.0}), optax.sgd, learning_rate=0.1, steps=2)
    frame = run.to_dataframe()
    np.testing.assert_allclose(frame["loss"], [9.0, 5.76, 3.6864])
    np.testing.assert_allclose(frame["path loss"], [3.0, 2.4, 1.92])


def test_records_end_where_the_run_ends():
    run = descend(bowl, optax.sgd, learning_rate=0.06, steps=1000, every=50)
    end = run.steps.item()
    assert run.verdict == Verdict.CONVERGED
    assert end % 50
    assert run.dataset.step.values.tolist() == [*range(0, end, 50), end]
    assert run.loss[-1] == run.final_loss
    np.testing.assert_array_equal(run.path[-1], run.params)
    pair = descend(bowl, optax.sgd, learning_rate=[0.06, 1e-5], steps=400, every=50)
    steps = pair.dataset.step
    np.testing.assert_array_equal(np.isnan(pair.loss[0]), steps > pair.steps[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"learning_rate": 0.1, "steps": -1}, "steps must be at least 1"),
        ({"learning_rate": 0.1, "steps": 1.5}, "steps must be a whole number, got 1.5"),
        ({"learning_rate": 0.1}, "either steps=... or epochs=..."),
        ({"learning_rate": 0.1, "steps": 5, "epochs": 1}, "not both"),
        ({"learning_rate": 0.1, "epochs": 5}, "epochs needs an objective with rows"),
        ({"learning_rate": 0.1, "steps": 5, "every": 0}, "every must be at least 1"),
        ({"learning_rat": 0.1, "steps": 5}, "did you mean 'learning_rate'"),
        ({"steps": 5}, "learning_rate is missing"),
        ({"learning_rate": None, "steps": 5}, "learning_rate is missing"),
        ({"learning_rate": [], "steps": 5}, "learning_rate is an empty axis"),
        ({"learning_rate": [0.1, np.nan], "steps": 5}, "learning_rate must be finite, got nan"),
        ({"learning_rate": np.ones((2, 2)), "steps": 5}, "got 2 dimensions"),
        ({"learning_rate": [0.1, optax.cosine_decay_schedule(0.1, 5)], "steps": 5}, "give a dict"),
        ({"learning_rate": 0.1, "steps": 5, "start": [1.0, 2.0, 3.0]}, "start must have shape (2,)"),
        ({"learning_rate": 0.1, "steps": 5, "start": [1.0, np.inf]}, "start must be finite"),
        ({"learning_rate": 0.1, "steps": 5, "start": ["a", "b"]}, "start"),
        ({"learning_rate": 0.1, "steps": 5, "start": {"a": {"b": 1.0}}}, "structure"),
        ({"learning_rate": 0.1, "steps": 5, "seed": -1}, "seed must lie in 0"),
        ({"learning_rate": 0.1, "steps": 5, "seed": 0.5}, "seed must be a whole number"),
        ({"learning_rate": 0.1, "steps": 5, "batch_size": 4}, "batch_size needs an objective with rows"),
        ({"learning_rate": 0.1, "steps": 5, "dtype": "float46"}, "did you mean 'float64'"),
        ({"learning_rate": 0.1, "steps": 5, "average": 5}, "average=5 must be below"),
        ({"learning_rate": 0.1, "steps": 5, "record": {"loss": bowl}}, "'loss' is not a name"),
        ({"learning_rate": [0.1, 0.2], "steps": 5, "record": {"learning_rate": bowl}}, "is not a name"),
        (
            {"learning_rate": 0.1, "steps": 5, "record": {"twice": lambda w: 2 * w}},
            "must return one number, got shape (2,)",
        ),
        ({"learning_rate": 0.1, "steps": 5, "record": {"one": lambda w: float(w[0])}}, "cannot be evaluated"),
        ({"learning_rate": 0.1, "steps": 5, "record": 5}, "record must be a dict"),
        ({"learning_rate": 0.1, "steps": 5, "stop": 1e-3}, "stop must be a steepest.Stop"),
        ({"learning_rate": {1: 0.1, "1": 0.2}, "steps": 5}, "two labels that read the same"),
        ({"learning_rate": 0.1, "steps": 5, "record": {"extra": 3}}, "must be a function of the parameters"),
        ({"learning_rate": 0.1, "momentum": "0.9", "steps": 5}, "momentum"),
    ],
)
def test_what_is_refused(arguments, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        descend(bowl, optax.sgd, **arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: descend(lambda w: w @ w, optax.sgd, learning_rate=0.1, steps=5), "start is missing"),
        (lambda: descend("bowl", optax.sgd, learning_rate=0.1, steps=5), "objective must be"),
        (lambda: descend(bowl, "sgd", learning_rate=0.1, steps=5), "method must be an optax constructor"),
        (lambda: descend(bowl, {}, learning_rate=0.1, steps=5), "empty axis"),
        (
            lambda: descend(bowl, {"a": optax.sgd, "b": optax.adam}, learning_rate=0.1, momentum=[0.1, 0.2], steps=5),
            "'b' has no such",
        ),
        (lambda: descend(lambda w: w, optax.sgd, learning_rate=0.1, steps=5, start=[1.0, 2.0]), "scalar"),
        (
            lambda: descend(lambda w: w @ np.ones(3), optax.sgd, learning_rate=0.1, steps=5, start=[1.0, 2.0]),
            "cannot be evaluated",
        ),
        (
            lambda: descend(lambda w: float(w[0]), optax.sgd, learning_rate=0.1, steps=5, start=[1.0, 2.0]),
            "cannot be evaluated",
        ),
        (lambda: Objective(3), "loss must be a function"),
        (lambda: Stop(gradient_norm=-1.0), "gradient_norm must be a number at least 0"),
        (lambda: Stop(loss_limit=float("nan")), "loss_limit must be a number"),
        (lambda: descend(bowl, optax.sgd, learning_rate=0.1, steps=5).sel(momentum=3), "'momentum' is not an axis"),
        (lambda: descend(bowl, optax.sgd, learning_rate=0.1, steps=5, path=False).path, "path=True"),
        (lambda: descend(bowl, optax.sgd, learning_rate=0.1, steps=5).average, "average=True"),
    ],
)
def test_what_else_is_refused(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert words in str(caught.value)
