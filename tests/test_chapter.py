"""Every number of the chapter agrees, and a number that does not is reported."""

from __future__ import annotations

import json

import pytest

from steepest import chapter
from steepest.chapter import report

FIGURES = {
    "gradient_descent_2d.png",
    "learning_rate_effect.png",
    "loss_gradients.png",
    "gd_comparison.png",
    "gd_3d_surface.png",
    "gd_sgd_minibatch_comparison.png",
    "learning_rate_sweep.png",
    "steepest_ascent.png",
    "convexity.png",
    "critical_points.png",
    "learning_rate_limit.png",
    "convergence_rates.png",
    "momentum.png",
    "threshold.png",
    "schedule.png",
    "starts.png",
    "basins.png",
    "softmax_gradient.png",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapter")
    return chapter.run(out=folder), folder


def test_every_number_of_the_book_agrees(ran):
    rows = ran[0].rows
    assert [row.number for row in rows if not row.agrees] == []
    assert ran[0].agrees


def test_every_number_of_the_book_is_compared(ran):
    # chapter-15.json: every leaf but the note on the random generator.
    expected = sum(
        1 for program in chapter.book_numbers().values() for name, _ in report._leaves(program) if name != "note"
    )
    compared = [row for row in ran[0].rows if row.section in chapter.book_numbers()]
    assert len(compared) == expected
    assert [len(row.ours) for row in compared if row.number.endswith("losses")] == [100, 100, 100]


def test_figures_and_numbers_are_written(ran):
    _, folder = ran
    assert {path.name for path in folder.iterdir()} == FIGURES | {"numbers.json"}
    written = json.loads((folder / "numbers.json").read_text())
    assert written["agrees"] is True
    assert len(written["rows"]) == len(ran[0].rows)
    for name in FIGURES:
        assert (folder / name).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("book", "ours", "agrees"),
    [
        (1.0, 1.0 + 5e-11, True),
        (1.0, 1.0 + 2e-10, False),
        (2.8e-35, 2.8e-35 * (1 + 1e-9), False),
        (0.0, 1e-11, True),
        ([1.0, 2.0], [1.0], False),
        ("diverged", "not converged", False),
        (1.0, None, False),
        (1.0, float("nan"), False),
    ],
)
def test_the_comparison_compares(book, ours, agrees):
    program = chapter.Program("x", {}, {} if ours is None else {"number": ours})
    assert chapter.compare(program, {"number": book})[0].agrees is agrees


def test_one_section_alone_and_an_unknown_one():
    assert {row.section for row in chapter.run(["15.3"]).rows} == {"15.3 quadratic", "15.3 rosenbrock"}
    with pytest.raises(ValueError, match=r"unknown section '15.1'.*15\.2, 15\.3, 15\.4, .*exercise-15\.5"):
        chapter.run(["15.1"])


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        chapter.run(["15.3"], tmp_path / "file")


def test_where_the_chapter_is_wrong_the_evidence_is_given(ran):
    assert any("it is a saddle" in note for note in ran[0].notes)
    assert json.loads((ran[1] / "numbers.json").read_text())["notes"] == list(ran[0].notes)


def test_a_program_may_allow_for_a_measurement():
    loose = chapter.Program("x", {}, {"number": 1.01}, tolerance=0.02)
    assert chapter.compare(loose, {"number": 1.0})[0].agrees
    assert not chapter.compare(chapter.Program("x", {}, {"number": 1.03}, tolerance=0.02), {"number": 1.0})[0].agrees


def test_without_sympy_the_derivation_is_left_out_and_the_report_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sympy", None)
    report = chapter.run(["exercise-15.5"])
    assert report.agrees
    assert not any("derived" in row.number for row in report.rows)
    assert any("steepest[symbolic]" in note for note in report.notes)
