"""Fair comparison: the same budget for all, fresh seeds, repeatable to the byte."""

from __future__ import annotations

import numpy as np
import optax
import pytest

import steepest as sd
from steepest.experiments import fairness


@pytest.fixture(scope="module")
def spirals() -> sd.EmpiricalRisk:
    x, y = sd.datasets.spirals(rows=60, arms=2, noise=0.2, seed=1)
    return sd.EmpiricalRisk(sd.models.mlp((8,), "tanh"), sd.losses.softmax_cross_entropy, x, y)


@pytest.fixture(scope="module")
def found(spirals) -> sd.experiments.MethodComparison:
    methods = {"adam": optax.adam, "sleeping": (optax.sgd, {"learning_rate": 1e-12})}
    return sd.experiments.compare_methods(spirals, methods, epochs=5, batch_size=10, budget=6, tuning_seeds=2, seeds=8)


def test_every_method_has_the_same_budget_and_the_baselines_are_there(found):
    assert list(found.dataset.method.values) == ["gradient descent", "momentum", "adam", "sleeping"]
    assert found.dataset.tuning.shape == (4, 6, 2)
    assert {len(settings) for settings in found.settings.values()} == {6}
    assert not found.dataset.tuning.isnull().any()


def test_the_best_setting_has_the_least_median_and_is_run_on_other_seeds(found, spirals):
    for label in found.best:
        medians = np.median(found.dataset.tuning.sel({"method": label}), axis=-1)
        assert found.best[label] == found.settings[label][int(np.argmin(medians))]
    assert not set(found.dataset.seed.values) & set(found.dataset.tuning_seed.values)
    seed = int(found.dataset.seed[3])
    run = sd.descend(spirals, optax.adam, epochs=5, batch_size=10, seed=seed, **found.best["adam"])
    # One lane or eight compile to other orders of addition.
    assert run.final_loss.item() == pytest.approx(
        float(found.dataset.final.sel({"method": "adam", "seed": seed})), rel=1e-9
    )


def test_a_method_that_does_nothing_comes_last_and_is_told_apart(found):
    table = found.table()
    assert table["method"].iloc[-1] == "sleeping"
    assert table["rank"].iloc[-1] > table["rank"].iloc[0]
    assert (np.diff(table["rank"]) >= 0).all()


def test_equal_methods_share_a_rank(spirals):
    same = (optax.sgd, {"learning_rate": [0.1]})
    table = sd.experiments.compare_methods(
        spirals, {"one": same, "two": same}, epochs=2, batch_size=10, budget=2, tuning_seeds=1, seeds=6
    ).table()
    ranks = dict(zip(table["method"], table["rank"], strict=True))
    assert ranks["one"] == ranks["two"]


def test_the_same_call_gives_the_same_bytes(spirals):
    def bytes_of() -> list[bytes]:
        again = sd.experiments.compare_methods(
            spirals, {"adam": optax.adam}, epochs=2, batch_size=10, budget=3, tuning_seeds=2, seeds=3
        )
        return [again.dataset[name].values.tobytes() for name in ("tuning", "final", "loss")]

    assert bytes_of() == bytes_of()


def test_divergence_is_counted_and_edges_are_named():
    found = sd.experiments.compare_methods(
        sd.landscapes.bowl, {"timid": (optax.sgd, {"learning_rate": (1e-6, 1e-4)})}, steps=30, budget=5, seeds=4
    )
    assert np.isinf(found.dataset.tuning.sel({"method": "gradient descent"})).any()
    assert any("learning_rate of timid is at the edge" in note for note in found.notes)
    assert 0 < found.table().set_index("method").loc["gradient descent", "diverged while tuned"] < 1
    assert "note:" in str(found)


def test_seeds_that_change_nothing_or_are_too_few_are_said_to_be():
    # A quadratic has no window to draw starts from: ten runs are one run ten times.
    still = sd.experiments.compare_methods(
        sd.landscapes.quadratic(np.diag([1.0, 10.0])), steps=20, budget=3, tuning_seeds=1, seeds=7
    )
    assert np.ptp(still.dataset.final.values, axis=1).tolist() == [0.0, 0.0]
    assert any("the seeds change nothing here" in note for note in still.notes)
    few = sd.experiments.compare_methods(sd.landscapes.bowl, steps=20, budget=3, tuning_seeds=1, seeds=5)
    assert any("5 seeds are too few" in note for note in few.notes)
    assert set(few.table()["rank"]) == {1}
    enough = sd.experiments.compare_methods(sd.landscapes.bowl, steps=20, budget=3, tuning_seeds=1, seeds=6)
    assert not any("seeds" in note and "fresh" not in note for note in enough.notes)


def test_ranges_cover_what_they_say():
    settings = fairness._settings({"learning_rate": (1e-4, 1.0)}, 5, 0)
    np.testing.assert_allclose([each["learning_rate"] for each in settings], [1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    both = fairness._settings({"learning_rate": (1e-4, 1.0), "momentum": [0.0, 0.9], "nesterov": True}, 8, 0)
    rates = np.log10([each["learning_rate"] for each in both])
    # A Latin hypercube has one point in each eighth of every axis.
    assert sorted(np.floor((rates + 4) / 4 * 8).astype(int)) == list(range(8))
    assert [each["momentum"] for each in both].count(0.9) == 4
    assert all(each["nesterov"] is True for each in both)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"budget": 0}, ValueError, "budget must be a whole number from 1 up"),
        ({"seeds": 1}, ValueError, "seeds must be a whole number from 2 up"),
        ({"methods": [optax.adam]}, TypeError, "methods must be a dict"),
        ({"methods": {"momentum": optax.adam}}, ValueError, "is the name of a baseline"),
        ({"methods": {"a": (optax.sgd, {"learning_rate": ("x", "y")})}}, ValueError, "0 < low < high"),
        ({"methods": {"a": (optax.sgd, {"learning_rate": np.array([0.1])})}}, TypeError, "must be a list"),
        ({"methods": {"a": 3}}, TypeError, "must be an optax constructor"),
        ({"methods": {"a": (optax.sgd, {"learning_rate": (1.0, 0.1)})}}, ValueError, "0 < low < high"),
        ({"methods": {"a": (optax.sgd, {"learning_rate": []})}}, ValueError, "at least one"),
    ],
)
def test_bad_input_is_said_in_words(arguments, error, words):
    with pytest.raises(error, match=words):
        sd.experiments.compare_methods(sd.landscapes.bowl, steps=3, **arguments)
