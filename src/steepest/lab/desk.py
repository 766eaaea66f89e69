"""Who computes: a thread for each kind of question, a line that is bounded, and a time after which one is told."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import JSONResponse, Response

MOST_WAITING = 32
"""Requests that may wait for the one that is being computed."""

LONGEST_ANSWER = 30.0
"""Seconds after which a request is told that its answer takes too long."""


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
            self._answer.set_result(refusal(503, "the lab is being stopped"))
        self._work.put(None)

    async def answer(self, work: Callable[[], Response]) -> Response:
        """What the work comes to, or a sentence."""
        if self._closed or self._given_up or len(self._line) >= MOST_WAITING or not await self._turn():
            return refusal(503, "more is asked for than can be answered; wait a moment and try again")
        answer = self._answer
        assert answer is not None
        loop = asyncio.get_running_loop()

        def computed() -> None:
            response = work()
            with suppress(RuntimeError):  # the lab was stopped meanwhile, and its loop with it
                loop.call_soon_threadsafe(self._free, answer, response)

        self._work.put(computed)
        # The time of an answer counts from when it is its turn, not from when it was asked for.
        done, _ = await asyncio.wait({answer}, timeout=LONGEST_ANSWER)
        if done:
            return answer.result()
        self._given_up = True
        self._dismiss()
        return refusal(504, f"the answer takes more than {LONGEST_ANSWER:g} seconds; ask for fewer steps")

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


def refusal(status: int, sentence: str) -> Response:
    """A sentence in place of an answer."""
    return JSONResponse({"error": sentence}, status)
