"""The main job: what it recognises, that it scores as well as scikit-learn, and what it leaves behind."""

from __future__ import annotations

import json
import os
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from steepest import datasets
from steepest.fit import Predictor, fit, load_model, write_fit
from steepest.fit.columns import Columns, learn_columns
from steepest.fit.predictor import Architecture
from steepest.fit.rows import split
from steepest.fit.task import recognise


@pytest.mark.parametrize(
    ("name", "model", "peer"),
    [
        ("diabetes", None, Ridge()),
        ("breast_cancer", None, LogisticRegression(max_iter=2000)),
        ("digits", "mlp", MLPClassifier((64,), max_iter=400, random_state=0)),
        ("wine", None, LogisticRegression(max_iter=2000)),
    ],
)
def test_scores_are_within_two_per_cent_of_scikit_learn_on_the_same_rows(name, model, peer):
    table = datasets.bundled(name)
    fitted = fit(table, "target", model=model)
    rows = split(table, fitted.predictor.task, 0.2, 0.2, 0)
    training = np.concatenate([rows.train, rows.validation])
    x, y = table.drop(columns="target").to_numpy(float), table["target"].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = make_pipeline(StandardScaler(), peer).fit(x[training], y[training]).score(x[rows.test], y[rows.test])
    ours = next(iter(fitted.scores.values()))
    assert ours.value >= theirs - 0.02 * abs(theirs)
    assert ours.value > ours.baseline
    assert 0 <= ours.standard_error < 0.2


@pytest.fixture(scope="module")
def mixed():
    generator = np.random.default_rng(0)
    size = generator.normal(size=200)
    town = generator.choice(["Aachen", "Bonn", "Cologne"], size=200)
    price = 3 * size + np.where(town == "Bonn", 5.0, 0.0) + 0.1 * generator.normal(size=200)
    table = pd.DataFrame(
        {"size": size, "town": town, "flat": 7, "id": [f"no. {i}" for i in range(200)], "price": price}
    )
    table.loc[::17, "size"] = np.nan
    table.loc[::23, "town"] = None
    return table


def test_columns_are_encoded_as_scikit_learn_encodes_them(mixed):
    table = mixed.drop(columns=["price", "flat", "id"])
    training = np.arange(0, 200, 2)
    columns = learn_columns(table, training)
    filled = table.assign(town=table["town"].astype(object).where(table["town"].notna(), "(missing)"))
    reference = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["size"]),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town"]),
        ]
    ).fit(filled.iloc[training])
    np.testing.assert_allclose(columns.encoded(table), reference.transform(filled), rtol=1e-12, atol=1e-12)
    unseen = pd.DataFrame({"size": [np.nan], "town": ["Paris"]})
    assert columns.encoded(unseen)[0, 1:].tolist() == [0.0] * (len(columns.feature_names) - 1)


def test_columns_survive_json(mixed):
    columns = learn_columns(mixed.drop(columns="price"), np.arange(200))
    back = Columns.from_json(json.loads(json.dumps(columns.to_json())))
    assert back == columns
    assert set(columns.dropped) == {"flat", "id"}


def test_a_mixed_table_is_learnt(mixed):
    fitted = fit(mixed, "price")
    assert fitted.scores["r2"].value > 0.9
    assert fitted.scores["rmse"].value < fitted.scores["rmse"].baseline
    assert fitted.rows == {"train": 128, "validation": 32, "test": 40}


@pytest.mark.parametrize(
    ("values", "model", "classes"),
    [
        ([0.5, 1.5, 2.5, 3.5], None, None),
        ([0, 1, 0, 1], None, (0, 1)),
        ([0.0, 1.0, 2.0] * 2, None, (0.0, 1.0, 2.0)),
        ([1, 4, 9, 16, 25], None, None),
        (["b", "a", "b", "a"], None, ("a", "b")),
        ([True, False, True, False], None, (False, True)),
        ([0, 1, 0, 1], "linear", None),
        (list(range(50)), None, None),
    ],
)
def test_the_task_follows_the_target(values, model, classes):
    assert recognise(pd.DataFrame({"y": values}), "y", model).classes == classes


