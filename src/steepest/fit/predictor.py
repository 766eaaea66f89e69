"""A model that can be saved and loaded: arrays in an npz, everything else in JSON, no pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steepest import models
from steepest.fit.columns import Columns
from steepest.fit.task import Task
from steepest.objectives import Params
from steepest.precision import double_precision

_FORMAT = 1
_BLOCK = 2**22


@dataclass(frozen=True)
class Architecture:
    """Which model, in words that JSON can hold."""

    model: str
    hidden_layer_sizes: tuple[int, ...] = ()
    activation: str = "relu"

    def built(self, task: Task) -> models.Affine | models.MultilayerPerceptron:
        """The model for a task."""
        if self.model == "mlp":
            outputs = len(task.classes) if task.classes is not None else None
            return models.mlp(self.hidden_layer_sizes, self.activation, outputs)
        return models.softmax if task.is_classification else models.linear


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained model with all that turns a table into its predictions.

    Attributes:
        columns: from the table to features.
        task: from outputs to the target's own units.
        architecture: the model.
        params: its parameters, float64.
    """

    columns: Columns
    task: Task
    architecture: Architecture
    params: Params

    def outputs(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Predictions on the model's own scale: (rows,) or logits (rows, classes)."""
        return self._by_blocks(table, self.outputs_of)

    def outputs_of(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """As :meth:`outputs`, from features of shape (rows, features) as ``columns`` encodes them."""
        with double_precision():
            return np.asarray(self.architecture.built(self.task)(self.params, features), np.float64)

    def probabilities_of(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of every class, from logits (rows, classes)."""
        with double_precision():
            return np.asarray(jax.nn.softmax(outputs, axis=1))

    def _by_blocks(self, table: pd.DataFrame, function: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
        """A function of the features of a table, a few rows at a time, for they may take more than the table."""
        step = max(1, _BLOCK // max(1, self.columns.width))
        if not isinstance(table, pd.DataFrame) or len(table) <= step:
            return function(self.columns.encoded(table))
        starts = range(0, len(table), step)
        return np.concatenate([function(self.columns.encoded(table.iloc[at : at + step], at)) for at in starts])

    def predict(self, table: pd.DataFrame) -> NDArray[Any]:
        """One number or class a row, in the target's own units.

        Raises:
            ValueError: a column that the model uses is not in the table, or holds something other than numbers.
        """
        return self.task.decoded(self.outputs(table))

    def probabilities(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """The probability of every class, shape (rows, classes), in the order of ``task.classes``.

        Raises:
            ValueError: the model predicts numbers; or as in :meth:`predict`.
        """
        if not self.task.is_classification:
            raise ValueError("the model predicts numbers and has no probabilities; use predict")
        return self.probabilities_of(self.outputs(table))

    def save(self, folder: Path) -> None:
        """Write ``model.npz`` and ``model.json`` into a folder."""
        leaves = jax.tree.leaves(self.params)
        arrays: dict[str, Any] = {f"leaf_{place}": np.asarray(leaf) for place, leaf in enumerate(leaves)}
        np.savez(folder / "model.npz", **arrays)
        classes = None if self.task.classes is None else list(self.task.classes)
        described = {
            "format": _FORMAT,
            "architecture": vars(self.architecture),
            "task": {**vars(self.task), "classes": classes},
            **self.columns.to_json(),
        }
        (folder / "model.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_model(folder: str | Path) -> Predictor:
    """The predictor that a fit wrote into a folder.

    Raises:
        FileNotFoundError: the folder holds no model.
        ValueError: the files are of another format or damaged.
    """
    place = Path(folder)
    for name in ("model.json", "model.npz"):
        if not (place / name).exists():
            raise FileNotFoundError(f"{place} holds no {name}; give the folder that a fit wrote")
    try:
        described = json.loads((place / "model.json").read_text(encoding="utf-8"))
        # Opened here, because np.load leaves a damaged file open.
        with (place / "model.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            leaves = [arrays[f"leaf_{number}"] for number in range(len(arrays.files))]
        if described["format"] != _FORMAT:
            raise ValueError(f"format {described['format']}, this version reads {_FORMAT}")
        shape = described["architecture"]
        architecture = Architecture(shape["model"], tuple(shape["hidden_layer_sizes"]), shape["activation"])
        task = described["task"]
        classes = None if task["classes"] is None else tuple(task["classes"])
        loaded = Predictor(
            Columns.from_json(described),
            Task(task["target"], classes, task["mean"], task["scale"], task["why"]),
            architecture,
            None,
        )
        like = _like(loaded, len(leaves))
        return Predictor(loaded.columns, loaded.task, architecture, jax.tree.unflatten(like, leaves))
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"the model in {place} cannot be read: {error}") from error


def _like(predictor: Predictor, leaves: int) -> Any:
    """The pytree structure of the parameters."""
    if predictor.architecture.model != "mlp":
        structure: Any = {"weight": 0, "bias": 0}
    else:
        structure = [{"weight": 0, "bias": 0} for _ in range(len(predictor.architecture.hidden_layer_sizes) + 1)]
    expected = len(jax.tree.leaves(structure))
    if expected != leaves:
        raise ValueError(f"{leaves} arrays where the architecture has {expected}")
    return jax.tree.structure(structure)
