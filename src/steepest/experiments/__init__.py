"""Experiments: many runs that answer one question."""

__all__: list[str] = []