def test_what_is_written_is_read_again(tmp_path, mixed):
    fitted = fit(mixed, "price", learning_rate=[0.01, 0.1, 100.0], epochs=200)
    folder = write_fit(fitted, tmp_path / "out", command="steepest fit t.csv --target price")
    assert {path.name for path in folder.iterdir()} == {
        "model.npz", "model.json", "metrics.json", "sweep.zarr", "figures", "summary.md",
    }  # fmt: skip
    loaded = load_model(folder)
    np.testing.assert_array_equal(loaded.predict(mixed), fitted.predictor.predict(mixed))
    with xr.open_zarr(folder / "sweep.zarr") as sweep:
        assert sweep.verdict.values.tolist() == fitted.sweep.verdict.values.tolist()
        assert sweep.verdict.values[-1] == "diverged"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["r2"]["value"] == fitted.scores["r2"].value
    page = (folder / "summary.md").read_text()
    for words in ("1 diverged", "'id' is left out", "steepest fit t.csv --target price", "| r2 |", "figures/sweep.png"):
        assert words in page
    assert all((folder / "figures" / name).exists() for name in ("sweep.png", "learning_curves.png"))
    with pytest.raises(ValueError, match=r"the table lacks 'size'"):
        loaded.predict(mixed.drop(columns="size"))
    with pytest.raises(ValueError, match=r"should hold numbers, got 'big' in row 0"):
        loaded.predict(mixed.assign(size="big"))
    with pytest.raises(ValueError, match=r"no probabilities"):
        loaded.probabilities(mixed)
    with pytest.raises(FileExistsError, match=r"is not empty"):
        write_fit(fitted, folder)
    write_fit(fitted, folder, overwrite=True)


def test_a_saved_classifier_knows_its_classes(tmp_path):
    table = datasets.bundled("iris")
    task, columns = recognise(table, "target", "mlp"), learn_columns(table.drop(columns="target"), np.arange(150))
    architecture, generator = Architecture("mlp", (8, 4), "tanh"), np.random.default_rng(0)
    layers = [
        {"weight": generator.normal(size=shape), "bias": generator.normal(size=shape[1])}
        for shape in ((4, 8), (8, 4), (4, 3))
    ]
    predictor = Predictor(columns, task, architecture, layers)
    predictor.save(tmp_path)
    loaded = load_model(tmp_path)
    assert set(loaded.predict(table)) <= {"setosa", "versicolor", "virginica"}
    np.testing.assert_array_equal(loaded.probabilities(table), predictor.probabilities(table))
    np.testing.assert_allclose(loaded.probabilities(table).sum(axis=1), 1.0)
    whole = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read"):
        load_model(tmp_path)
    (tmp_path / "model.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="cannot be read"):
        load_model(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"holds no model\.json"):
        load_model(tmp_path / "elsewhere")


def test_a_run_that_ends_low_by_chance_is_not_chosen():
    # Separable classes and few epochs: no run converges, and the large learning rates overshoot to and fro.
    table = pd.DataFrame({"x": ["a", "b"] * 30, "y": ["u", "v"] * 30})
    with pytest.warns(UserWarning, match="column 'x' may give the target away: it determines the class"):
        fitted = fit(table, "y", epochs=30)
    assert not (fitted.sweep.verdict == "converged").any()
    assert fitted.scores["accuracy"].value == 1.0
    assert "none converged" in fitted.chosen_because


def test_columns_that_are_no_numbers_and_no_text_are_left_out(mixed):
    day = pd.date_range("2020-01-01", periods=200)
    table = mixed.assign(day=day, date=day.date, pair=[[i] for i in range(200)], wave=np.arange(200) * 1j)
    dropped = learn_columns(table, np.arange(200)).dropped
    assert dropped["day"].startswith("holds dates")
    assert "kind date" in dropped["date"]
    assert "kind list" in dropped["pair"]
    assert "kind complex" in dropped["wave"]


def test_columns_called_by_numbers():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)))
    fitted = fit(table, 2, learning_rate=0.01, epochs=2)
    assert fitted.predictor.columns.feature_names == ["0", "1"]
    assert fitted.predictor.predict(table).shape == (30,)


