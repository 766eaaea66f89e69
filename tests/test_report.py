"""Reports: the numbers on the page are those that were found, whatever is in the table stays words, and it works."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import steepest as sd
from browser import browsing
from steepest.cli import app
from steepest.fit import Fit, fit, summary
from steepest.report import check_report, write_report
from steepest.report.page import as_script, label

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    '" onmouseover="alert(3)" x=\'',
    "<a href='javascript:alert(4)'>click</a> <b>bold</b>",
    "{{ 7 * 7 }} ${7*7} %s",
    "температура 温度 \u2028 \U0001f600",
    "n" * 300,
]


class _Text(HTMLParser):
    """The words of a page, outside of its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words.append(data)


def words_of(file: Path) -> str:
    parser = _Text()
    parser.feed(file.read_text(encoding="utf-8"))
    return " ".join(" ".join(parser.words).split())


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(sd.datasets.bundled("diabetes"), "target", epochs=200)


@pytest.fixture(scope="module")
def file(fitted: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(fitted, tmp_path_factory.mktemp("report") / "deep" / "diabetes.html", command="steepest fit x")


def hostile_fit() -> Fit:
    generator = np.random.default_rng(0)
    names = HOSTILE[:-1]
    table = pd.DataFrame(generator.normal(size=(60, len(names))), columns=names)
    table["<i>dropped</i>"] = 1.0
    table["cat<b>egory"] = generator.choice(["<u>a</u>", "</script>"], 60)
    table[HOSTILE[-1]] = np.where(table[names[0]] > 0, "<img src=x onerror=alert(5)>", "javascript:alert(6)")
    return fit(table, HOSTILE[-1], epochs=20, learning_rate=[0.01, 0.1, 100.0])


def test_the_page_says_what_was_found(fitted: Fit, file: Path) -> None:
    words = words_of(file)
    for score in fitted.scores.values():
        assert f"{score.value:.4f}" in words
        assert f"{score.standard_error:.4f}" in words
        assert f"{score.baseline:.4f}" in words
    assert f"{fitted.recipe.learning_rate:.4g}" in words
    assert fitted.chosen_because in words
    for rate, verdict in zip(fitted.sweep.dataset.learning_rate.values, fitted.sweep.verdict.values, strict=True):
        assert re.search(rf"{re.escape(f'{rate:.4g}')} \S+( finite)? {verdict}", words), rate
    for column in fitted.predictor.columns.columns:
        assert column.name in words
    assert "steepest fit x" in words
    assert f"jax {__import__('jax').__version__}" in words


def test_the_limit_on_the_page_is_that_of_the_training_rows(fitted: Fit, file: Path) -> None:
    """2 (1 + β)/λmax from NumPy's eigenvalues, and the boundary that the sweep shows."""
    risk = fitted.sweep.objectives[None]
    design = np.column_stack([risk.x, np.ones(len(risk.x))])
    second = design.T @ design / len(design) + risk.l2 * np.diag([1.0] * risk.x.shape[1] + [0.0])
    limit = 2 * 1.9 / np.linalg.eigvalsh(second)[-1]
    words = words_of(file)
    assert f"The limit that follows from the curvature is {limit:.4g}" in words
    rates, diverged = fitted.sweep.dataset.learning_rate.values, fitted.sweep.verdict.values == "diverged"
    assert rates[~diverged].max() < limit < rates[diverged].min()
    assert f"the smallest that did {rates[diverged].min():.4g}, as predicted" in words


def test_every_finding_has_its_remedy_on_the_page(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0) * 1e6, "still": 1.0, "y": np.arange(50.0) % 7})
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, table[["a", "b", "still"]], table["y"])
    diagnosis = sd.diagnose(risk, learning_rate=1.0)
    assert {"scales", "constant feature", "duplicate features"} <= {finding.kind for finding in diagnosis.findings}
    words = words_of(write_report(diagnosis, tmp_path / "diagnosis.html"))
    for finding in diagnosis.findings:
        assert finding.what in words
        assert finding.remedy[1:] in words
    assert diagnosis.judgement is not None
    assert diagnosis.judgement.sentence in words


