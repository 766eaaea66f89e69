"""The server behind the page: on this machine alone, an answer a request, bounded in size, in number and in time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from typing import Any

import jax
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steepest.descent import Verdict
from steepest.lab import answers, maps
from steepest.lab.code import code
from steepest.lab.desk import Desk, refusal
from steepest.lab.exports import EXPORTS, File
from steepest.lab.methods import METHODS, SCHEDULES
from steepest.lab.presets import PRESETS
from steepest.lab.problems import DATA, LANDSCAPES
from steepest.lab.state import LEAST_RATE, MOST_RATE, MOST_STARTS, MOST_STEPS, State, from_query

LONGEST_QUERY = 4000
"""Characters of an address at most; a state with eight starts and a long formula has half of them."""

MOST_KINDS = 48
"""Kinds of states whose compiled programs are kept; each takes up to ten megabytes."""

_KINDS: set[tuple[object, ...]] = set()

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SCRIPTS = ("lab", "state", "controls", "pictures", "drawing", "surface", "pointer", "player", "taking")
_PAGE = ("page.html", "lab.css", *(f"{name}.js" for name in _SCRIPTS))


def application() -> Starlette:
    """The pages and answers of the lab, as an ASGI application.

    Everything is asked for by GET, and every state is in the address. A state that is wrong is answered with a sentence
    where the page asked for it (200, ``{"error": ...}``) and with 400 where a file was wanted; too many requests at
    once with 503, an answer that takes too long with 504, a page of another site with 403.

    ``application().state.desks`` are the threads that compute; closing them ends what they are asked for.
    """
    # A map of thousands of runs does not keep the run under the reader's hand waiting.
    desks = {kind: Desk(kind) for kind in ("run", "map")}
    routes = [
        Route("/", partial(_file, "page.html")),
        *(Route(f"/{name}", partial(_file, name)) for name in _PAGE),
        Route("/choices", _choices),
        *(Route(f"/{name}", partial(_ask, desks["run"], work)) for name, work in _ANSWERS.items()),
        *(Route(f"/{name}", partial(_ask, desks["map"], work)) for name, work in _MAPS.items()),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    made = Starlette(routes=routes, middleware=[Middleware(_Guard), hosts])
    made.state.desks = tuple(desks.values())
    return made


class _Guard:
    """Nothing for pages of other sites, and the same headers on every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        asked = Headers(scope=scope)
        is_link = scope["path"] == "/" and asked.get("sec-fetch-mode") == "navigate"
        is_foreign = asked.get("sec-fetch-site") == "cross-site" and not is_link
        refused = refusal(403, "the lab answers its own page only, and none of another site")
        await (refused if is_foreign else self._app)(scope, receive, guarded)


async def _ask(desk: Desk, work: Callable[[State], Response], request: Request) -> Response:
    """What the work makes of the state in the address, or a sentence."""
    if len(str(request.url.query)) > LONGEST_QUERY:
        return refusal(414, f"the address is longer than {LONGEST_QUERY} characters; use fewer starts")
    return await desk.answer(partial(_worked, work, dict(request.query_params)))


def _worked(work: Callable[[State], Response], query: dict[str, str]) -> Response:
    try:
        state = from_query(query)
        _make_room(state)
        return work(state)
    except (ValueError, TypeError) as error:
        # A browser notes each status of 400 as a fault of the page, and a formula that is half typed is none.
        return refusal(400 if work in _FILES.values() else 200, str(error))
    except Exception:
        # Whatever else happens, the page gets a sentence and the next request an answer.
        logging.getLogger(__name__).exception("an answer failed")
        return refusal(500, "this state cannot be computed; the terminal says why")


def _make_room(state: State) -> None:
    """Forget what was compiled once it is for too many kinds of states: else it stays as long as the process lives."""
    starts = (len(state.starts) - 1).bit_length()
    noise = (state.is_noisy, bool(state.batch_size))
    kind = (state.problem, state.formula, state.method, state.schedule, starts, *noise)
    if len(_KINDS) >= MOST_KINDS and kind not in _KINDS:
        _KINDS.clear()
        jax.clear_caches()  # type: ignore[no-untyped-call]
    _KINDS.add(kind)


def _json(work: Callable[[State], dict[str, Any]], state: State) -> Response:
    return JSONResponse(work(state) | {"query": state.to_query()})


def _code(state: State) -> Response:
    return PlainTextResponse(code(state))


def _export(made: Callable[[State], File], state: State) -> Response:
    file = made(state)
    named = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, headers=named, media_type=file.kind)


_FILES: dict[str, Callable[[State], Response]] = {
    "code": _code,
    **{name: partial(_export, made) for name, made in EXPORTS.items()},
}
_ANSWERS: dict[str, Callable[[State], Response]] = {
    "landscape": partial(_json, answers.landscape),
    "runs": partial(_json, answers.runs),
    **_FILES,
}
_MAPS: dict[str, Callable[[State], Response]] = {
    "sweep": partial(_json, maps.sweep),
    "basins": partial(_json, maps.basins_of),
}


async def _file(name: str, request: Request) -> Response:
    content = files("steepest.lab").joinpath("page", name).read_bytes()
    return Response(content, media_type=_TYPES[name[name.rindex(".") :]])


async def _choices(request: Request) -> Response:
    """What can be chosen on the page."""
    return JSONResponse(
        {
            "problems": {"Landscapes": list(LANDSCAPES), "Data": list(DATA), "Your own": ["formula"]},
            "methods": list(METHODS),
            "schedules": list(SCHEDULES),
            "presets": [{"name": name, "query": state.to_query(), "words": words} for name, state, words in PRESETS],
            "defaults": asdict(State()),
            "verdicts": list(Verdict),
            "least_rate": LEAST_RATE,
            "most_rate": MOST_RATE,
            "most_starts": MOST_STARTS,
            "most_steps": MOST_STEPS,
        }
    )