def test_what_a_predictor_refuses():
    predictor = fit(table_of(), "y", learning_rate=0.01, epochs=2).predictor
    with pytest.raises(ValueError, match="column 'x' holds inf in row 1"):
        predictor.predict(pd.DataFrame({"x": [0.0, np.inf]}))
    with pytest.raises(ValueError, match="two columns of the table are called 'x'"):
        predictor.predict(pd.DataFrame([[0.0, 1.0]], columns=["x", "x"]))
    with pytest.raises(TypeError, match="must be a DataFrame, got ndarray"):
        predictor.predict(np.zeros((2, 1)))


def test_a_class_with_too_few_rows_is_named():
    assert recognise(pd.DataFrame({"y": ["a"] * 9 + ["b"]}), "y", None).why.endswith("test with: 'b'")


def test_the_same_seed_gives_the_same_fit(mixed):
    one, two = (fit(mixed, "price", epochs=50, seed=3) for _ in range(2))
    assert one.recipe == two.recipe
    np.testing.assert_array_equal(one.predictor.params["weight"], two.predictor.params["weight"])


def table_of(**columns):
    generator = np.random.default_rng(0)
    return pd.DataFrame({"x": generator.normal(size=30), "y": generator.normal(size=30)} | columns)


@pytest.mark.parametrize(
    ("table", "settings", "words"),
    [
        (table_of(), {"target": "z"}, "unknown target column 'z'"),
        (table_of(y=1.0), {}, "is 1.0 in every row"),
        (table_of(y=[np.nan, *range(29)]), {}, "missing in 1 row (0)"),
        (table_of(y=[np.inf, *range(29)]), {}, "holds inf in row 0"),
        (table_of(x=[1.0, -np.inf, *range(28)]), {}, "column 'x' holds -inf in row 1"),
        (table_of(x=1.0), {}, "no column is left to learn from: x is constant"),
        (table_of(y=[f"c{i % 3}" for i in range(30)]), {"model": "linear"}, "use softmax"),
        (table_of(), {"model": "softmax"}, "use linear"),
        (table_of(), {"model": "forest"}, "unknown model 'forest'"),
        (table_of(), {"method": "sdg"}, "did you mean 'sgd'"),
        (table_of(), {"test_size": 1.0}, "test_size must lie between 0 and 1"),
        (table_of(), {"batch_size": 31}, "batch_size=31 is larger"),
        (table_of(), {"learning_rate": [1e3, 1e4]}, "every learning rate diverged"),
        (table_of(), {"learning_rate": [0.1, -1.0]}, "learning_rate must be positive and finite, got -1"),
        (table_of(), {"learning_rate": "fast"}, "learning_rate must be a number or a list of numbers, got 'fast'"),
        (table_of(), {"learning_rate": []}, "learning_rate must be a number or a list of at least one"),
        (table_of(), {"hidden_layer_sizes": 8}, "hidden_layer_sizes must be a sequence of whole numbers, got 8"),
        (table_of(), {"seed": -1}, "seed must lie between 0 and"),
        (table_of(), {"seed": 0.5}, "seed must be a whole number, got 0.5"),
        (table_of(), {"test_size": "a"}, "test_size must be a number between 0 and 1, got 'a'"),
        (table_of(), {"test_size": 0.99}, "test_size = 0.99 splits 30 rows into 0 and 30"),
        (table_of(), {"validation_size": 0.01}, "validation_size = 0.01 splits 24 rows into 23 and 1"),
        (table_of(y=[np.inf, *[0, 1, 2] * 9, 0, 1]), {}, "column 'y' holds inf in row 0"),
        (table_of(y=pd.date_range("2020-01-01", periods=30)), {}, "'y' holds values of kind Timestamp"),
        (table_of(y=[1, "a"] * 15), {}, "classes of several kinds: int, str"),
        (table_of(y=[f"c{i}" for i in range(30)]), {}, "'y' is different in every row"),
        (table_of(x=np.linspace(1e299, 1e300, 30)), {}, "column 'x' holds numbers too large to standardise"),
        (table_of(y=np.linspace(1e299, 1e300, 30)), {}, "target 'y' is too large to standardise"),
        (table_of().set_axis(["y", "y"], axis=1), {}, "two columns of the table are called 'y'"),
        ([1, 2], {}, "the table must be a DataFrame, got list"),
        (table_of(), {"epochs": 0}, "epochs must be at least 1"),
        (table_of().head(5), {}, "5 rows; at least 10"),
    ],
)
def test_what_is_refused(table, settings, words):
    with pytest.raises((ValueError, TypeError), match=r".") as caught:
        fit(table, **({"target": "y"} | settings))
    assert words in str(caught.value)


