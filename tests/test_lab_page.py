"""The lab's page in a real browser, driven as a person would: click, drag, type. No complaints, no other host."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn

from browser import browsing
from steepest.lab.server import application
from steepest.lab.serving import listening


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


def slide(page: Any, name: str, value: float) -> None:
    page.locator(f"#{name}").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def starts_of(page: Any) -> list[list[float]]:
    return [[float(value) for value in point.split(",")] for point in state_of(page)["starts"].split(";")]


def test_a_new_page_shows_a_run_and_its_theory(address):
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
        opened(page, address)
        assert "out of steps at step 1000" in page.locator("#runs").inner_text()
        assert "times the limit" in page.locator("#verdict").inner_text()
        assert page.locator("#theory tbody tr").count() == 6
        assert page.locator("#marks .limit").count() == 1
        # The picture has the colours of a landscape in it, not the paper's alone.
        colours = page.locator("#contour").evaluate(
            "c => new Set(Array.from(c.getContext('2d').getImageData(100, 100, 200, 200).data)).size"
        )
        assert colours > 20
    assert not complaints


def test_a_click_sets_the_start_and_a_drag_moves_it(address):
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
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
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
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
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
        opened(page, address + "?problem=steep_bowl&starts=4,2.5&learning_rate=0.05&steps=1000")
        assert "converged" in page.locator("#runs").inner_text()
        before = answers_of(page)
        slide(page, "rate", -0.9)  # 0.126, beyond 2/20
        settled(page, before)
        assert "diverged" in page.locator("#runs").inner_text()
        assert "beyond the limit" in page.locator("#verdict").inner_text()
    assert not complaints


def test_a_formula_is_typed(address):
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
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
    # A state that is refused is a failed request, which browsers note; nothing else may be.
    assert all("400" in complaint for complaint in complaints)


def test_data_problems_have_batches_and_data(address):
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
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
        page.wait_for_timeout(1500)
        assert before is not None
        assert state_of(page)["method"] == "heavy ball"
        assert float(state_of(page)["learning_rate"]) > 0.05
        assert "diverged" in page.locator("#runs").inner_text()
        page.focus("#sweep")
        rate = state_of(page)["learning_rate"]
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(500)
        assert float(state_of(page)["learning_rate"]) < float(rate)
        page.click("#basins-panel summary")
        page.wait_for_selector("#basins-words:not(:empty)", timeout=60_000)
        assert "starts on himmelblau" in page.locator("#basins-words").inner_text()
    assert not complaints


def test_a_run_is_played_stepped_and_scrubbed(address):
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
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
        slide(page, "shown", 500)
        assert 40 <= int(page.locator("#shown-value").inner_text()) <= 60
    assert not complaints


def test_an_address_is_a_state_and_a_preset_too(address):
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
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
    with browsing(viewport={"width": 1400, "height": 950}) as (page, complaints):
        opened(page, address + "?problem=bowl&starts=4,2.5&learning_rate=0.05&steps=100")
        with page.expect_download() as found:
            page.click("#png")
        assert found.value.path().read_bytes().startswith(b"\x89PNG")
        page.click("#show-code")
        page.wait_for_selector("#code-dialog[open]")
        assert "sd.landscapes.bowl" in page.locator("#code").inner_text()
        page.keyboard.press("Escape")
        assert page.locator("#code-dialog[open]").count() == 0
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
    assert all("400" in complaint for complaint in complaints)
