"""The server behind the page: on this machine alone, an answer a request, bounded in size, in number and in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from steepest.lab import answers
from steepest.lab.code import code
from steepest.lab.exports import EXPORTS, File
from steepest.lab.methods import METHODS, SCHEDULES
from steepest.lab.presets import PRESETS
from steepest.lab.problems import DATA, LANDSCAPES
from steepest.lab.state import MOST_STARTS, MOST_STEPS, State, from_query

LONGEST_QUERY = 4000
"""Characters of an address at most; a state with eight starts and a long formula has half of them."""

MOST_WAITING = 32
"""Requests that may wait for the one that is being computed."""

LONGEST_ANSWER = 30.0
"""Seconds after which a request is told that its answer takes too long."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SCRIPTS = ("lab", "state", "controls", "pictures", "drawing", "surface", "pointer", "player", "taking")
_PAGE = ("page.html", "lab.css", *(f"{name}.js" for name in _SCRIPTS))


def application() -> Starlette:
    """The pages and answers of the lab, as an ASGI application.

    Everything is asked for by GET, and every state is in the address. A state that is wrong is answered with 400 and a
    sentence, too many requests at once with 503, an answer that takes too long with 504.
    """
    # A map of thousands of runs does not keep the run under the reader's hand waiting.
    desks = {kind: _Desk(kind) for kind in ("run", "map")}
    routes = [
        Route("/", partial(_file, "page.html")),
        *(Route(f"/{name}", partial(_file, name)) for name in _PAGE),
        Route("/choices", _choices),
        *(Route(f"/{name}", partial(desks["run"].answer, work)) for name, work in _ANSWERS.items()),
        *(Route(f"/{name}", partial(desks["map"].answer, work)) for name, work in _MAPS.items()),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        for desk in desks.values():
            desk.close()

    return Starlette(routes=routes, middleware=[hosts], lifespan=lifespan)


class _Desk:
    """One computation at a time, a queue that is bounded, and no answer that is waited for without end."""

    def __init__(self, kind: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"lab-{kind}")
        self._waiting = 0
        # The time of an answer counts from when it is its turn, not from when it was asked for.
        self._turn = asyncio.Semaphore(1)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def answer(self, work: Callable[[State], Response], request: Request) -> Response:
        if len(str(request.url.query)) > LONGEST_QUERY:
            return _problem(414, f"the address is longer than {LONGEST_QUERY} characters; use fewer starts")
        if self._waiting >= MOST_WAITING:
            return _problem(503, "more is asked for than can be answered; wait a moment and try again")
        self._waiting += 1
        try:
            async with self._turn:
                future = self._thread.submit(_worked, work, dict(request.query_params))
                return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), LONGEST_ANSWER)
        except TimeoutError:
            future.cancel()
            return _problem(504, f"the answer takes more than {LONGEST_ANSWER:g} seconds; ask for fewer steps")
        finally:
            self._waiting -= 1


def _worked(work: Callable[[State], Response], query: dict[str, str]) -> Response:
    try:
        return work(from_query(query))
    except (ValueError, TypeError) as error:
        return _problem(400, str(error))
    except Exception:
        # Whatever else happens, the page gets a sentence and the next request an answer.
        logging.getLogger(__name__).exception("an answer failed")
        return _problem(500, "this state cannot be computed; the terminal says why")


def _problem(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status, headers=_HEADERS)


def _json(work: Callable[[State], dict[str, Any]], state: State) -> Response:
    return JSONResponse(work(state) | {"query": state.to_query()}, headers=_HEADERS)


def _code(state: State) -> Response:
    return PlainTextResponse(code(state), headers=_HEADERS)


def _export(made: Callable[[State], File], state: State) -> Response:
    file = made(state)
    named = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, headers=_HEADERS | named, media_type=file.kind)


_ANSWERS: dict[str, Callable[[State], Response]] = {
    "landscape": partial(_json, answers.landscape),
    "runs": partial(_json, answers.runs),
    "code": _code,
    **{name: partial(_export, made) for name, made in EXPORTS.items()},
}
_MAPS: dict[str, Callable[[State], Response]] = {
    "sweep": partial(_json, answers.sweep),
    "basins": partial(_json, answers.basins_of),
}


async def _file(name: str, request: Request) -> Response:
    content = files("steepest.lab").joinpath("page", name).read_bytes()
    return Response(content, media_type=_TYPES[name[name.rindex(".") :]], headers=_HEADERS)


async def _choices(request: Request) -> Response:
    """What can be chosen on the page."""
    return JSONResponse(
        {
            "problems": {"Landscapes": list(LANDSCAPES), "Data": list(DATA), "Your own": ["formula"]},
            "methods": list(METHODS),
            "schedules": list(SCHEDULES),
            "presets": [{"name": name, "query": state.to_query(), "words": words} for name, state, words in PRESETS],
            "most_starts": MOST_STARTS,
            "most_steps": MOST_STEPS,
        },
        headers=_HEADERS,
    )
