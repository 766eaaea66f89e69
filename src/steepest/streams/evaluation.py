"""A risk and its gradient over a stream: block by block, for any number of runs at once, here or where the data lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from steepest.precision import cast, double_precision
from steepest.streams.sources import Chunked, InMemory
from steepest.streams.stream import Rows, Stream

_TOGETHER = 2**22

# (x, y, row weights, l2, params) → (loss, gradient), both without the L2 term where l2 is None.
Gradient = Callable[[Any, Any, Any, Any, Any], tuple[Any, Any]]
Sums = tuple[Any, Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A risk and its gradient over all rows of a stream, L2 term included.

    Attributes:
        stream: the rows.
        gradient: of a stretch of them with their weights.
        l2: strength of the L2 term.
        lanes: whether parameters have an axis of runs in front of each leaf.
        client: of Dask, to have stretches summed where the data lie; None to do it here.
    """

    stream: Stream
    gradient: Gradient
    l2: float
    lanes: bool = False
    client: Any = None

    def __call__(self, params: Any) -> Sums:
        """(risk, gradient) at params."""
        away = self.client is not None
        sums = self._away(params) if away else block_sums(self.stream, self.gradient, params, self.lanes)
        if not self.l2:
            return sums
        term = jax.value_and_grad(lambda point: self.l2 * half_squared_norm(point))
        with double_precision():
            return _added(sums, jax.tree.map(np.asarray, (jax.vmap(term) if self.lanes else term)(params)))

    def _away(self, params: Any) -> Sums:
        """The sums of stretches of blocks, a few for each thread of a cluster, added in the order of the rows."""
        # Here and not above: data in memory need no Dask.
        from steepest.scale.code import by_value

        with by_value():
            if any(isinstance(source, Chunked) and source.is_dask for source in (self.stream.x, self.stream.y)):
                futures = self.client.compute([self._of_dask(span, params) for span in self.stream.spans])
            else:
                stretches, sources = self._sent
                futures = [
                    self.client.submit(_stretch, source, params, self.lanes, spans, pure=False)
                    for spans, source in zip(stretches, sources, strict=True)
                ]
        sums: Sums = reduce(_added, self.client.gather(futures))
        return sums

    def _of_dask(self, span: tuple[int, int], params: Any) -> Any:
        """The sums of one block as a graph on the chunks it lies in, which Dask works off where they are."""
        from dask.delayed import delayed

        x, y = (
            source.array[slice(*span)] if isinstance(source, Chunked) and source.is_dask else source.read(*span)
            for source in (self.stream.x, self.stream.y)
        )
        weights = None if self.stream.weights is None else self.stream.weights[slice(*span)]
        return delayed(_of_arrays, pure=False)(
            x, y, weights, self.stream.rows, self.gradient, params, self.lanes
        )  # fmt: skip

    @cached_property
    def _sent(self) -> tuple[list[list[tuple[int, int]]], list[Any]]:
        """Stretches of blocks, and for each what reads them: sent once, and made again by Dask where it is lost."""
        from steepest.scale.code import by_value

        threads = max(1, sum(self.client.nthreads().values()))
        places = np.array_split(np.arange(len(self.stream.spans)), min(threads, len(self.stream.spans)))
        stretches = [[self.stream.spans[place] for place in some] for some in places]
        with by_value():
            sources = [
                self.client.submit(_kept, self.stream.only(spans[0][0], spans[-1][1]), self.gradient, pure=False)
                for spans in stretches
            ]
        return stretches, sources


def _of_arrays(x: Any, y: Any, weights: Any, rows: int, gradient: Gradient, params: Any, lanes: bool) -> Sums:
    own = Stream(InMemory(np.asarray(x)), InMemory(np.asarray(y)), weights, (0, len(x)))
    share = len(x) / rows
    return jax.tree.map(lambda leaf: leaf * share, block_sums(own, gradient, params, lanes))  # type: ignore[no-any-return]


def _kept(stream: Stream, gradient: Gradient) -> tuple[Stream, Gradient]:
    return stream, gradient


def _stretch(source: tuple[Stream, Gradient], params: Any, lanes: bool, spans: list[tuple[int, int]]) -> Sums:
    return block_sums(*source, params, lanes, spans)


def block_sums(
    stream: Stream, gradient: Gradient, params: Any, lanes: bool, spans: Iterable[tuple[int, int]] | None = None
) -> Sums:
    """Σ over the rows of some blocks, or of all, of their share in the mean loss and its gradient."""
    sums: Sums | None = None
    dtype = np.result_type(*(leaf.dtype for leaf in jax.tree.leaves(params)))
    count = len(jax.tree.leaves(params)[0]) if lanes else 1
    together = max(1, _TOGETHER // count)
    with double_precision():
        point = jax.tree.map(jnp.asarray, params)
        for block in stream.blocks(spans):
            for first in range(0, len(block.x), together):
                x, y, weights = cast(Rows(*(part[first : first + together] for part in block)), dtype)
                part = _sums(gradient, lanes, x, y, weights / dtype.type(stream.rows), point)
                share = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part)
                sums = share if sums is None else _added(sums, share)
    assert sums is not None
    return sums


@partial(jax.jit, static_argnames=("gradient", "lanes"))
def _sums(gradient: Gradient, lanes: bool, x: Any, y: Any, weights: Any, params: Any) -> Sums:
    one = partial(gradient, x, y, weights, None)
    found: Sums = jax.vmap(one)(params) if lanes else one(params)
    return found


def _added(one: Sums, other: Sums) -> Sums:
    added: Sums = jax.tree.map(np.add, one, other)
    return added


def half_squared_norm(params: Any) -> Any:
    """½ Σ of the squares of all parameters but those named ``bias``."""
    leaves = [leaf for path, leaf in tree_flatten_with_path(params)[0] if keystr(path[-1:], simple=True) != "bias"]
    return 0.5 * sum((jnp.sum(leaf * leaf) for leaf in leaves), start=0.0)
