"""The build of the site finds dead links and other hosts; one notebook a section; values show themselves well."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import numpy as np
import optax
import pytest
from documentation.formulas import mathml
from documentation.links import check

import steepest as sd

ROOT = Path(__file__).parents[1]


def site(folder: Path, **pages: str) -> Path:
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<!doctype html><html><body>{body}</body></html>")
    return folder


def test_links_that_lead_somewhere_are_no_complaint(tmp_path, capsys):
    made = site(
        tmp_path,
        index='<a href="other.html#place">1</a> <a href="#top">2</a> <h1 id="top">t</h1> <a href="https://a.example">3</a>',
        other='<h2 id="place">p</h2><a href="index.html">back</a> <img src="data:image/png;base64,AA">',
    )
    assert check(made) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<a href="gone.html">x</a>', "dead link on index.html: gone.html"),
        ('<a href="other.html#gone">x</a>', "dead link on index.html: other.html#gone"),
        ('<a href="#gone">x</a>', "dead link on index.html: #gone"),
        ('<img src="gone.png">', "dead link on index.html: gone.png"),
        ('<img src="data:," srcset="gone.png 2x">', "dead link on index.html: gone.png"),
        ('<a href="../beside.html">x</a>', "dead link on index.html: ../beside.html"),
        ('<script src="https://cdn.example/a.js"></script>', "loaded from another host on index.html: https://cdn"),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', "loaded from another host"),
    ],
)
def test_a_dead_link_fails_the_build(tmp_path, capsys, body, words):
    site(tmp_path, beside="<p>what lies beside a site is no part of it</p>")
    (tmp_path / "site").mkdir()
    made = site(tmp_path / "site", index=body, other="<p>there</p>")
    assert check(made) == 1
    assert words in capsys.readouterr().err


def test_a_norm_is_one_thing_and_an_arrow_has_room():
    """Else the closing bar alone bears the exponent and is drawn smaller than the opening one."""
    drawn = mathml(r"\lVert w \rVert^2 \iff x")
    assert drawn.count('fence="true"') == 2
    assert "</mrow><mn>2</mn></msup>" in drawn
    assert "<mo>&#x027FA;</mo>" in drawn


def test_every_section_of_the_chapter_has_a_page_and_a_notebook():
    sections = [f"15-{number}" for number in range(1, 9)]
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("15-*.md")) == sections
    assert sorted(path.stem for path in (ROOT / "docs" / "tutorial").glob("15-*.md")) == sections


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert not pages - named


# Values in a notebook


class Checked(html.parser.HTMLParser):
    """Every tag that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in ("br", "img", "circle", "rect", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag not in ("circle", "rect", "polyline"):
            assert self.open.pop() == tag


HOSTILE = "<script>alert(1)</script>"


def shown() -> dict[str, object]:
    x = np.random.default_rng(0).normal(size=(30, 2))
    bowl = sd.landscapes.bowl
    hostile = sd.Objective(lambda w: w @ w, start=[1.0, 2.0], name=HOSTILE, source=HOSTILE, formula="w < 1")
    return {
        "objective": hostile,
        "risk": sd.EmpiricalRisk(
            sd.models.linear, sd.losses.mean_squared_error, x, x @ [1.0, 2.0], l2=0.1, name=HOSTILE
        ),
        "one run": sd.descend(bowl, optax.sgd, learning_rate=0.05, steps=30),
        "diverged": sd.descend(bowl, optax.sgd, learning_rate=30.0, steps=3000),
        "some runs": sd.descend(hostile, optax.sgd, learning_rate=[0.1, 0.2, 5.0], steps=200),
        "labels": sd.descend(bowl, {HOSTILE: optax.sgd, "b": optax.adam}, learning_rate=0.05, steps=30),
        "many runs": sd.descend(hostile, optax.sgd, learning_rate=np.geomspace(1e-3, 2, 40), steps=50),
        "auto": sd.descend(bowl, optax.sgd, learning_rate="auto", steps=50),
        "diagnosis": sd.diagnose(hostile, steps=20),
        "spectrum": sd.theory.spectrum(bowl),
    }


def test_values_show_themselves_in_a_notebook_and_escape_what_is_the_users():
    for name, value in shown().items():
        text = value._repr_html_()  # type: ignore[attr-defined]
        page = Checked(text)
        assert "table" in page.tags, name
        assert "script" not in page.tags, name
        # Colours of the reader's own, light or dark: no background and no text colour is set.
        assert not re.search(r"background|[^-]color\s*:", text), name


def test_what_is_shown_is_what_is_known():
    made = shown()
    one = made["one run"]
    assert isinstance(one, sd.Descent)
    text = one._repr_html_()
    for words in ("1 run", "out of steps at step 30", "the steps were used up", f"{one.final_loss.item():.6g}", "<svg"):
        assert words in text
    many = made["many runs"]
    assert isinstance(many, sd.Descent)
    for verdict, count in zip(*np.unique(many.verdict.values.astype(str), return_counts=True), strict=True):
        assert f"{count} {verdict}" in many._repr_html_()
    objective = made["objective"]._repr_html_()  # type: ignore[attr-defined]
    assert "(1, 2)" in objective
    assert "w &lt; 1" in objective
    assert "30" in made["risk"]._repr_html_()  # type: ignore[attr-defined]
