"""The server behind the page: on this machine alone, an answer a request, bounded in size, in number and in time."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
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
from steepest.lab import answers
from steepest.lab.code import code
from steepest.lab.exports import EXPORTS, File
from steepest.lab.methods import METHODS, SCHEDULES
from steepest.lab.presets import PRESETS
from steepest.lab.problems import DATA, LANDSCAPES
from steepest.lab.state import LEAST_RATE, MOST_RATE, MOST_STARTS, MOST_STEPS, State, from_query

LONGEST_QUERY = 4000
"""Characters of an address at most; a state with eight starts and a long formula has half of them."""

MOST_WAITING = 32
"""Requests that may wait for the one that is being computed."""

LONGEST_ANSWER = 30.0
"""Seconds after which a request is told that its answer takes too long."""

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

    ``application().state.desks`` are the threads that compute; :meth:`Desk.close` ends what they are asked for.
    """
    # A map of thousands of runs does not keep the run under the reader's hand waiting.
    desks = {kind: Desk(kind) for kind in ("run", "map")}
    routes = [
        Route("/", partial(_file, "page.html")),
        *(Route(f"/{name}", partial(_file, name)) for name in _PAGE),
        Route("/choices", _choices),
        *(Route(f"/{name}", partial(desks["run"].answer, work)) for name, work in _ANSWERS.items()),
        *(Route(f"/{name}", partial(desks["map"].answer, work)) for name, work in _MAPS.items()),
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
        refusal = _problem(403, "the lab answers its own page only, and none of another site")
        await (refusal if is_foreign else self._app)(scope, receive, guarded)


class Desk:
    """One computation at a time on a thread of its own, a bounded queue, and no answer that is waited for without end.

    Nothing stops a computation under way. While one that was given up goes on, everybody else is told to come back.
    """

    def __init__(self, kind: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._line: deque[asyncio.Future[bool]] = deque()
        self._answer: asyncio.Future[Response] | None = None
        self._given_up = self._closed = False
        # A thread of a pool would be waited for when the interpreter exits, however long it takes.
        threading.Thread(target=self._serve, name=f"lab-{kind}", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed, be it wanted or not."""
        return self._answer is not None

    def close(self) -> None:
        """Answer whoever waits at once, and nobody any more."""
        self._closed = True
        self._dismiss()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(_problem(503, "the lab is being stopped"))
        self._work.put(None)

    async def answer(self, work: Callable[[State], Response], request: Request) -> Response:
        """What the work makes of the state in the address, or a sentence."""
        if len(str(request.url.query)) > LONGEST_QUERY:
            return _problem(414, f"the address is longer than {LONGEST_QUERY} characters; use fewer starts")
        if self._closed or self._given_up or len(self._line) >= MOST_WAITING or not await self._turn():
            return _problem(503, "more is asked for than can be answered; wait a moment and try again")
        answer = self._answer
        assert answer is not None
        loop, query = asyncio.get_running_loop(), dict(request.query_params)

        def computed() -> None:
            response = _worked(work, query)
            with suppress(RuntimeError):  # the lab was stopped meanwhile, and its loop with it
                loop.call_soon_threadsafe(self._free, answer, response)

        self._work.put(computed)
        # The time of an answer counts from when it is its turn, not from when it was asked for.
        done, _ = await asyncio.wait({answer}, timeout=LONGEST_ANSWER)
        if done:
            return answer.result()
        self._given_up = True
        self._dismiss()
        return _problem(504, f"the answer takes more than {LONGEST_ANSWER:g} seconds; ask for fewer steps")

    def _serve(self) -> None:
        while (computed := self._work.get()) is not None:
            computed()

    async def _turn(self) -> bool:
        """Wait for one's turn; whether it has come."""
        if self._answer is not None:
            place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._line.append(place)
            return await place
        self._answer = asyncio.get_running_loop().create_future()
        return True

    def _free(self, answer: asyncio.Future[Response], response: Response) -> None:
        """The thread is done: its answer to who waits for it, and the turn to the next."""
        if not answer.done():
            answer.set_result(response)
        self._given_up = False
        self._answer = None
        while self._line and self._answer is None:
            place = self._line.popleft()
            if not place.cancelled():
                # Taken here, so that nobody who comes before the next one wakes takes it.
                self._answer = place.get_loop().create_future()
                place.set_result(True)

    def _dismiss(self) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.cancelled():
                place.set_result(False)


def _worked(work: Callable[[State], Response], query: dict[str, str]) -> Response:
    try:
        state = from_query(query)
        _make_room(state)
        return work(state)
    except (ValueError, TypeError) as error:
        # A browser notes each status of 400 as a fault of the page, and a formula that is half typed is none.
        return _problem(400 if work in _FILES.values() else 200, str(error))
    except Exception:
        # Whatever else happens, the page gets a sentence and the next request an answer.
        logging.getLogger(__name__).exception("an answer failed")
        return _problem(500, "this state cannot be computed; the terminal says why")


def _make_room(state: State) -> None:
    """Forget what was compiled once it is for too many kinds of states: else it stays as long as the process lives."""
    starts = (len(state.starts) - 1).bit_length()
    noise = (state.is_noisy, bool(state.batch_size))
    kind = (state.problem, state.formula, state.method, state.schedule, starts, *noise)
    if len(_KINDS) >= MOST_KINDS and kind not in _KINDS:
        _KINDS.clear()
        jax.clear_caches()  # type: ignore[no-untyped-call]
    _KINDS.add(kind)


def _problem(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


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
    "sweep": partial(_json, answers.sweep),
    "basins": partial(_json, answers.basins_of),
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
