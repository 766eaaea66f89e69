"""The sweep as numba kernels that a patient programmer would write by hand, compiled for all cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A freshly compiled kernel; multiplication and addition may be contracted, as XLA does it."""
    kernel: Callable[..., Any] = numba.njit(parallel=True, error_model="numpy", fastmath={"contract"})(function)
    return kernel


def run_by_run(
    rates: Any, steps: int, every: int, squared_tolerance: float, loss_limit: float, start_x: float, start_y: float
) -> Any:
    """Each run on its own from start to end; a run that ends takes no more time."""
    runs, records = len(rates), steps // every + 1
    loss, gradient_norm = np.empty((runs, records)), np.empty((runs, records))
    final_loss, final_gradient_norm = np.empty(runs), np.empty(runs)
    ends, codes = np.empty(runs, np.int64), np.empty(runs, np.int8)
    for run in prange(runs):
        x, y, rate = start_x, start_y, rates[run]
        step, record, code = 0, 0, 0
        while True:
            gradient_x, gradient_y = 2 * x, 20 * y
            value = x * x + 10 * y * y
            squared = gradient_x * gradient_x + gradient_y * gradient_y
            if step == record * every:
                loss[run, record] = value
                gradient_norm[run, record] = np.sqrt(squared)
                record += 1
            if not (value <= loss_limit and squared > squared_tolerance):
                code = 1 if value <= loss_limit else 2
                break
            if step == steps:
                break
            x -= rate * gradient_x
            y -= rate * gradient_y
            step += 1
        for rest in range(record, records):
            loss[run, rest] = gradient_norm[run, rest] = np.nan
        final_loss[run], final_gradient_norm[run] = value, np.sqrt(squared)
        ends[run], codes[run] = step, code
    return loss.T, gradient_norm.T, final_loss, final_gradient_norm, ends, codes


def abreast(
    rates: Any, steps: int, every: int, squared_tolerance: float, loss_limit: float, start_x: float, start_y: float
) -> Any:
    """Sixteen runs abreast, without a branch between two records, so that the compiler can use vector registers."""
    width = 16
    runs, records = len(rates), steps // every + 1
    loss, gradient_norm = np.full((records, runs), np.nan), np.full((records, runs), np.nan)
    final_loss, final_gradient_norm = np.empty(runs), np.empty(runs)
    ends, codes = np.empty(runs, np.int64), np.zeros(runs, np.int8)
    for block in prange((runs + width - 1) // width):
        first = block * width
        count = min(width, runs - first)
        x, y, taken = np.full(width, start_x), np.full(width, start_y), np.zeros(width)
        rate, running = np.zeros(width), np.zeros(width)
        rate[:count], running[:count] = rates[first : first + count], 1.0
        for record in range(records):
            for lane in range(count):
                if taken[lane] == record * every:
                    loss[record, first + lane] = x[lane] * x[lane] + 10 * y[lane] * y[lane]
                    gradient_norm[record, first + lane] = np.sqrt(4 * x[lane] * x[lane] + 400 * y[lane] * y[lane])
            if record == records - 1 or running.sum() == 0.0:
                break
            for _ in range(every):
                for lane in range(width):
                    gradient_x, gradient_y = 2 * x[lane], 20 * y[lane]
                    value = x[lane] * x[lane] + 10 * y[lane] * y[lane]
                    squared = gradient_x * gradient_x + gradient_y * gradient_y
                    inside = (value <= loss_limit) & (squared > squared_tolerance)
                    running[lane] = running[lane] if inside else 0.0
                    x[lane] -= running[lane] * rate[lane] * gradient_x
                    y[lane] -= running[lane] * rate[lane] * gradient_y
                    taken[lane] += running[lane]
        for lane in range(count):
            run = first + lane
            final_loss[run] = x[lane] * x[lane] + 10 * y[lane] * y[lane]
            squared = 4 * x[lane] * x[lane] + 400 * y[lane] * y[lane]
            final_gradient_norm[run] = np.sqrt(squared)
            ends[run] = int(taken[lane])
            if squared <= squared_tolerance:
                codes[run] = 1
            if not final_loss[run] <= loss_limit:
                codes[run] = 2
    return loss, gradient_norm, final_loss, final_gradient_norm, ends, codes
