"""Compiled programs kept from one command to the next, in the user's cache folder."""

from __future__ import annotations

import os

_MOST_BYTES = 2**28


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles, up to 256 MiB, least recently used first to go; before JAX is imported.

    Whoever has set ``JAX_COMPILATION_CACHE_DIR`` keeps their own folder; set to nothing, nothing is kept.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    from platformdirs import user_cache_path

    folder = user_cache_path("steepest", appauthor=False) / "compiled"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MOST_BYTES))
    # By default only what takes a second to compile is kept; the programs here take less, but there are several.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