def test_a_folder_that_cannot_be_written(tmp_path):
    from steepest.fit import check_folder

    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="is a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(OSError, match="cannot be made"):
        check_folder(tmp_path / "file" / "deeper")
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(PermissionError, match="cannot be written"):
            check_folder(tmp_path / "closed")


@pytest.mark.parametrize(("name", "model"), [("diabetes", None), ("breast_cancer", None)])
def test_a_rate_left_to_theory_trains_as_well_as_the_sweep(name, model):
    table = datasets.bundled(name)
    swept, advised = fit(table, "target", model=model), fit(table, "target", model=model, learning_rate="auto")
    score = next(iter(swept.scores))
    assert advised.scores[score].value > swept.scores[score].value - 0.02
    assert advised.sweep.dataset.sizes["learning_rate"] == 1
    assert advised.training.verdict != "diverged"
    assert "L" in advised.chosen_because
    assert advised.recipe.method == "sgd"


def sweep_of(curves, verdicts, model="affine"):
    """A sweep whose validation losses and verdicts are these, a row a learning rate."""
    from steepest.fit.choice import chosen

    curves = np.asarray(curves, float)
    rates = 10.0 ** np.arange(len(curves))
    data = xr.Dataset(
        {
            "validation_loss": (("learning_rate", "epoch"), curves),
            "final_validation_loss": ("learning_rate", curves[:, -1]),
        },
        {"learning_rate": rates, "epoch": np.arange(curves.shape[1])},
    )
    verdict = xr.DataArray(list(verdicts), {"learning_rate": rates}, ["learning_rate"])
    steps = xr.DataArray(np.full(len(rates), 9), {"learning_rate": rates}, ["learning_rate"])
    return chosen(SimpleNamespace(dataset=data, verdict=verdict, steps=steps), model == "affine")


def test_why_a_learning_rate_was_chosen_is_true_of_the_table_beside_it():
    slow, steady = [4.0, 3.0, 2.0, 1.0], [1.0, 0.5, 0.1, 0.06]
    wild = [9.0, 20.0, 19.0, 0.03]
    rate, _, why = sweep_of([slow, steady, wild, [1.0, np.inf, np.inf, np.inf]], ["out of steps"] * 3 + ["diverged"])
    assert rate == 10.0
    assert "the highest validation loss of their later half" in why
    assert "its 0.1 is the least within 1 %" in why
    assert "learning rate 100 ended lower, at 0.03, but was as high as 19 in its later half" in why
    rate, _, why = sweep_of([slow, steady], ["converged", "out of steps"])
    assert rate == 1.0
    assert "of those that converged the least within 1 %" in why
    assert "learning rate 10 ended lower, at 0.06, but did not converge" in why
    assert sweep_of([steady], ["converged"])[2] == "it converged at validation loss 0.06"
    assert sweep_of([wild], ["out of steps"])[2].endswith("it ended at validation loss 0.03")
    assert "ended lower" not in sweep_of([slow, steady], ["out of steps"] * 2)[2]


def test_a_class_that_reads_as_missing_is_explained(tmp_path):
    file = tmp_path / "t.csv"
    pd.DataFrame({"x": np.arange(20.0), "y": ["NA", "EU"] * 10}).to_csv(file, index=False)
    with pytest.raises(ValueError, match=r"missing in 10 rows .* NA, N/A, NULL.* read as missing, so give a class"):
        fit(file, "y")
