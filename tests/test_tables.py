"""Tables: what columns are recognised as, what gives the target away, what long and wide ones take, and predictions."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from steepest import datasets
from steepest.cli import app
from steepest.fit import fit, inspect_table, load_model, memory, predictions, table_risk, write_fit, write_predictions
from steepest.fit.tables import FrameTable, ParquetTable

ROWS = 300


@pytest.fixture(scope="module")
def flats() -> pd.DataFrame:
    """A table with a column of every kind, and one that is the target in another currency."""
    generator = np.random.default_rng(0)
    area, rooms = generator.uniform(30, 200, ROWS), generator.integers(1, 7, ROWS)
    city = generator.choice(["Bern", "Basel", "Chur|x", "Zug"], ROWS)
    price = 3000 * area + 20000 * rooms + 1e5 * (city == "Zug") + generator.normal(0, 4e4, ROWS)
    table = pd.DataFrame(
        {
            "listing_id": np.arange(1000, 1000 + ROWS),
            "area": area,
            "rooms": rooms,
            "city": city,
            "sold": pd.date_range("2023-01-01", periods=ROWS).astype(str),
            "country": "CH",
            "note": [f"a nice flat, number {row}, with a view" for row in range(ROWS)],
            "balcony": generator.random(ROWS) > 0.5,
            "nothing": np.nan,
            "price_in_euro": price * 0.95,
            "price": price,
        }
    )
    table.loc[::17, "area"] = np.nan
    return table


@pytest.fixture(scope="module")
def model(flats, tmp_path_factory) -> Path:
    fitted = fit(flats, "price", ignore=["price_in_euro"], learning_rate=0.1, epochs=200)
    return write_fit(fitted, tmp_path_factory.mktemp("fit") / "model")


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# What columns are


def test_every_column_is_listed_with_its_kind(flats):
    found = inspect_table(flats, "price")
    kinds = {column.name: column.kind for column in found.columns}
    assert kinds == {
        "listing_id": "identifier",
        "area": "number",
        "rooms": "number",
        "city": "category",
        "sold": "date",
        "country": "constant",
        "note": "text",
        "balcony": "switch",
        "nothing": "empty",
        "price_in_euro": "number",
    }
    frame = found.to_dataframe()
    assert frame.loc["area", "missing"] == flats["area"].isna().sum()
    assert frame.loc["rooms", "distinct"] == flats["rooms"].nunique()
    left_out = {remark.column for remark in found.remarks if remark.kind != "leak"}
    assert left_out == {"listing_id", "sold", "country", "note", "nothing"}
    assert all(remark.remedy for remark in found.remarks)


@given(
    kinds=st.lists(st.sampled_from(["number", "date", "identifier", "constant", "category"]), min_size=1, max_size=6),
    seed=st.integers(0, 10**6),
)
def test_kinds_do_not_depend_on_the_columns_beside_them(kinds, seed):
    generator = np.random.default_rng(seed)
    made = {
        "number": lambda: generator.normal(size=40),
        "date": lambda: pd.date_range("2020-01-01", periods=40).strftime("%d.%m.%Y").to_numpy(),
        "identifier": lambda: [f"#{number}" for number in generator.permutation(40)],
        "constant": lambda: ["one"] * 40,
        "category": lambda: generator.choice(["a", "b", "c"], 40),
    }
    # The first column can always be learnt from, so that something is left.
    table = pd.DataFrame({"v": generator.normal(size=40)} | {f"c{i}": made[kind]() for i, kind in enumerate(kinds)})
    table["y"] = generator.normal(size=40)
    assert [column.kind for column in inspect_table(table, "y").columns] == ["number", *kinds]


def test_the_bundled_tables_have_nothing_to_remark_but_constant_pixels():
    for name in datasets.BUNDLED:
        remarks = inspect_table(datasets.bundled(name), "target").remarks
        assert {remark.kind for remark in remarks} <= ({"constant"} if name == "digits" else set()), name


def test_a_column_that_is_kept_is_used(flats):
    kept = inspect_table(flats, "price", keep=["listing_id"])
    assert kept.to_dataframe().loc["listing_id", "kind"] == "number"
    with pytest.raises(ValueError, match="'area' is both in ignore and in keep"):
        inspect_table(flats, "price", ignore=["area"], keep=["area"])
    with pytest.raises(ValueError, match="did you mean 'area'"):
        inspect_table(flats, "price", ignore=["aera"])


def years(first: int, name: str = "year") -> pd.DataFrame:
    count = np.arange(71)
    noise = np.random.default_rng(5).normal(size=(2, 71))
    return pd.DataFrame({name: first + count, "x": noise[0], "y": 0.1 * count + noise[0] + 0.1 * noise[1]})


def test_numbers_that_count_from_elsewhere_measure_something_and_are_remarked_on():
    found = inspect_table(years(1950), "y")
    assert found.to_dataframe().loc["year", ["kind", "use"]].tolist() == ["number", "standardised"]
    (remark,) = found.remarks
    assert remark.column == "year"
    assert "is used, but it holds every whole number from 1950 to 2020 once" in remark.what
    assert "--ignore 'year'" in remark.remedy
    assert not inspect_table(years(1950), "y", keep=["year"]).remarks
    for first, name in ((0, "year"), (1, "year"), (1950, "row_id")):
        assert inspect_table(years(first, name), "y").to_dataframe().loc[name, "kind"] == "identifier", (first, name)
    fitted = fit(years(1950), "y", learning_rate=0.1, epochs=200)
    assert fitted.predictor.columns.feature_names == ["year", "x"]


def test_a_switch_is_said_to_be_standardised_and_not_to_be_as_it_is(flats):
    use = inspect_table(flats, "price").to_dataframe().loc["balcony", "use"]
    assert use == "as 0 and 1, standardised"


def dirty(values) -> tuple[str, str]:
    """The kind of a column of these values, and the remark on it."""
    values = list(values)
    noise = np.random.default_rng(7).normal(size=(2, len(values)))
    found = inspect_table(pd.DataFrame({"v": values, "x": noise[0], "y": noise[1]}), "y")
    return found.columns[0].kind, " ".join(str(remark) for remark in found.remarks)


def test_numbers_with_dirt_are_pointed_out_with_a_remedy():
    kind, words = dirty("-" if row % 6 == 0 else f"{row / 7:.3f}" for row in range(258))
    assert kind == "text"
    assert "holds numbers in 215 of 258 values; the rest is '-'; replace what is no number by an empty cell" in words
    for value, shown in ((lambda row: f"{row},34", "'0,34'"), (lambda row: f"{row / 10}%", "'0.0%'")):
        kind, words = dirty(map(value, range(60)))
        assert kind == "text"
        assert f"holds numbers in 60 of 60 values, some written as {shown}; write numbers as 1234.56" in words
    kind, words = dirty("a" if row % 7 == 0 else str(row % 160) for row in range(300))
    assert kind == "category"
    assert "is used, but it holds numbers in 257 of 300 values; the rest is 'a'" in words
    assert "--keep 'v'" in words
    # Few numbers are the names of levels, and postcodes are text on purpose.
    assert dirty(str(row % 5) if row % 3 else "x" for row in range(60)) == ("category", "")
    assert dirty(f"{8000 + row % 20:05d}" for row in range(60)) == ("category", "")
    assert dirty(f"flat {row % 20}" for row in range(60)) == ("category", "")


@pytest.mark.parametrize(("unit", "size"), [("seconds", 1), ("milliseconds", 10**3), ("nanoseconds", 10**9)])
def test_times_as_numbers_are_pointed_out(unit, size):
    kind, words = dirty((1_600_000_000 + 3600 * row) * size for row in range(100))
    assert kind == "number"
    assert f"may be a date: it lies where {unit} since 1970 do, 2020-09-13 to 2020-09-17" in words
    assert "--ignore 'v'" in words
    assert dirty(1_600_000_000 + 0.5 * row for row in range(100))[1]
    assert not dirty(1e6 + 1e8 * row for row in range(100))[1]


# What gives the target away


@pytest.mark.parametrize(
    ("leaking", "words"),
    [
        (lambda y: y, "is the target itself"),
        (lambda y: 1.8 * y + 32, "orders the rows as the target does"),
        (lambda y: np.exp(-y), "from the other end"),
        (lambda y: y.round(3).astype(str), "orders the rows as the target does"),
    ],
)
def test_a_function_of_a_number_is_a_leak(leaking, words):
    generator = np.random.default_rng(1)
    y = generator.normal(size=200)
    table = pd.DataFrame({"x": y + 0.1 * generator.normal(size=200), "leak": leaking(y), "y": y})
    found = inspect_table(table, "y")
    assert [remark.column for remark in found.leaks] == ["leak"]
    assert words in found.leaks[0].what
    assert "--ignore 'leak'" in found.leaks[0].remedy
    with pytest.warns(UserWarning, match="'leak' may give the target away"):
        fit(table, "y", learning_rate=0.1, epochs=2)


@pytest.mark.parametrize(
    "leaking",
    [lambda y: pd.Series(y).map({"yes": 1, "no": 0}), lambda y: pd.Series(y).map({"yes": "paid", "no": "left"})],
)
def test_a_class_by_another_name_is_a_leak(leaking):
    generator = np.random.default_rng(2)
    y = generator.choice(["yes", "no"], 200)
    table = pd.DataFrame({"x": generator.normal(size=200) + 3 * (y == "yes"), "leak": leaking(y), "y": y})
    assert [remark.column for remark in inspect_table(table, "y").leaks] == ["leak"]


def test_a_strong_feature_is_no_leak():
    # Of breast cancer the best feature orders 97 % of pairs rightly; of these rows x explains 99 % of the variance.
    generator = np.random.default_rng(3)
    y = generator.normal(size=300)
    table = pd.DataFrame({"x": y + 0.1 * generator.normal(size=300), "y": y})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not inspect_table(table, "y").leaks
        fit(table, "y", learning_rate=0.1, epochs=2)


def test_the_remarks_stand_wherever_a_fit_is_told(flats, tmp_path):
    table = tmp_path / "flats.csv"
    flats.to_csv(table, index=False)
    told = run("fit", table, "--target", "price", "--out", tmp_path / "out", "--learning-rate", "0.1", "--epochs", "20")
    assert told.exit_code == 0, told.output
    words = " ".join(told.stdout.split())
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    for phrase in ("'price_in_euro' may give the target away", "'sold' is left out: it holds dates", "counts the rows"):
        assert phrase in words
        assert phrase in summary
    assert "| city | category | 0 | 4 | 4 indicators |" in summary
    without = run("fit", table, "--target", "price", "--ignore", "price_in_euro", "--learning-rate", "0.1")
    assert "give the target away" not in " ".join(without.output.split())


# Reading


def test_of_a_parquet_file_only_the_columns_used_are_read(flats, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    path = tmp_path / "flats.parquet"
    flats.to_parquet(path, row_group_size=50)
    table = ParquetTable(path)
    asked: list[list[str]] = []
    own = pq.ParquetFile.read

    def read(self, *arguments, columns=None, **settings):
        asked.append(columns)
        return own(self, *arguments, columns=columns, **settings)

    monkeypatch.setattr(pq.ParquetFile, "read", read)
    read_columns = {str(column.name): column for column in table.columns(["area", "city"])}
    assert {name for names in asked for name in names} == {"area", "city"}
    pd.testing.assert_series_equal(read_columns["area"], flats["area"])
    inspect_table(path, "price", ignore=["note", "sold"])
    assert not {"note", "sold"} & {name for names in asked[1:] for name in names}


@given(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=30))
def test_rows_of_a_parquet_file_are_those_of_the_table(tmp_path_factory, positions):
    table = pd.DataFrame({"a": np.arange(ROWS) * 0.5, "b": [f"v{row % 7}" for row in range(ROWS)]})
    path = tmp_path_factory.getbasetemp() / "rows.parquet"
    if not path.exists():
        table.to_parquet(path, row_group_size=37)
    wanted = np.array(positions)
    found = ParquetTable(path).rows(wanted, ["b", "a"]).reset_index(drop=True)
    there = FrameTable(table).rows(wanted, ["b", "a"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, there, check_dtype=False, check_column_type=False)


def test_a_fit_of_a_parquet_file_is_that_of_the_table(flats, tmp_path):
    path = tmp_path / "flats.parquet"
    flats.to_parquet(path, row_group_size=50)
    settings = {"target": "price", "ignore": ["price_in_euro"], "learning_rate": 0.1, "epochs": 50}
    one, other = fit(flats, **settings), fit(path, **settings)
    np.testing.assert_allclose(other.predictor.params["weight"], one.predictor.params["weight"], rtol=1e-12)
    assert other.inspection == one.inspection


def test_rows_that_do_not_fit_in_memory_are_read_by_block_and_end_at_the_same_model(tmp_path):
    generator = np.random.default_rng(4)
    x = generator.normal(size=(120_000, 40))
    table = pd.DataFrame(x, columns=[f"x{i}" for i in range(40)]).assign(y=x @ generator.normal(size=40))
    path = tmp_path / "long.parquet"
    table.to_parquet(path, row_group_size=10_000)
    # 120,000 × 40 features take 115 MB threefold, with the 0.75 GiB of the libraries more than is allowed here.
    streamed = fit(path, "y", learning_rate="auto", memory=0.85)
    there = fit(table, "y", learning_rate="auto")
    assert streamed.scores["r2"].value == pytest.approx(there.scores["r2"].value, abs=1e-6)
    np.testing.assert_allclose(streamed.predictor.params["weight"], there.predictor.params["weight"], atol=1e-5)


def decimals(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with its areas as decimals, which is how money comes out of a database."""
    areas = [None if np.isnan(area) else Decimal(f"{area:.2f}") for area in frame["area"]]
    return frame.assign(area=pd.Series(areas, dtype=object))


