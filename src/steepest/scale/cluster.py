"""A Dask cluster to run on: what to connect to, and what sending a task there costs."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from steepest.descent.cut import cores

_PACKAGES = ("steepest", "jax", "optax", "numpy")
_PATIENCE_SECONDS = 30.0
_PROBES = 32
_PROBE_BYTES = 2**22
# Of workers on one machine: for a task, for a byte, and to start (docs/scale.md has the measurement).
_LOCAL_SECONDS = (1e-3, 2e-9, 4.0)


class ClusterLost(ConnectionError):  # noqa: N818 — what happened, and a ConnectionError to whoever does not care which
    """The scheduler or all workers of a cluster went away; what was stored is kept."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """Where runs are sent to.

    Args:
        where: ``"local"`` for a scheduler and one worker a core on this machine, the address of a scheduler such as
            ``"tcp://10.0.0.5:8786"``, or a ``dask.distributed.Client``, which stays open.
        always: whether to send runs there even where they would end sooner here.
        workers: how many to start, for ``"local"``; by default one a core.

    Raises:
        ModuleNotFoundError: Dask is not installed.
        TypeError: ``where`` is none of these.
        ValueError: a string that is neither ``"local"`` nor an address, or a number of workers below 1.

    Example:
        >>> Cluster("tcp://10.0.0.5:8786", always=True).where
        'tcp://10.0.0.5:8786'
        >>> Cluster("somewhere")
        Traceback (most recent call last):
            ...
        ValueError: cluster must be "local", an address such as "tcp://10.0.0.5:8786" or a Client, got 'somewhere'
    """

    where: Any = "local"
    always: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "a cluster needs Dask, which is not installed; install it with: pip install 'steepest[cluster]'"
            ) from None
        allowed = 'cluster must be "local", an address such as "tcp://10.0.0.5:8786" or a Client'
        if not isinstance(self.where, str | Client):
            raise TypeError(f"{allowed}, got {type(self.where).__name__}")
        if isinstance(self.where, str) and self.where != "local" and ":" not in self.where:
            raise ValueError(f"{allowed}, got {self.where!r}")
        if self.workers is not None and (isinstance(self.workers, bool) or self.workers < 1):
            raise ValueError(f"workers must be a whole number from 1 up, got {self.workers!r}")


@dataclass(frozen=True)
class Connection:
    """An open connection, and what was measured of it.

    Attributes:
        client: of Dask.
        threads: of all workers together.
        task_seconds: what one more task costs the scheduler and this process.
        byte_seconds: what one more byte of results costs.
        start_seconds: until the first task can be sent.
    """

    client: Any
    threads: int
    task_seconds: float
    byte_seconds: float
    start_seconds: float = 0.0


def expected(cluster: Cluster) -> Connection | None:
    """What a connection will be like whose scheduler and workers are yet to be started; None for any other."""
    if cluster.where != "local":
        return None
    return Connection(None, cluster.workers or cores(), *_LOCAL_SECONDS)


def as_cluster(value: Any) -> Cluster:
    """The :class:`Cluster` that the argument ``cluster`` of :func:`steepest.descend` stands for."""
    return value if isinstance(value, Cluster) else Cluster(value)


@contextmanager
def connected(cluster: Cluster) -> Iterator[Connection]:
    """A connection to a cluster, with at least one worker; what was opened here is closed again.

    Raises:
        ClusterLost: a ``ConnectionError``: nothing answers at the address, or no worker comes.
        ValueError: workers have other versions of what computes.
    """
    from distributed import Client

    if isinstance(cluster.where, Client):
        yield _measured(cluster.where)
        return
    with _scheduler(cluster) as address:
        try:
            client = Client(address, timeout=_PATIENCE_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterLost(
                f"cluster: nothing answers at {address} ({error}); start one with: dask scheduler, and workers with: "
                "dask worker ADDRESS"
            ) from error
        try:
            yield _measured(client)
        finally:
            client.close(timeout=5)


@contextmanager
def _scheduler(cluster: Cluster) -> Iterator[Any]:
    """The address of a scheduler; for ``"local"`` one that is started now, with its workers."""
    if cluster.where != "local":
        yield cluster.where
        return
    # Processes of their own and not children of multiprocessing, which would import the user's script once more.
    from distributed.deploy.subprocess import SubprocessCluster

    workers = cluster.workers or cores()
    with (
        _without_progress(),
        SubprocessCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", worker_kwargs={"dashboard": False}
        ) as started,
    ):
        yield started


@contextmanager
def _without_progress() -> Iterator[None]:
    """Workers show no bars and ask nothing of a terminal."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONWARNINGS", None)


def _measured(client: Any) -> Connection:
    from distributed import TimeoutError as Late

    try:
        client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
    except Late:
        raise ClusterLost(
            f"cluster: the scheduler at {client.scheduler.address} has no worker; start some with: "
            f"dask worker {client.scheduler.address}"
        ) from None
    _check_versions(client)
    task_seconds = math.inf
    for _ in range(3):
        # The first tasks of a worker take longer, for it imports what they need.
        began = time.perf_counter()
        client.gather(client.map(_nothing, range(_PROBES), pure=False))
        task_seconds = min(task_seconds, (time.perf_counter() - began) / _PROBES)
    began = time.perf_counter()
    client.submit(_bytes, _PROBE_BYTES, pure=False).result()
    byte_seconds = max(0.0, time.perf_counter() - began - task_seconds) / _PROBE_BYTES
    return Connection(client, max(1, sum(client.nthreads().values())), task_seconds, byte_seconds)


def _check_versions(client: Any) -> None:
    own = versions()
    for address, other in client.run(versions).items():
        apart = [f"{name} {other.get(name)} for {own[name]}" for name in own if other.get(name) != own[name]]
        if apart:
            raise ValueError(f"cluster: the worker {address} has {', '.join(apart)}; install the same versions there")


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on, in this process."""
    return {name: version(name) for name in _PACKAGES}


def say_local(runs: int, away: float, here: float, threads: int) -> None:
    """Warn that runs stay here, and why."""
    warnings.warn(
        f"cluster: sending these {runs:,} runs to {threads} threads would take about {away:.2g} s, against "
        f"{here:.2g} s here, so they run here; steepest.scale.Cluster(..., always=True) sends them all the same",
        stacklevel=2,
    )


def _nothing(number: int) -> int:
    return number


def _bytes(count: int) -> bytes:
    return os.urandom(count)
