"""``diagnose``: its advice converges at the first try on real tables, and its warnings say what is there."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import steepest as sd
from steepest.diagnosis.findings import condition_of_features
from steepest.fit import table_risk

TABLES = {"diabetes": "linear", "breast_cancer": "softmax", "digits": "softmax"}


@pytest.fixture(scope="module", params=[(name, raw) for name in TABLES for raw in (False, True)], ids=str)
def real(request):
    name, raw = request.param
    risk = table_risk(sd.datasets.bundled(name), "target", model=TABLES[name], standardise=not raw)
    return risk, sd.diagnose(risk)


def test_the_advice_converges_at_the_first_try_on_real_tables(real):
    risk, diagnosis = real
    advised, beyond = diagnosis.trials
    assert diagnosis.certain
    assert advised.verdict != "diverged"
    assert advised.as_predicted
    loss = advised.run.loss.values
    loss = loss[np.isfinite(loss)]
    # Momentum may overshoot at first, as the advice says; a third of the way along it must be below the start for good.
    assert loss[len(loss) // 3 :].max() < loss[0]
    if diagnosis.constants.quadratic:
        rise = float(diagnosis.advice.why.split("rise up to ")[1].removesuffix("-fold"))
        lowest = sd.theory.optimum_of(risk).loss
        assert 1 < (loss.max() - lowest) / (loss[0] - lowest) < rise * 1.01
    assert advised.run.final_gradient_norm < 0.01 * advised.run.gradient_norm[0]
    if diagnosis.constants.quadratic:
        assert advised.verdict == "converged"
        assert beyond.prediction == "diverges"
        assert beyond.verdict == "diverged"
        assert beyond.measured_factor == pytest.approx(beyond.predicted_factor, rel=0.02)
    else:
        assert beyond.as_predicted is None


def test_heavy_ball_is_not_advised_where_its_rise_would_pass_for_divergence():
    # Columns in natural units, condition number 5e7: the best heavy-ball pair first rises by more than a thousandfold.
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True, scaled=False)
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, table.data, table.target.astype(float))
    diagnosis = sd.diagnose(risk)
    assert diagnosis.constants.quadratic
    assert diagnosis.advice.method == "Nesterov's method"
    assert "heavy ball could first rise" in diagnosis.advice.why
    advised = diagnosis.trials[0]
    assert advised.as_predicted
    assert advised.verdict != "diverged"
    loss = advised.run.loss.values
    assert np.nanmax(loss) == loss[0]


def test_the_same_diagnosis_comes_again(real):
    risk, diagnosis = real
    again = sd.diagnose(risk)
    assert again.settings == diagnosis.settings
    assert str(again) == str(diagnosis)


def test_standardising_lowers_the_condition_number_that_is_warned_of(real):
    risk, diagnosis = real
    kinds = [finding.kind for finding in diagnosis.findings]
    raw = not np.allclose(np.std(risk.x, axis=0), 1.0, atol=1e-6) and np.std(risk.x, axis=0).max() > 0
    sizes = np.sqrt((np.asarray(risk.x) ** 2).mean(axis=0))
    moving = sizes[np.std(risk.x, axis=0) > 1e-12]
    apart = max(moving.max(), 1.0) > 10 * min(moving.min(), 1.0)
    assert ("scales" in kinds) == apart
    assert raw or not apart


def test_a_network_gets_a_rate_that_goes_down_and_is_called_uncertain():
    risk = table_risk(sd.datasets.bundled("digits"), "target", model="mlp", hidden_layer_sizes=(16,))
    diagnosis = sd.diagnose(risk, steps=200)
    assert not diagnosis.certain
    assert "Uncertain" in str(diagnosis)
    advised = diagnosis.trials[0]
    assert advised.prediction == "uncertain"
    assert advised.run.final_loss < 0.2 * advised.run.loss[0]
    assert diagnosis.batch_advice.batch_size >= 1
    assert "noise scale" in diagnosis.batch_advice.why
    assert diagnosis.steepest.startswith("params[")


def test_the_advice_for_batches_reaches_its_floor():
    data = sd.datasets.chapter_regression()
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)
    advice = sd.diagnose(risk).batch_advice
    found = sd.theory.sampling(risk)
    assert advice.setting.learning_rate == pytest.approx(found.step_size(advice.batch_size))
    run = sd.descend(
        risk, optax.sgd, learning_rate=advice.setting.learning_rate, batch_size=advice.batch_size, epochs=30
    )
    floor = found.noise_floor(advice.setting.learning_rate, advice.batch_size)
    squared = (float(run.params["bias"]) - found.optimum["bias"]) ** 2
    assert squared + ((run.params["weight"] - found.optimum["weight"]) ** 2).sum() < 3 * floor + 1e-9


@pytest.mark.parametrize(
    ("rate", "verdict", "growth"),
    [(0.05, "stable", 0.0), (0.098, "at the edge", 0.9216), (0.105, "at the edge", 1.21), (0.11, "diverges", 1.44)],
)
def test_a_rate_of_ones_own_is_judged_as_it_then_runs(rate, verdict, growth):
    # steep_bowl: λmax = 20, (1 − 20η)².
    judgement = sd.diagnose(sd.landscapes.steep_bowl, learning_rate=rate).judgement
    assert (judgement.verdict, judgement.everywhere) == (verdict, True)
    assert judgement.growth == pytest.approx(growth, abs=1e-12)
    assert judgement.product == pytest.approx(20 * rate)
    run = sd.descend(sd.landscapes.steep_bowl, optax.sgd, learning_rate=rate, steps=60)
    if rate > 0.1:
        loss = run.loss.values[np.isfinite(run.loss.values)]
        assert loss[-1] / loss[-2] == pytest.approx(growth, rel=1e-3)
    else:
        assert run.final_loss < run.loss[0]


def test_the_feature_with_the_largest_curvature_is_named():
    import pandas as pd

    random = np.random.default_rng(0)
    x = pd.DataFrame(random.normal(size=(50, 3)) * [1.0, 100.0, 1.0], columns=["age", "income", "height"])
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, random.normal(size=50))
    diagnosis = sd.diagnose(risk, learning_rate=0.01)
    assert diagnosis.steepest.startswith("feature income carries 100%")
    assert "feature income" in diagnosis.judgement.sentence
    assert diagnosis.judgement.verdict == "diverges"


def kinds_of(x, y, model=sd.models.linear, loss=sd.losses.mean_squared_error) -> dict[str, str]:
    return {f.kind: f.what for f in sd.diagnose(sd.EmpiricalRisk(model, loss, x, y), steps=50).findings}


def test_what_is_wrong_with_the_data_is_said():
    random = np.random.default_rng(0)
    good = random.normal(size=(40, 2))
    y = random.normal(size=40)
    assert not {"scales", "constant feature", "duplicate features", "constant labels"} & set(kinds_of(good, y))
    assert "x[0] and x[2]" in kinds_of(np.column_stack([good, 3 - 2 * good[:, 0]]), y)["duplicate features"]
    assert kinds_of(np.column_stack([good, np.full(40, 2.0)]), y)["constant feature"].startswith("x[2] is the same")
    assert kinds_of(good, np.full(40, 7.0))["constant labels"].startswith("every row has the label")
    scaled = kinds_of(good * [1.0, 1000.0], y)["scales"]
    before = condition_of_features(good * [1.0, 1000.0])
    after = condition_of_features((good - good.mean(axis=0)) / good.std(axis=0))
    assert f"{before:.3g}" in scaled
    assert f"{after:.3g}" in scaled


def test_a_plateau_a_saddle_and_growing_curvature_are_recognised():
    flat = sd.Objective(lambda w: 1 - jnp.exp(-0.5 * w @ w), start=[6.0, 0.5], name="flat")
    assert "plateau" in {finding.kind for finding in sd.diagnose(flat, steps=50).findings}
    saddle = sd.Objective(lambda w: w[0] ** 2 - w[1] ** 2 + w[1] ** 4, start=[1.0, 0.0], name="pass")
    assert "saddle" in {finding.kind for finding in sd.diagnose(saddle, steps=50).findings}
    valley = sd.Objective(lambda w: jnp.exp(w[0]) - 5 * w[0], start=[-3.0], name="wall")
    growing = {finding.kind: finding.what for finding in sd.diagnose(valley, steps=500).findings}
    assert "growing curvature" in growing
    quiet = {finding.kind for finding in sd.diagnose(sd.landscapes.bowl).findings}
    assert not quiet


def test_json_holds_everything_and_nothing_that_is_not_json():
    found = sd.diagnose(sd.landscapes.rosenbrock, learning_rate=1e-3, steps=100).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["constants"] is None
    assert found["advice"]["certain"] is False
    assert {trial["name"] for trial in found["trials"]} == {"the advice", "1.1 × the limit"}
    assert found["judgement"]["eta_lambda_max"] == pytest.approx(1e-3 * found["spectrum"]["largest"]["value"])


def test_it_reads_well_in_a_terminal_and_in_a_notebook():
    diagnosis = sd.diagnose(sd.landscapes.bowl, learning_rate=0.1)
    lines = str(diagnosis).splitlines()
    assert max(map(len, lines)) <= 96
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "bowl,", "Start", "Curvature", "Everywhere", "Limit", "Advice", "Measured", "Measured", "Yours",
    ]  # fmt: skip
    html = diagnosis._repr_html_()
    assert html.count("<tr>") == len([line for line in lines if not line.startswith(" ")]) - 1


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sd.diagnose({"a": sd.landscapes.bowl}), TypeError, "one objective"),
        (lambda: sd.diagnose(lambda w: w @ w), ValueError, "start is missing"),
        (lambda: sd.diagnose(sd.landscapes.bowl, learning_rate="fast"), TypeError, "learning_rate must be a number"),
        (lambda: sd.diagnose(sd.landscapes.bowl, learning_rate=-1.0), ValueError, "finite number above 0"),
        (lambda: sd.diagnose(sd.landscapes.bowl, steps=0), ValueError, "steps must be"),
        (lambda: sd.diagnose(sd.landscapes.ackley, start=[0.0, 0.0]), ValueError, "without a derivative|not finite"),
        (lambda: sd.diagnose(lambda w: jnp.sum(w**1.5), start=[0.0]), ValueError, "not finite at this point"),
    ],
)
def test_bad_input_is_said_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_rate_that_is_the_advised_one_is_called_as_large():
    advised = sd.diagnose(sd.landscapes.bowl, learning_rate=0.1, steps=20).judgement.advised
    told = {
        factor: sd.diagnose(sd.landscapes.bowl, learning_rate=factor * advised, steps=20).judgement.sentence
        for factor in (0.5, 1.0, 1.5)
    }
    assert "It is 2 times smaller than the rate advised" in told[0.5]
    assert "It is as large as the rate advised" in told[1.0]
    assert "It is 1.5 times larger than the rate advised" in told[1.5]
