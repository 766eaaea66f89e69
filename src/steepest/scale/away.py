"""Tasks on a cluster: sent a few at a time, received as they end, sent again where they are lost or late."""

from __future__ import annotations

import statistics
import time
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from steepest.descent.control import Control
from steepest.descent.outcome import Outcome
from steepest.scale.cluster import ClusterLost
from steepest.scale.travel import carried, performed

_POLL_SECONDS = 0.2
_AHEAD = 2
_LATE = 3.0
_LATE_SECONDS = 2.0
_FETCH_SECONDS = 30.0
_RETURNS = 5
_ALONE_SECONDS = 60.0


@dataclass(eq=False)
class _Sent:
    """A task that is under way, once or, where it is late, twice."""

    number: int
    began: float
    futures: list[Any] = field(default_factory=list)


class Sender:
    """Sends numbered tasks to a cluster and gives back what they come to, in the order they end.

    Args:
        client: of Dask.
        load: number → (name of a payload, the payload's bytes, the task).
        control: progress and Ctrl-C.
    """

    def __init__(self, client: Any, load: Callable[[int], tuple[str, bytes, Any]], control: Control) -> None:
        self._client, self._load, self._control = client, load, control
        self._payloads: dict[str, Any] = {}
        self._under_way: list[_Sent] = []
        self._seconds: list[float] = []
        self._late: set[str] = set()
        self._returned = 0
        self._alone_since: float | None = None

    def finished(self, numbers: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        """(number, outcome) of each task as it ends; ends early after Ctrl-C.

        No more than a few tasks a thread are under way, so that results wait nowhere and memory stays flat.

        Raises:
            ClusterLost: the scheduler or all workers went away, or tasks are lost again and again.
            Exception: what a task raised, as it would have been raised here.
        """
        waiting = deque(numbers)
        try:
            while (waiting or self._under_way) and not self._control.interrupted.is_set():
                threads = self._threads()
                while waiting and len(self._under_way) < _AHEAD * threads + 1:
                    self._send(_Sent(waiting.popleft(), time.monotonic()))
                self._send_late_again(more=bool(waiting))
                yield from self._arrived()
        except (OSError, CancelledError, TimeoutError) as error:
            raise self._lost(error) from error
        finally:
            self._cancel([future for sent in self._under_way for future in sent.futures])

    def _threads(self) -> int:
        """Threads of the workers there are; without any for a while the cluster counts as lost."""
        threads = int(sum(self._client.nthreads().values()))
        self._alone_since = None if threads else self._alone_since or time.monotonic()
        if self._alone_since and time.monotonic() - self._alone_since > _ALONE_SECONDS:
            raise ConnectionError("no worker is left")
        return max(1, threads)

    def _send(self, sent: _Sent) -> None:
        name, data, task = self._load(sent.number)
        where = {"pure": False, "workers": self._trusted()}
        if name not in self._payloads:
            self._payloads[name] = self._client.submit(carried, data, **where)
        future = self._client.submit(performed, self._payloads[name], task, **where)
        if not sent.futures:
            self._under_way.append(sent)
        sent.futures.append(future)

    def _trusted(self) -> list[str] | None:
        """Workers that held nothing up; None for all, also where each of them did."""
        known = set(self._client.nthreads())
        return sorted(known - self._late) if self._late & known and known - self._late else None

    def _send_late_again(self, more: bool) -> None:
        """Give another worker what a slow one holds up, once no ``more`` are left, or all under way are late."""
        if not self._seconds:
            return
        usual = max(_LATE_SECONDS, _LATE * statistics.median(self._seconds))
        behind = [one for one in self._under_way if time.monotonic() - one.began > usual]
        if more and len(behind) < len(self._under_way):
            return
        late = [one for one in behind if len(one.futures) == 1]
        if late:
            busy = self._client.processing()
            self._avoid(at for at, keys in busy.items() if any(one.futures[0].key in keys for one in late))
        for sent in late:
            self._send(sent)

    def _avoid(self, workers: Iterable[str]) -> None:
        """Send no more to workers that hold tasks up; what they hold of a job is made anew elsewhere."""
        self._late.update(workers)
        self._payloads.clear()

    def _arrived(self) -> Iterator[tuple[int, Outcome]]:
        from distributed import wait

        futures = [future for sent in self._under_way for future in sent.futures]
        try:
            with self._client.as_current():
                wait(futures, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
        except TimeoutError:
            self._check_alive()
            return
        except CancelledError:
            self._check_alive()
        for sent in list(self._under_way):
            ended = next((future for future in sent.futures if future.status != "pending"), None)
            if ended is None:
                continue
            if ended.status == "finished":
                try:
                    outcome = ended.result(timeout=_FETCH_SECONDS)
                except TimeoutError:
                    # It is done, on a worker that no longer answers.
                    self._check_alive()
                    self._avoid(at for holders in self._client.who_has([ended]).values() for at in holders)
                    self._once_more(sent, ended)
                    continue
                self._under_way.remove(sent)
                self._seconds.append(time.monotonic() - sent.began)
                self._cancel([future for future in sent.futures if future is not ended])
                yield sent.number, outcome
            else:
                self._again_or_raise(sent, ended)

    def _again_or_raise(self, sent: _Sent, ended: Any) -> None:
        from distributed.scheduler import KilledWorker

        error = ended.exception() if ended.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        self._check_alive()
        self._returned += 1
        if self._returned > _RETURNS * len(self._under_way):
            raise self._lost(error)
        self._payloads.clear()
        self._once_more(sent, ended)

    def _once_more(self, sent: _Sent, ended: Any) -> None:
        """Send a task again whose result cannot be had."""
        sent.futures.remove(ended)
        if not sent.futures:
            self._under_way.remove(sent)
            self._send(sent)

    def _check_alive(self) -> None:
        if self._client.status != "running":
            raise ConnectionError(f"the client is {self._client.status}")

    def _lost(self, error: Any) -> ClusterLost:
        return ClusterLost(
            f"the cluster at {self._address} was lost ({error or 'its tasks were lost again and again'})"
        )

    @property
    def _address(self) -> str:
        return str(getattr(self._client.scheduler, "address", None) or "an address of old")

    def _cancel(self, futures: list[Any]) -> None:
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True)
