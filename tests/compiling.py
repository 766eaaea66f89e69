"""What XLA compiles, for tests that say of a call that it compiles nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The programs that XLA compiles within."""
    seen: list[str] = []
    active = [True]

    def listen(event: str, duration: float, **details: object) -> None:
        if active[0] and event == _COMPILED:
            seen.append(str(details.get("fun_name", event)))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        active[0] = False