def test_the_same_arguments_write_the_same_file(fitted: Fit, tmp_path: Path) -> None:
    one, other = (write_report(fitted, tmp_path / name).read_bytes() for name in ("one.html", "other.html"))
    assert one == other


def test_the_table_is_named_by_its_hash(tmp_path: Path) -> None:
    source = tmp_path / "diabetes.csv"
    sd.datasets.write_table(sd.datasets.bundled("diabetes"), source)
    found = write_report(fit(source, "target", epochs=20, learning_rate=[0.1]), tmp_path / "report.html")
    assert hashlib.sha256(source.read_bytes()).hexdigest() in words_of(found)


@given(st.text(max_size=80))
def test_no_text_ends_a_script_or_becomes_markup(text: str) -> None:
    script = as_script({"name": text, text: [1.0, float("inf")]})
    assert not set("<>&") & set(script)
    assert json.loads(script) == ({"name": text} | {text: [1.0, None]})
    assert not set("<>\"'") & set(label(text))


def test_hostile_names_stay_words(tmp_path: Path) -> None:
    found = hostile_fit()
    file = write_report(found, tmp_path / "hostile.html", command=f"steepest fit '{HOSTILE[0]}'")
    text = file.read_text(encoding="utf-8")
    parser = _Text()
    parser.feed(text)
    assert not {"img", "a", "b", "i", "u", "iframe"} & set(parser.tags)
    assert parser.tags.count("script") == 2
    for name in HOSTILE[:5]:
        assert name in " ".join(parser.words)
    assert "49" not in re.findall(r"\{\{ 7.*?\}\}", " ".join(parser.words))


