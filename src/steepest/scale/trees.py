"""Pytrees in words, so that a store knows how parameters hang together without any code of the user's."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def words_of(tree: Any) -> Any:
    """A pytree of arrays as ``json`` can hold it: its containers, and the shape of each leaf.

    Containers other than dicts with names, lists and tuples stand as a dict of their leaves by name.

    >>> words_of({"weight": np.zeros((2, 3)), "layers": [np.zeros(4)]})
    {'dict': {'weight': {'leaf': [2, 3]}, 'layers': {'list': [{'leaf': [4]}]}}}
    """
    if tree is None:
        return {"none": []}
    if type(tree) is dict and all(isinstance(key, str) for key in tree):
        return {"dict": {key: words_of(value) for key, value in tree.items()}}
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [words_of(value) for value in tree]}
    if jax.tree_util.all_leaves([tree]):
        return {"leaf": list(np.shape(tree))}
    named = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {"dict": {jax.tree_util.keystr(path, simple=True, separator="."): words_of(leaf) for path, leaf in named}}


def tree_of(words: Any) -> Any:
    """The pytree that :func:`words_of` put into words, with zeros for its numbers.

    >>> tree_of({"list": [{"leaf": [2]}]})
    [array([0., 0.])]
    """
    ((kind, inside),) = words.items()
    if kind == "leaf":
        return np.zeros(inside)
    if kind == "none":
        return None
    if kind == "dict":
        return {key: tree_of(value) for key, value in inside.items()}
    made = [tree_of(value) for value in inside]
    return made if kind == "list" else tuple(made)
