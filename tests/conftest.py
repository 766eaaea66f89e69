"""One set of conditions for every test: no windows, no silent broadcasting, the same random examples each time."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"  # before Matplotlib is imported; commands that tests start inherit it
sys.path.insert(0, str(Path(__file__).parents[1]))  # documentation/ lies beside the source and is not installed

from collections.abc import Iterator

import jax
import pytest
from hypothesis import HealthCheck, settings

# A suite that was started in the background has been told to ignore Ctrl-C, and would hand that on to what it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An error in all but sums, by the warning filters of pyproject.toml. Not by a fixture: descend() traces in threads of
# its own, which a context manager of this thread does not reach.
jax.config.update("jax_numpy_rank_promotion", "warn")  # type: ignore[no-untyped-call]

settings.register_profile(
    "steepest",
    derandomize=True,
    deadline=None,
    database=None,
    # Compiling for the first example takes longer than generating all the others.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steepest")


@pytest.fixture(scope="module", autouse=True)
def _forget_what_was_compiled() -> Iterator[None]:
    """Halves the memory of a whole run: no test file calls what another one compiled."""
    yield
    jax.clear_caches()  # type: ignore[no-untyped-call]