def test_the_policy_names_the_scripts_of_the_page_and_no_others(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    directives = dict(part.split(maxsplit=1) for part in html.unescape(policy[1]).split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert directives["script-src"].split() == [f"'sha256-{found}'" for found in hashes]
    assert len(hashes) == 2
    assert directives["default-src"] == "'none'"
    assert "\r" not in text


@pytest.mark.parametrize(
    "attack", ["<script>window.owned = 1</script>", "<img src='data:,' onerror='window.owned = 1'>"]
)
def test_a_browser_runs_no_script_but_those_of_the_page(attack: str, file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace("<main>", f"<main>{attack}", 1), encoding="utf-8")
    for opened, refused in ((file, 0), (changed, 1)):
        with browsing() as (page, complaints):
            page.goto(opened.as_uri())
            drawn = "[...document.querySelectorAll('.plot')].every(p => p.querySelector('svg.main-svg .trace'))"
            page.wait_for_function(drawn)
            page.wait_for_timeout(200)
            assert page.locator(".plot").count() > 0
            assert page.evaluate("window.owned") is None
            assert len(complaints) == refused, complaints
            assert all("Content Security Policy" in said for said in complaints)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fit", "hostile", "diagnosis"])
def test_a_browser_opens_it_without_a_complaint(kind: str, file: Path, tmp_path: Path) -> None:
    if kind == "hostile":
        file = write_report(hostile_fit(), tmp_path / "hostile.html", command=HOSTILE[1])
    elif kind == "diagnosis":
        file = write_report(sd.diagnose(sd.landscapes.rosenbrock), tmp_path / "rosenbrock.html")
    with browsing(viewport={"width": 390, "height": 800}, color_scheme="dark") as (page, complaints):
        page.goto(file.as_uri())
        plots = page.locator(".plot")
        page.wait_for_function("[...document.querySelectorAll('.plot')].every(p => p.querySelector('svg.main-svg'))")
        assert plots.count() == len(re.findall(r'class="plot"', file.read_text(encoding="utf-8"))) > 0
        plots.first.scroll_into_view_if_needed()
        plots.first.hover()
        page.get_by_text("The same as a table").first.click()
        assert page.locator("details[open] table").count() == 1
        # A phone's width: nothing but tables in their own frames is wider than the window.
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.emulate_media(color_scheme="light")
        page.wait_for_timeout(200)
        # On paper plots are as wide as a page, and afterwards as wide as the window again.
        width = "document.querySelector('.plot svg').getBoundingClientRect().width"
        before = page.evaluate(width)
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(width) == 640
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        page.wait_for_function(f"{width} === {before}")
        assert page.pdf()[:4] == b"%PDF"
        assert complaints == []


# The command line


def test_the_commands_write_it(tmp_path: Path) -> None:
    table, report = tmp_path / "iris.csv", tmp_path / "iris.html"
    sd.datasets.write_table(sd.datasets.bundled("iris"), table)
    arguments = ["fit", str(table), "--target", "target", "--epochs", "20", "--report", str(report)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"written: {report}" in result.output.replace("\n", "")
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "exists already" in again.output
    result = CliRunner().invoke(app, ["diagnose", "bowl", "--json", "--report", str(tmp_path / "bowl.html")])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["objective"].startswith("bowl")
    assert words_of(tmp_path / "bowl.html").startswith("Diagnosis of bowl")


def test_paths_that_cannot_be_reports_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a report is an \.html file, got 'report\.pdf'"):
        check_report("report.pdf")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(FileExistsError, match="is a folder"):
        check_report(tmp_path / "folder.html")
    with pytest.raises(TypeError, match="a report is of a Fit or a Diagnosis, got int"):
        write_report(3, tmp_path / "three.html")  # type: ignore[arg-type]
    blocked = tmp_path / "file"
    blocked.write_text("")
    for path in (blocked / "report.html", blocked / "deeper" / "report.html", tmp_path / ("n" * 300 + ".html")):
        with pytest.raises(OSError, match=r"the report .* cannot be written: "):
            check_report(path)
        with pytest.raises(OSError, match="cannot be written"):
            write_report(sd.diagnose(sd.landscapes.bowl), path)
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(OSError, match="cannot be written"):
            check_report(tmp_path / "closed" / "report.html")
    before = set(tmp_path.iterdir())
    assert check_report(tmp_path / "new" / "deep" / "report.html").name == "report.html"
    assert set(tmp_path.iterdir()) == before


def test_a_report_that_cannot_be_written_is_told_before_the_work_and_loses_no_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, out = tmp_path / "iris.csv", tmp_path / "out"
    sd.datasets.write_table(sd.datasets.bundled("iris"), table)
    arguments = ["fit", str(table), "--target", "target", "--epochs", "20", "--learning-rate", "0.1", "--out", str(out)]
    refused = CliRunner().invoke(app, [*arguments, "--report", str(table / "r.html")])
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr
    assert "accuracy" not in refused.output
    # In the folder of the fit, which holds nothing before it.
    inside = CliRunner().invoke(app, [*arguments, "--report", str(out / "pages" / "r.html")])
    assert inside.exit_code == 0, inside.output
    assert (out / "pages" / "r.html").is_file()
    assert (out / "model.npz").is_file()

    def full(*_: object, **__: object) -> Path:
        raise OSError("the report cannot be written: no space left")

    monkeypatch.setattr("steepest.report.write_report", full)
    late = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / "late"), "--report", str(tmp_path / "r.html")])
    assert late.exit_code == 2
    assert "no space left" in late.stderr
    assert (tmp_path / "late" / "model.npz").is_file()