@pytest.mark.parametrize("source", ["parquet", "pandas", "pyarrow"])
def test_decimals_are_numbers(flats, tmp_path, source):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = decimals(flats)
    given: pd.DataFrame | Path = table
    if source == "parquet":
        given = tmp_path / "flats.parquet"
        table.to_parquet(given, row_group_size=50)
        assert pa.types.is_decimal(pq.read_schema(given).field("area").type)
    elif source == "pyarrow":
        given = table.assign(area=table["area"].astype(pd.ArrowDtype(pa.decimal128(9, 2))))
    found = inspect_table(given, "price").to_dataframe().loc["area"]
    assert (found["kind"], found["missing"]) == ("number", flats["area"].isna().sum())
    settings = {"target": "price", "ignore": ["price_in_euro"], "learning_rate": 0.1, "epochs": 50}
    fitted, there = fit(given, **settings), fit(flats.assign(area=flats["area"].round(2)), **settings)
    np.testing.assert_allclose(
        fitted.predictor.params["weight"], there.predictor.params["weight"], rtol=1e-9, atol=1e-12
    )
    if isinstance(given, pd.DataFrame):
        np.testing.assert_allclose(fitted.predictor.predict(given), there.predictor.predict(table), rtol=1e-9)
    as_target = fit(table.dropna(subset=["area"]), "area", ignore=["price_in_euro"], learning_rate=0.1, epochs=2)
    assert not as_target.predictor.task.is_classification


