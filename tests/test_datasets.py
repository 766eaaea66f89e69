"""Tables in and out, and the data that are made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from steepest import datasets


@pytest.mark.parametrize("name", datasets.BUNDLED)
@pytest.mark.parametrize("suffix", datasets.SUFFIXES)
def test_a_table_written_is_the_table_read(tmp_path, name, suffix):
    table = datasets.bundled(name)
    datasets.write_table(table, tmp_path / "deep" / f"t{suffix}")
    pd.testing.assert_frame_equal(
        datasets.read_table(tmp_path / "deep" / f"t{suffix}"), table, check_dtype=False, check_categorical=False
    )


def test_the_chapters_data_are_the_chapters():
    # chapter-15.json, "least_squares".
    data = datasets.chapter_regression()
    design = np.column_stack([data.x, np.ones(200)])
    np.testing.assert_allclose(np.linalg.lstsq(design, data.y)[0], [3.0504348767010887, 2.0449903720508766], rtol=1e-12)
    assert (np.sort(data.mini_batch.reshape(100, -1), axis=1)[:, -200:] == np.arange(200)).all()


def test_spirals_lie_on_their_arms():
    x, y = datasets.spirals(rows=301, arms=4, noise=0.0)
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    turns = (angle - 4 * radius - 2 * np.pi * y / 4) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    assert radius.max() <= 1
    assert np.ptp(np.bincount(y)) <= 1


def write(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("t.txt", b"a\n1\n", ValueError, "ending in .csv or .parquet, got '.txt'"),
        ("t.csv", b"", ValueError, "cannot be read as CSV"),
        ("t.csv", b"a,b\n", ValueError, "holds no rows"),
        ("t.csv", b"a,a\n1,2\n", ValueError, "two columns are called 'a'"),
        ("t.csv", b'a,b\n1,2\n"3,4\n', ValueError, "cannot be read as CSV"),
        ("t.csv", b"a,b\n1,2,3,4\n5\n6,7,8,9,10\n", ValueError, "cannot be read as CSV"),
        (
            "t.csv",
            "a,b\n1,Z\u00fcrich\n".encode("latin-1"),
            ValueError,
            "is not UTF-8 (it is 0xfc); save the file as UTF-8",
        ),
        ("t.parquet", b"PAR1 and no more", ValueError, "cannot be read as PARQUET"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, name, content, error, words):
    with pytest.raises(error) as caught:
        datasets.read_table(write(tmp_path, name, content))
    assert words in str(caught.value)


def test_a_truncated_parquet_file_and_paths_that_are_no_table(tmp_path):
    datasets.write_table(datasets.bundled("iris"), tmp_path / "whole.parquet")
    half = (tmp_path / "whole.parquet").read_bytes()[:-200]
    with pytest.raises(ValueError, match="cannot be read as PARQUET"):
        datasets.read_table(write(tmp_path, "half.parquet", half))
    with pytest.raises(FileNotFoundError, match="there is no table at"):
        datasets.read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        datasets.read_table(tmp_path / "folder.csv")
    with pytest.raises(OSError, match="cannot be written"):
        datasets.write_table(datasets.bundled("iris"), tmp_path / "whole.parquet" / "t.csv")
    with pytest.raises(ValueError, match="did you mean 'iris'"):
        datasets.bundled("irises")
    with pytest.raises(ValueError, match="number of arms"):
        datasets.spirals(rows=2, arms=3)


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_columns_with_other_separators_are_read_and_said_so(tmp_path, separator, word):
    content = separator.join(["a", "b"]) + "\n" + separator.join(["1", "x,y"]) + "\n"
    file = write(tmp_path, "t.csv", content.encode())
    with pytest.warns(UserWarning, match=f"is read with {word} between its columns"):
        table = datasets.read_table(file)
    assert table.to_dict("list") == {"a": [1], "b": ["x,y"]}
    # One column whose name holds neither is one column, and commas come first.
    assert list(datasets.read_table(write(tmp_path, "one.csv", b"a\n1\n"))) == ["a"]
    assert list(datasets.read_table(write(tmp_path, "two.csv", b"a;b,c\n1,2\n"))) == ["a;b", "c"]


def test_a_second_column_of_one_name_is_found_whatever_separates_them(tmp_path):
    with pytest.raises(ValueError, match="two columns are called 'a'"):
        datasets.read_table(write(tmp_path, "t.csv", b"a;a\n1;2\n"))