def test_without_the_extra_a_sentence_says_how_to_install_it() -> None:
    code = (
        "import importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda name, *more: None if name == 'plotly' else find(name, *more); "
        "from steepest.cli import app; app(['diagnose', 'bowl', '--report', 'bowl.html'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "steepest: a report needs plotly: pip install 'steepest[report]'"


def small_table(rows: int = 120) -> pd.DataFrame:
    generator = np.random.default_rng(3)
    table = pd.DataFrame({"x": generator.normal(size=rows), "rare": np.where(np.arange(rows) % 40 == 0, "a", "b")})
    table["double"] = 2 * table["x"]
    table["y"] = 5 * table["x"] + 0.3 * generator.normal(size=rows)
    return table


def test_the_warnings_of_a_fit_are_those_that_its_reader_can_act_on(tmp_path: Path) -> None:
    fitted = fit(small_table(), "y", learning_rate=[0.1], epochs=30)
    words = words_of(write_report(fitted, tmp_path / "r.html"))
    assert "different scales" not in words
    assert "tandardise the features" not in words
    assert "x and double are the same up to scale and shift, so that only the L2 term tells them apart" in words
    assert "--ignore" in words
    assert "L2 term, which decides" not in words
    assert "rare=a and rare=b" not in words


def test_the_score_is_told_in_digits_enough_and_after_what_gives_the_target_away(tmp_path: Path) -> None:
    table = small_table().assign(leak=lambda rows: rows["y"] * 0.5)
    with pytest.warns(UserWarning, match="give the target away"):
        fitted = fit(table, "y", learning_rate="auto", epochs=300)
    words = words_of(write_report(fitted, tmp_path / "r.html"))
    score = fitted.scores["r2"]
    assert 0 < score.standard_error < 1e-3
    error = re.search(r"R² is (\S+) ± (\S+) \(standard error\)", words)
    assert error is not None
    assert float(error[1]) == pytest.approx(score.value, abs=score.standard_error / 10)
    assert float(error[2]) == pytest.approx(score.standard_error, rel=0.1)
    assert words.index("'leak' may give the target away") < words.index("R² is")


def test_one_learning_rate_is_no_choice_and_sentences_have_verbs(tmp_path: Path) -> None:
    fitted = fit(small_table(), "y", learning_rate="auto", epochs=5)
    words = words_of(write_report(fitted, tmp_path / "r.html"))
    assert re.search(r"The learning rate \S+ is the only one tried: advised by theory, 2", words), words[:900]
    assert "chosen of 1" not in words
    assert not re.search(r"learning rate \S+ chosen:", words)
    assert "The last training: out of steps at step 5" in words


def test_scores_of_test_rows_of_one_class_are_remarked_on(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.sin(np.arange(60.0)), "still": 1, "y": ["b"] + ["a"] * 59})
    fitted = fit(table, "y", learning_rate=[0.1], epochs=20)
    assert not np.isfinite(fitted.scores["accuracy"].standard_error)
    words = words_of(write_report(fitted, tmp_path / "r.html"))
    assert "Every test row has the same target" in words
    assert "Add rows of the rare classes" in words
    assert "Column 'still' is left out: it is constant in the training rows. Delete it, or" in words
    assert "nan" not in words
    assert "1 feature from 1 column:" in words
    assert "Every test row has the same target" in summary(fitted)


def test_the_terminal_tells_it_too(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.sin(np.arange(60.0)), "y": ["b"] + ["a"] * 59})
    table.to_csv(tmp_path / "t.csv", index=False)
    told = CliRunner().invoke(
        app, ["fit", str(tmp_path / "t.csv"), "--target", "y", "--learning-rate", "0.1", "--epochs", "20"]
    )
    words = " ".join(told.stdout.split())
    assert "note: every test row has the same target" in words
    assert "1 learning rate:" in words
    assert "linear, 1 feature" in words or "softmax, 1 feature" in words
    assert "nan" not in words
    refused = CliRunner().invoke(app, ["diagnose", "bowl", "--learning-rate", "foo"])
    assert refused.exit_code == 2
    assert "--learning-rate: 'foo' is not a number; write a single one such as 0.1" in refused.stderr