def test_what_a_container_would_give_back_is_free(tmp_path, monkeypatch):
    # 900 of 1000 bytes are used, 600 of them by pages of files that nobody has looked at again.
    for name, stat in (("new", "anon 200\ninactive_file 600\n"), ("old", "inactive_file 5\ntotal_inactive_file 600\n")):
        folder = tmp_path / name
        folder.mkdir()
        for file, text in (("limit", "1000\n"), ("used", "900\n"), ("stat", stat)):
            (folder / file).write_text(text)
        key = "inactive_file" if name == "new" else "total_inactive_file"
        group = memory.Group(str(folder / "limit"), str(folder / "used"), str(folder / "stat"), key)
        monkeypatch.setattr(memory, "_GROUPS", (group,))
        assert memory.free_memory() == 700, name
    (tmp_path / "old" / "stat").unlink()
    assert memory.free_memory() == 100


def test_what_needs_more_memory_than_allowed_is_told_before_the_work(tmp_path):
    path = tmp_path / "t.csv"
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(60_000, 30))).add_prefix("x")
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"of memory, and 0\.1 GiB may be used; .*Parquet"):
        fit(path, "x0", memory=0.1)
    with pytest.raises(ValueError, match="memory must be a positive number of GiB, got 0"):
        fit(path, "x0", memory=0)


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")

