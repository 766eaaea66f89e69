"""The lab's page in a real browser, driven as a person would: click, drag, type. No complaints, no other host."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn

import steepest.lab
from browser import browsing
from steepest.lab.server import application
from steepest.lab.serving import listening

FILES = sorted((Path(steepest.lab.__file__).parent / "page").iterdir())
WIDE = {"width": 1400, "height": 950}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    taken = listening(0)
    server = uvicorn.Server(uvicorn.Config(application(), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{taken.getsockname()[1]}/"
    server.should_exit = True
    thread.join(30)
    taken.close()


def opened(page: Any, address: str) -> None:
    page.goto(address)
    settled(page)


def settled(page: Any, before: str | None = None) -> str:
    """Wait until an answer later than ``before`` is drawn; how many there have been."""
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        now = page.locator("body").get_attribute("data-answers")
        if now is not None and now != before:
            page.wait_for_timeout(100)
            return str(page.locator("body").get_attribute("data-answers"))
        page.wait_for_timeout(20)
    raise AssertionError(f"nothing was drawn; the page says {page.locator('#message').text_content()!r}")


def answers_of(page: Any) -> str:
    return str(page.locator("body").get_attribute("data-answers"))


def state_of(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def until(page: Any, holds: Callable[[], bool], what: str) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < 30:
        if holds():
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"not in time: {what}; the page says {page.locator('#message').text_content()!r}")


def colour_at(page: Any, canvas: str, x: float, y: float) -> tuple[int, ...]:
    """Red, green and blue at a place of a canvas, both from 0 to 1."""
    return tuple(
        page.locator(canvas).evaluate(
            """(canvas, [x, y]) => {
                const pen = new OffscreenCanvas(1, 1).getContext('2d');
                pen.drawImage(canvas, -Math.floor(x * canvas.width), -Math.floor(y * canvas.height));
                return Array.from(pen.getImageData(0, 0, 1, 1).data.slice(0, 3));
            }""",
            [x, y],
        )
    )


def slide(page: Any, name: str, value: float) -> None:
    page.locator(f"#{name}").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def starts_of(page: Any) -> list[list[float]]:
    return [[float(value) for value in point.split(",")] for point in state_of(page)["starts"].split(";")]


def test_a_new_page_shows_a_run_and_its_theory(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address)
        assert "out of steps at step 1000" in page.locator("#runs").inner_text()
        assert "times the limit" in page.locator("#verdict").inner_text()
        assert page.locator("#theory tbody tr").count() == 7
        assert page.locator("#marks .limit").count() == 1
        # The picture has the colours of a landscape in it, not the paper's alone.
        colours = page.locator("#contour").evaluate(
            "c => new Set(Array.from(c.getContext('2d').getImageData(100, 100, 200, 200).data)).size"
        )
        assert colours > 20
    assert not complaints


def test_a_click_sets_the_start_and_a_drag_moves_it(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&learning_rate=0.05&steps=200")
        before = answers_of(page)
        box = page.locator("#contour").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
        before = settled(page, before)
        clicked = starts_of(page)
        assert len(clicked) == 1
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6, steps=8)
        page.mouse.up()
        settled(page, before)
        dragged = starts_of(page)
        assert dragged[0][0] > clicked[0][0] + 1
        assert dragged[0][1] < clicked[0][1]
        assert page.locator("#start-list input[type=number]").first.input_value() == f"{dragged[0][0]:.5g}"
        # Another start, with the shift key, and one by the button.
        before = answers_of(page)
        page.keyboard.down("Shift")
        page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.7)
        page.keyboard.up("Shift")
        before = settled(page, before)
        page.click("#add-start")
        settled(page, before)
        assert len(starts_of(page)) == 3
        assert page.locator("#runs li").count() == 3
    assert not complaints


def test_the_keyboard_is_enough(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&learning_rate=0.05&steps=200&starts=1,1")
        before = answers_of(page)
        page.focus("#contour")
        page.keyboard.press("ArrowRight")
        before = settled(page, before)
        assert starts_of(page)[0][0] > 1
        page.focus("#rate")
        page.keyboard.press("ArrowRight")
        before = settled(page, before)
        assert float(state_of(page)["learning_rate"]) > 0.05
        page.focus("#start-list input[type=number]")
        page.keyboard.press("Control+A")
        page.keyboard.type("-2.5")
        settled(page, before)
        assert starts_of(page)[0][0] == -2.5
        # Every control can be reached, and has a name.
        unnamed = page.evaluate(
            """Array.from(document.querySelectorAll('input, select, button, canvas'))
            .filter(one => one.getClientRects().length)
            .filter(one => !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
            .map(one => one.id || one.outerHTML)"""
        )
        assert unnamed == []
    assert not complaints


def test_across_the_limit_the_verdict_changes(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=steep_bowl&starts=4,2.5&learning_rate=0.05&steps=1000")
        assert "converged" in page.locator("#runs").inner_text()
        before = answers_of(page)
        # By the mouse: the slider has the decades from -6 to 2, and 0.126 is beyond 2/20.
        page.locator("#rate").scroll_into_view_if_needed()
        box = page.locator("#rate").bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (6 - 1.301) / 8, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (6 - 0.9) / 8, middle, steps=6)
        page.mouse.up()
        settled(page, before)
        until(page, lambda: float(state_of(page)["learning_rate"]) > 0.11, "the rate is that of the slider")
        until(page, lambda: "diverged" in page.locator("#runs").inner_text(), "it diverges")
        assert "diverged" in page.locator("#runs").inner_text()
        assert "beyond the limit" in page.locator("#verdict").inner_text()
    assert not complaints


def test_a_formula_is_typed(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address)
        before = answers_of(page)
        page.select_option("#problem", "formula")
        before = settled(page, before)
        page.fill("#formula", "w1^4 + w2^2 - w1*w2")
        settled(page, before)
        assert state_of(page)["formula"] == "w1^4 + w2^2 - w1*w2"
        assert page.locator("#message").is_hidden()
        page.fill("#formula", "import os")
        page.wait_for_selector("#message:not([hidden])")
        assert "cannot be read" in page.locator("#message").inner_text()
        page.fill("#formula", "<img src=x onerror=alert(1)>")
        page.wait_for_timeout(800)
        assert page.locator("#message img").count() == 0
        before = answers_of(page)
        page.fill("#formula", "w1^2 + w2^2")
        settled(page, before)
        assert page.locator("#message").is_hidden()
    assert not complaints


def test_data_problems_have_batches_and_data(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address)
        assert page.locator("#batch").is_hidden()
        before = answers_of(page)
        page.select_option("#problem", "regression")
        before = settled(page, before)
        slide(page, "batch", 6)
        settled(page, before)
        assert state_of(page)["batch_size"] == "32"
        with page.expect_download() as found:
            page.click("#data-csv")
        assert found.value.suggested_filename == "regression-data.csv"
        with page.expect_download() as found:
            page.click("#runs-nc")
        assert found.value.suggested_filename == "regression-runs.nc"
    assert not complaints


def test_the_verdict_map_and_the_basins(address):
    with browsing(viewport={"width": 1400, "height": 1200}) as (page, complaints):
        opened(page, address + "?problem=himmelblau&starts=0,0&learning_rate=0.01&steps=300")
        page.click("#sweep-panel summary")
        page.wait_for_selector("#sweep-words:not(:empty)", timeout=60_000)
        page.locator("#sweep").scroll_into_view_if_needed()
        before = answers_of(page)
        box = page.locator("#sweep").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.3)
        settled(page, before)
        assert state_of(page)["method"] == "heavy ball"
        assert float(state_of(page)["learning_rate"]) > 0.05
        assert "diverged" in page.locator("#runs").inner_text()
        page.focus("#sweep")
        rate = state_of(page)["learning_rate"]
        before = answers_of(page)
        page.keyboard.press("ArrowLeft")
        settled(page, before)
        assert float(state_of(page)["learning_rate"]) < float(rate)
        page.click("#basins-panel summary")
        page.wait_for_selector("#basins-words:not(:empty)", timeout=60_000)
        assert "starts on himmelblau" in page.locator("#basins-words").inner_text()
        assert "Nearest cell" in page.locator("#sweep-words").inner_text()
        assert page.locator("#sweep-legend li").count() >= 2
    assert not complaints


def test_a_run_is_played_stepped_and_scrubbed(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&starts=4,2.5&learning_rate=0.05&steps=100")
        assert page.locator("#shown-value").inner_text() == "100"
        page.click("#play")
        page.wait_for_timeout(600)
        page.click("#play")
        halfway = int(page.locator("#shown-value").inner_text())
        assert 0 < halfway < 100
        page.click("#forward")
        assert int(page.locator("#shown-value").inner_text()) == halfway + 1
        page.click("#back")
        assert int(page.locator("#shown-value").inner_text()) == halfway
        slide(page, "shown", 50)
        assert page.locator("#shown-value").inner_text() == "50"
        assert page.locator("#shown").get_attribute("aria-valuetext") == "step 50"
        slide(page, "shown", 0)
        page.click("#back")
        assert page.locator("#shown-value").inner_text() == "0"
        # Another problem begins with all of its runs.
        before = answers_of(page)
        page.select_option("#problem", "steep_bowl")
        settled(page, before)
        assert page.locator("#shown-value").inner_text() != "0"
    assert not complaints


def test_an_address_is_a_state_and_a_preset_too(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=himmelblau&starts=1,1;-3,0.5&learning_rate=0.01&method=nesterov&momentum=0.5")
        assert page.locator("#method").input_value() == "nesterov"
        assert page.locator("#runs li").count() == 2
        before = answers_of(page)
        page.select_option("#preset", index=4)
        settled(page, before)
        assert state_of(page)["problem"] == "steep_bowl"
        shared = page.url
        page.goto("about:blank")
        opened(page, shared)
        assert state_of(page)["problem"] == "steep_bowl"
    assert not complaints


def test_what_is_on_the_screen_can_be_taken_away(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&starts=4,2.5&learning_rate=0.05&steps=100")
        with page.expect_download() as found:
            page.click("#png")
        assert found.value.path().read_bytes().startswith(b"\x89PNG")
        assert found.value.suggested_filename == "bowl-lab.png"
        words = page.evaluate("import('./taking.js').then((taking) => taking.caption())")
        assert words == [
            "bowl", "gradient descent", "learning rate 0.05", "no momentum", "constant schedule", "100 steps"
        ]  # fmt: skip
        page.click("#show-code")
        page.wait_for_selector("#code-dialog[open]")
        assert "sd.landscapes.bowl" in page.locator("#code").inner_text()
        page.keyboard.press("Escape")
        assert page.locator("#code-dialog[open]").count() == 0
    assert not complaints


LARGEST = "?problem=formula&formula=1.5e308*w2^2&starts=1,1;1,0.1"


def test_losses_that_are_almost_too_large_are_drawn(address):
    """A loss of 1.5e308 times a half more is infinite, and axes to there have no end."""
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + LARGEST)
        before = answers_of(page)
        page.focus("#rate")
        page.keyboard.press("ArrowRight")
        settled(page, before)
        assert page.locator("#runs li").count() == 2
    assert not complaints


def test_a_fault_of_the_page_is_no_silence_of_the_server(address):
    with browsing(viewport=WIDE) as (page, complaints):
        page.route(
            "**/runs?*",
            lambda route: route.fulfill(json={"runs": [{"path": None, "loss": [], "step": [0]}], "theory": {}}),
        )
        page.goto(address + "?problem=bowl")
        until(page, lambda: bool(complaints), "the console has the error")
        assert "does not answer" not in (page.locator("#message").text_content() or "")
        # What comes next is asked for all the same.
        page.unroute("**/runs?*")
        page.focus("#rate")
        page.keyboard.press("ArrowRight")
        settled(page)
        assert page.locator("#runs li").count() == 1


def test_of_many_changes_the_last_is_shown(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=steep_bowl&starts=4,2.5&learning_rate=0.05&steps=1000")
        page.locator("#rate").evaluate(
            """input => {
                for (const value of [-1.5, -1.4, -1.3, -1.2, -0.9]) {
                    input.value = value;
                    input.dispatchEvent(new Event('input', { bubbles: true }));
                }
            }"""
        )
        until(page, lambda: "diverged" in page.locator("#runs").inner_text(), "the run beyond the limit is shown")
        assert "beyond the limit" in page.locator("#verdict").inner_text()
    assert not complaints


def test_an_answer_about_the_problem_before_is_not_drawn(address):
    with browsing(viewport=WIDE) as (page, complaints):
        held: list[Any] = []
        page.route("**/runs?problem=bowl*", lambda route: held.extend([route]))
        page.goto(address + "?problem=bowl")
        until(page, lambda: bool(held), "the runs are asked for")
        with page.expect_response("**/landscape?problem=himmelblau*"):
            page.select_option("#problem", "himmelblau")
        page.wait_for_timeout(200)
        held[0].continue_()
        settled(page)
        first = page.evaluate("import('./state.js').then((module) => module.shown.runs[0].path[0])")
        assert first == starts_of(page)[0] != [4, 2.5]
    assert not complaints


def test_what_is_no_json_is_said(address):
    with browsing(viewport=WIDE) as (page, complaints):
        page.route("**/runs?*", lambda route: route.fulfill(body="<html>", content_type="text/html"))
        page.goto(address + "?problem=bowl")
        page.wait_for_selector("#message:not([hidden])")
        assert "status 200 and without a sentence" in page.locator("#message").inner_text()
        page.unroute("**/runs?*")
        page.route("**/choices", lambda route: route.abort())
        page.reload()
        page.wait_for_selector("#message:not([hidden])")
        assert "what can be chosen" in page.locator("#message").inner_text()
    assert all("ERR_FAILED" in complaint for complaint in complaints)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("steps=abc&problem=bowl", "steps"),
        ("problem=bowl&learning_rate=abc", "learning_rate"),
        ("problem=bowl&seed=abc", "seed"),
    ],
)
def test_what_cannot_be_read_in_an_address_is_as_on_a_new_page(address, query, named):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, f"{address}?{query}")
        assert named in page.locator("#message").inner_text()
        assert "'abc'" in page.locator("#message").inner_text()
        assert "NaN" not in page.url
        before = answers_of(page)
        page.focus("#rate")
        page.keyboard.press("ArrowRight")
        settled(page, before)
        assert page.locator("#message").is_hidden()
    assert not complaints


def test_a_refused_state_is_dimmed_and_mended_by_a_slider_or_a_problem(address):
    with browsing(viewport=WIDE) as (page, complaints):
        for mend in ("slider", "problem"):
            page.goto(address + "?problem=bowl&learning_rate=-1")
            page.wait_for_selector("body.refused")
            assert "learning_rate" in page.locator("#message").inner_text()
            assert page.locator("#runs-nc").is_disabled()
            page.mouse.click(*[page.locator("#contour").bounding_box()[side] + 150 for side in ("x", "y")])
            if mend == "slider":
                slide(page, "rate", -1)
            else:
                page.select_option("#problem", "steep_bowl")
            settled(page)
            assert page.locator("body.refused").count() == 0
            assert page.locator("#message").is_hidden()
            assert page.locator("#runs-nc").is_enabled()
            assert len({colour_at(page, "#contour", 0.3 + 0.01 * k, 0.3) for k in range(20)}) > 3
    assert not complaints


def test_where_the_start_has_no_limit_that_of_the_end_is_marked(address):
    """At Himmelblau's (0, 0) no direction curves upwards; the run ends in the minimum at (3, 2)."""
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=himmelblau&starts=0,0&learning_rate=0.005&steps=300")
        assert page.locator("#marks .limit").count() == 1
        assert page.locator("#marks-words").inner_text().startswith("Where the first run ended: limit 0.02")
    assert not complaints


def test_what_was_of_another_problem_goes(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address)
        before = answers_of(page)
        page.select_option("#preset", label="15.5 The best learning rate")
        before = settled(page, before)
        assert "9/11" in page.locator("#verdict").inner_text()
        page.click("#basins-panel summary")
        page.wait_for_selector("#basins-words:not(:empty)", timeout=60_000)
        assert page.locator("#basins-legend li").count() >= 1
        page.select_option("#method", "nesterov")
        before = settled(page, before)
        assert "9/11" not in page.locator("#verdict").inner_text()
        assert page.locator("#preset").input_value() == ""
        page.select_option("#problem", "ackley")
        settled(page, before)
        assert "steep_bowl" not in page.locator("#basins-words").inner_text()
        page.wait_for_selector("#basins-words:not(:empty)", timeout=60_000)
        # Ackley is refused there, and there alone.
        assert "smooth" in page.locator("#basins-words").inner_text()
        assert page.locator("#message").is_hidden()
        assert "formula" not in state_of(page)
    assert not complaints


def test_the_browser_goes_back_to_the_problem_before(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&learning_rate=0.03")
        before = answers_of(page)
        page.select_option("#problem", "himmelblau")
        before = settled(page, before)
        page.go_back()
        settled(page, before)
        assert state_of(page)["problem"] == page.locator("#problem").input_value() == "bowl"
        assert state_of(page)["learning_rate"] == "0.03"
    assert not complaints


def test_a_drag_ends_at_the_frame_and_a_start_beyond_it_can_be_fetched(address):
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&learning_rate=0.05&steps=200&starts=1e-6,40")
        assert page.locator("#start-list input[type=number]").first.input_value() == "1e-6"
        # It is held by its arrow, at the upper edge.
        box = page.locator("#contour").bounding_box()
        plane = {"left": 62, "right": 20, "top": 10, "bottom": 34}
        middle = box["x"] + plane["left"] + (box["width"] - plane["left"] - plane["right"]) / 2
        before = answers_of(page)
        page.mouse.move(middle, box["y"] + plane["top"] + 2)
        page.mouse.down()
        page.mouse.move(middle, box["y"] + 150, steps=3)
        page.mouse.up()
        before = settled(page, before)
        assert 0 < starts_of(page)[0][1] < 3
        page.mouse.move(middle, box["y"] + 150)
        page.mouse.down()
        page.mouse.move(box["x"] - 200, box["y"] + 150, steps=3)
        page.mouse.up()
        settled(page, before)
        assert starts_of(page)[0][0] == -5
    assert not complaints


def test_low_is_dark_and_high_is_yellow(address):
    """As in the library's own figures, whose map is cividis."""
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=bowl&starts=4,-2&learning_rate=0.05&steps=1")
        red, _, blue = colour_at(page, "#contour", 0.5, 0.42)
        assert blue > red
        red, _, blue = colour_at(page, "#contour", 0.12, 0.06)
        assert red > blue
    assert not complaints


def test_a_redraw_takes_no_longer_than_a_reader_waits(address):
    """From the event to the picture, at 1,000 steps of a state that is compiled. No benchmark: the bound is wide."""
    with browsing(viewport=WIDE) as (page, complaints):
        opened(page, address + "?problem=rosenbrock&steps=1000")
        before = answers_of(page)
        times = []
        for k in range(5):
            page.evaluate("performance.clearMarks()")
            slide(page, "rate", -3.3 - 0.05 * k)
            before = settled(page, before)
            times.append(
                page.evaluate(
                    """performance.getEntriesByName('drawn').pop().startTime
                    - performance.getEntriesByName('changed')[0].startTime"""
                )
            )
        assert sorted(times)[2] < 500
    assert not complaints


def test_on_a_phone_a_finger_scrolls_taps_and_drags(address):
    with browsing(viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True) as (page, complaints):
        opened(page, address + "?problem=bowl&learning_rate=0.05&steps=200&starts=3,1.5")
        session = page.context.new_cdp_session(page)

        def finger(path: list[tuple[float, float]]) -> None:
            for place, (x, y) in enumerate(path):
                kind = "touchMove" if place else "touchStart"
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
                page.wait_for_timeout(20)
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        # What bends the path is under the contour, in the same view, and high enough for a finger.
        contour, rate = page.locator("#contour").bounding_box(), page.locator("#rate").bounding_box()
        method, surface = page.locator("#method").bounding_box(), page.locator("#surface").bounding_box()
        assert contour["y"] < rate["y"] < method["y"] < surface["y"]
        assert method["y"] + method["height"] <= 800
        assert rate["height"] >= 44
        # A tap sets the start.
        before = answers_of(page)
        left, right = contour["x"] + 62, contour["x"] + contour["width"] - 20
        top, bottom = contour["y"] + 10, contour["y"] + contour["height"] - 34
        page.touchscreen.tap(left + 0.25 * (right - left), top + 0.75 * (bottom - top))
        before = settled(page, before)
        assert starts_of(page)[0] == pytest.approx([-2.5, -1.5], abs=0.1)
        # From the knob a drag moves it, and the page stays.
        x, y = left + 0.25 * (right - left), top + 0.75 * (bottom - top)
        finger([(x, y), (x + 10, y - 20), (x + 20, y - 50), (x + 30, y - 90)])
        settled(page, before)
        moved = starts_of(page)
        assert moved[0][1] > -0.5
        assert page.evaluate("scrollY") == 0
        # From anywhere else it scrolls, and the start stays.
        x, y = left + 0.8 * (right - left), top + 0.9 * (bottom - top)
        finger([(x, y - 12 * k) for k in range(12)])
        page.wait_for_timeout(300)
        assert page.evaluate("scrollY") > 50
        assert starts_of(page) == moved
        page.locator("#curves").scroll_into_view_if_needed()
        page.wait_for_timeout(100)
        from_, box = page.evaluate("scrollY"), page.locator("#curves").bounding_box()
        finger([(box["x"] + 100, box["y"] + 20 + 12 * k) for k in range(12)])
        page.wait_for_timeout(300)
        assert page.evaluate("scrollY") < from_ - 50
    assert not complaints


@pytest.mark.parametrize(("width", "scheme", "zoom"), [(390, "light", 1.0), (390, "dark", 1.0), (700, "light", 2.0)])
def test_it_fits_a_phone_and_twice_the_size(address, width, scheme, zoom):
    """At 200 % a window of 1,400 pixels is one of 700."""
    with browsing(
        viewport={"width": width, "height": 844}, color_scheme=scheme, device_scale_factor=zoom, has_touch=True
    ) as (page, complaints):
        opened(page, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#contour").bounding_box()["width"] > 0.55 * min(width, 500)
    assert not complaints


def test_nonsense_in_the_address_is_a_message(address):
    with browsing() as (page, complaints):
        page.goto(address + "?learning_rate=1e999&problem=nothing")
        page.wait_for_selector("#message:not([hidden])")
        assert (
            "problem" in page.locator("#message").inner_text()
            or "learning_rate" in page.locator("#message").inner_text()
        )
    assert not complaints


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_of_the_page_are_short_and_so_are_their_lines(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix == ".js"], ids=lambda file: file.name)
def test_scripts_can_be_read(file):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed")
    command = [node, "--input-type=module", "--check"]
    done = subprocess.run(command, input=file.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