PEAK = """
import re, sys, warnings
from pathlib import Path
from steepest.fit import fit
warnings.simplefilter("ignore")
path, target, rates, epochs, memory = sys.argv[1:]
fitted = fit(path, target, learning_rate=[float(rates)], epochs=int(epochs), memory=float(memory), progress=False)
name, score = next(iter(fitted.scores.items()))
# Not getrusage: what it says begins with the memory of the process that this one was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20, score.value)
"""


def peak(path: Path, target: str, rate: float, epochs: int, memory: float) -> tuple[float, float]:
    """(GiB at most, score) of a fit in a process of its own."""
    command = [sys.executable, "-c", PEAK, str(path), target, str(rate), str(epochs), str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, score = map(float, done.stdout.split())
    return found, score


@pytest.mark.slow
@needs_proc
def test_ten_million_rows_stay_within_the_memory_stated(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = np.random.default_rng(0)
    weight = generator.normal(size=8)
    path = tmp_path / "long.parquet"
    writer = None
    for _ in range(10):
        x = generator.normal(size=(1_000_000, 8))
        part = pd.DataFrame(x, columns=[f"x{i}" for i in range(8)]).assign(y=x @ weight + generator.normal(size=len(x)))
        block = pa.Table.from_pandas(part, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, block.schema)
        writer.write_table(block, row_group_size=100_000)
    assert writer is not None
    writer.close()
    found, score = peak(path, "y", 0.5, 100, 2.0)
    assert found < 2.0
    # The noise has variance 1.
    assert score == pytest.approx(weight @ weight / (weight @ weight + 1), abs=2e-3)


@pytest.mark.slow
@needs_proc
def test_ten_thousand_columns_stay_within_the_memory_stated(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1000, 10_000))
    table = pd.DataFrame(x, columns=[f"f{i}" for i in range(10_000)])
    table["y"] = np.where(x[:, :20].sum(axis=1) > 0, "yes", "no")
    path = tmp_path / "wide.parquet"
    table.to_parquet(path)
    found, _ = peak(path, "y", 0.01, 20, 2.0)
    assert found < 2.0


# Predictions


def test_predictions_are_those_of_the_model(flats, model, tmp_path):
    predictor = load_model(model)
    path = tmp_path / "new.parquet"
    flats.drop(columns=["price", "note"]).to_parquet(path)
    found = pd.concat(predictions(predictor, path, carry=["listing_id"]))
    assert list(found) == ["listing_id", "predicted_price"]
    np.testing.assert_allclose(found["predicted_price"], predictor.predict(flats), rtol=1e-12)
    assert found["listing_id"].tolist() == flats["listing_id"].tolist()


def test_classes_come_with_their_probabilities():
    iris = datasets.bundled("iris")
    predictor = fit(iris, "target", learning_rate=0.1, epochs=50).predictor
    (found,) = predictions(predictor, iris)
    shares = found.filter(like="probability_")
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    best = shares.idxmax(axis=1).str.removeprefix("probability_")
    assert best.tolist() == found["predicted_target"].astype(str).tolist()


def test_many_rows_are_predicted_block_by_block(flats, model, monkeypatch):
    predictor = load_model(model)
    monkeypatch.setattr("steepest.fit.prediction._MOST_ROWS", 64)
    blocks = list(predictions(predictor, flats))
    assert [len(block) for block in blocks] == [64, 64, 64, 64, 44]
    np.testing.assert_allclose(pd.concat(blocks)["predicted_price"], predictor.predict(flats), rtol=1e-12)


def test_the_command_writes_what_it_prints(flats, model, tmp_path):
    new = tmp_path / "new.csv"
    flats.drop(columns="price").to_csv(new, index=False)
    printed = run("predict", model, new, "--with", "listing_id")
    assert printed.exit_code == 0, printed.output
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        written = run("predict", model, new, "--with", "listing_id", "--out", tmp_path / f"out{suffix}")
        assert written.exit_code == 0, written.output
        assert f"{ROWS} rows" in written.stdout
        pd.testing.assert_frame_equal(read(tmp_path / f"out{suffix}"), pd.read_csv(io.StringIO(printed.stdout)))
    again = run("predict", model, new, "--out", tmp_path / "out.csv")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns=["area", "rooms"]), "the table lacks 'area', 'rooms'"),
        (lambda table: table.rename(columns={"city": "City"}), "is 'City' meant for 'city'"),
        (
            lambda table: table.astype({"area": object}).replace({"area": {table["area"][1]: "big"}}),
            "column 'area' should hold numbers, got 'big' in row 1",
        ),
        (lambda table: table.assign(city=5), "column 'city' should hold categories such as 'Basel', 'Bern'"),
        (lambda table: table.assign(area="x", city=5), "column 'city' should hold categories"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_its_columns_named(flats, model, tmp_path, change, words):
    path = tmp_path / "other.csv"
    change(flats.drop(columns="price")).to_csv(path, index=False)
    out = tmp_path / "out.csv"
    out.write_text("precious")
    told = run("predict", model, path, "--out", out, "--overwrite")
    assert told.exit_code == 2
    assert words in told.stderr
    assert out.read_text() == "precious"
    assert not list(tmp_path.glob(".*partial"))


def test_unseen_categories_are_counted(flats, model, tmp_path):
    path = tmp_path / "other.csv"
    flats.assign(city=flats["city"].where(flats.index >= 12, "Genf")).to_csv(path, index=False)
    told = run("predict", model, path, "--out", tmp_path / "out.csv")
    assert told.exit_code == 0
    assert f"column 'city' has categories in 12 of {ROWS} rows that the model has never seen" in told.stderr


def test_a_switch_that_is_none_and_a_column_without_values_are_pointed_out(flats, model, tmp_path):
    path = tmp_path / "other.csv"
    flats.assign(balcony=7, rooms=np.nan).to_csv(path, index=False)
    told = run("predict", model, path, "--out", tmp_path / "out.csv")
    assert told.exit_code == 0
    assert f"column 'balcony' is neither 0 nor 1 in {ROWS} of {ROWS} rows" in told.stderr
    assert "column 'rooms' is empty in every row" in told.stderr
    flats.to_csv(path, index=False)
    told = run("predict", model, path, "--out", tmp_path / "same.csv")
    assert "note" not in told.stderr


def test_categories_learnt_as_text_are_known_where_they_are_read_as_numbers(tmp_path):
    generator = np.random.default_rng(6)
    level = generator.choice(["1", "2", "x"], ROWS)
    table = pd.DataFrame({"level": level, "y": (level == "2") * 3.0 + (level == "x") + generator.normal(size=ROWS)})
    predictor = fit(table, "y", learning_rate=0.1, epochs=100).predictor
    # "1", "2" and nothing are floats to a reader of CSV, and become "1.0" and "2.0".
    for values in ([1, 2, None], [1, 2, 1]):
        path = tmp_path / "new.csv"
        pd.DataFrame({"level": pd.array(values, dtype="Int64")}).to_csv(path, index=False)
        unknown: dict[str, int] = {}
        (found,) = predictions(predictor, path, unknown=unknown)
        assert unknown == ({"level": 1} if None in values else {})
        known = predictor.predict(pd.DataFrame({"level": ["1", "2"]}))
        np.testing.assert_array_equal(found["predicted_y"][:2], known)
    _, half = predictor.columns.encoded(pd.DataFrame({"level": [1.0, 1.5]}), unknown=unknown)
    assert not half.any()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_without_rows_has_predictions_without_rows(flats, model, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    assert write_predictions(predictions(load_model(model), flats.head(0), carry=["city"]), path) == 0
    found = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    assert list(found) == ["city", "predicted_price"]
    assert len(found) == 0
    classes = fit(datasets.bundled("iris"), "target", learning_rate=0.1, epochs=5).predictor
    (none,) = predictions(classes, datasets.bundled("iris").head(0))
    assert len(none) == 0
    assert none.shape[1] == 4
    with pytest.raises(ValueError, match="no block of predictions came, so that no columns are known"):
        write_predictions(iter([]), path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_without_rows_is_predicted_and_not_learnt_from(flats, model, tmp_path, suffix):
    path, out = tmp_path / f"new{suffix}", tmp_path / f"out{suffix}"
    datasets.write_table(flats.head(0), path)
    told = run("predict", model, path, "--with", "listing_id", "--out", out)
    assert told.exit_code == 0, told.output
    assert "0 rows" in told.stdout
    found = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(found) == ["listing_id", "predicted_price"]
    assert len(found) == 0
    assert suffix == ".csv" or found["listing_id"].dtype == np.int64
    datasets.write_table(flats.head(0).drop(columns="area"), path)
    lacking = run("predict", model, path)
    assert lacking.exit_code == 2
    assert "the table lacks 'area'" in lacking.stderr
    refused = run("fit", path, "--target", "price")
    assert refused.exit_code == 2
    assert "holds no rows" in refused.stderr


@pytest.mark.parametrize("source", ["parquet", "pandas"])
def test_what_is_carried_keeps_the_type_it_has_in_the_table(flats, model, tmp_path, monkeypatch, source):
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr("steepest.fit.prediction._MOST_ROWS", 64)
    late = np.arange(ROWS) >= 100
    numbers = 2**60 + 1 + np.arange(ROWS)
    carried = {
        "text": pa.array([f"v{row}" if there else None for row, there in enumerate(late)], pa.string()),
        "day": pa.array([row if there else None for row, there in enumerate(late)], pa.date32()),
        "number": pa.array([int(n) if there else None for n, there in zip(numbers, late, strict=True)], pa.int64()),
        "switch": pa.array([True if there else None for there in late], pa.bool_()),
        "bare": pa.nulls(ROWS, pa.string()),
        "price_of_old": pa.array([Decimal(row) / 4 if there else None for row, there in enumerate(late)]),
        "time": pa.array([row if there else None for row, there in enumerate(late)], pa.timestamp("ms", "UTC")),
    }
    table = pa.Table.from_pandas(flats, preserve_index=False)
    for name, column in carried.items():
        table = table.append_column(name, column)
    given: pd.DataFrame | Path = tmp_path / "new.parquet"
    if source == "parquet":
        pq.write_table(table, given, row_group_size=50)
    else:
        masked = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype()}
        given = table.to_pandas(types_mapper=masked.get)
    out = tmp_path / "out.parquet"
    # A decimal is a number wherever a table is read, and so it is where it is carried.
    expected = table.select(list(carried))
    place = expected.schema.get_field_index("price_of_old")
    expected = expected.set_column(place, "price_of_old", expected["price_of_old"].cast(pa.float64()))
    assert write_predictions(predictions(load_model(model), given, carry=list(carried)), out) == ROWS
    found = pq.read_table(out)
    assert found.num_columns == len(carried) + 1
    for name in carried:
        if (source, name) != ("pandas", "bare"):  # nothing says what a column of pandas without any value would hold
            assert found[name].cast(expected[name].type).to_pylist() == expected[name].to_pylist(), name
            assert str(found[name].type).removeprefix("large_") == str(expected[name].type), name


def test_what_cannot_be_carried(flats, model):
    predictor = load_model(model)
    with pytest.raises(ValueError, match="unknown column to carry 'listing_if': did you mean 'listing_id'"):
        predictions(predictor, flats, carry=["listing_if"])
    with pytest.raises(ValueError, match="'predicted_price' cannot be carried"):
        predictions(predictor, flats.assign(predicted_price=0.0), carry=["predicted_price"])
    several = predictions(predictor, flats.assign(several=[1, "two", 3] * (ROWS // 3)), carry=["several"])
    with pytest.raises(ValueError, match="column 'several' has no type in Parquet: "):
        several.schema()


def test_no_predictions_leave_no_file(tmp_path):
    def failing():
        yield pd.DataFrame({"a": [1.0]})
        raise ValueError("row 2 is bad")

    for name in ("out.csv", "out.parquet"):
        with pytest.raises(ValueError, match="row 2 is bad"):
            write_predictions(failing(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_diagnose_leaves_columns_out_too(flats, tmp_path):
    path = tmp_path / "flats.csv"
    flats.to_csv(path, index=False)
    told = run("diagnose", path, "--target", "price", "--ignore", "price_in_euro", "--json")
    assert told.exit_code == 0, told.output
    json.loads(told.stdout)
    assert table_risk(flats, "price", ignore=["price_in_euro"]).x.shape[1] == 7
    refused = run("diagnose", "bowl", "--ignore", "x")
    assert refused.exit_code == 2
    assert "--ignore is for a table" in refused.stderr
