"""Estimators on disk: arrays in an npz, everything else in JSON; no pickle, so that loading runs no code."""

from __future__ import annotations

import json
import os
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from steepest.errors import unknown_name
from steepest.estimators.arguments import Architecture
from steepest.estimators.classification import DescentClassifier
from steepest.estimators.regression import DescentRegressor

_FORMAT = 1
_KINDS = {kind.__name__: kind for kind in (DescentClassifier, DescentRegressor)}
_SCALERS = ("_scaler", "_target_scaler")
_LEARNT = ("mean_", "var_", "scale_", "n_samples_seen_")


def save_estimator(estimator: DescentRegressor | DescentClassifier, path: str | Path) -> Path:
    """Write a fitted estimator into one file, a zip of arrays with a JSON text among them.

    Its diagnosis is kept in words, as ``diagnosis_words_``.

    Args:
        estimator: a fitted :class:`DescentRegressor` or :class:`DescentClassifier`.
        path: of the file; ``.npz`` is added where it does not end so.

    Returns:
        the path of the file.

    Raises:
        TypeError: another kind of estimator; a parameter or class that JSON cannot hold.
        sklearn.exceptions.NotFittedError: it has not been fitted.
        OSError: the file cannot be written, or its folder is not there.

    Example:
        >>> import tempfile, numpy as np
        >>> model = DescentRegressor().fit(np.arange(8.0)[:, None], 2 * np.arange(8.0) + 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = load_estimator(save_estimator(model, f"{folder}/line"))
        >>> bool(np.all(again.predict([[3.0]]) == model.predict([[3.0]])))
        True
    """
    if type(estimator).__name__ not in _KINDS:
        raise TypeError(f"estimator must be a DescentRegressor or a DescentClassifier, got {type(estimator).__name__}")
    check_is_fitted(estimator)
    arrays: dict[str, Any] = {}
    plain: dict[str, Any] = {"diagnosis_words_": getattr(estimator, "diagnosis_words_", "")}
    for name, value in vars(estimator).items():
        if name in estimator.get_params():
            continue
        if name == "diagnosis_":
            plain["diagnosis_words_"] = str(value)
        elif name in _SCALERS:
            arrays |= {f"{name}/{part}": np.asarray(getattr(value, part)) for part in _LEARNT}
        elif isinstance(value, np.ndarray):
            arrays[name] = value.astype(str) if value.dtype.hasobject else value
        elif name == "_architecture":
            plain[name] = value._asdict()
        elif name in ("coefs_", "intercepts_"):
            arrays |= {f"{name}/{place}": layer for place, layer in enumerate(value)}
        else:
            plain[name] = value
    described = {
        "format": _FORMAT,
        "kind": type(estimator).__name__,
        "parameters": estimator.get_params() | _class_weight(estimator),
        "fitted": plain,
        "objects": [
            name for name, value in vars(estimator).items() if isinstance(value, np.ndarray) and value.dtype.hasobject
        ],
        "versions": {name: version(name) for name in ("steepest", "scikit-learn", "numpy")},
    }
    file = _named(path)
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{file} cannot be written: make the folder {file.parent} first")
    try:
        text = json.dumps(described, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the estimator cannot be saved as JSON: {error}; give parameters that are plain values"
        ) from None
    # Into a file beside it, so that a full disk does not cost the model that was there.
    beside = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as opened:
            np.savez(opened, allow_pickle=False, **(arrays | {"steepest.json": np.array(text)}))
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    return file


def load_estimator(path: str | Path) -> Any:
    """The estimator that :func:`save_estimator` wrote.

    Args:
        path: of the file; without its ``.npz`` too.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.
        ValueError: the file is of another format or damaged.
    """
    file = Path(path) if Path(path).exists() else _named(path)
    if not file.exists():
        raise FileNotFoundError(f"there is no estimator at {path}")
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder; give the path of a file that save_estimator wrote")
    try:
        # Opened here, because np.load leaves a damaged file open.
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no file of save_estimator")
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            if "steepest.json" not in arrays.files:
                raise ValueError("it is no file of save_estimator")
            found = {name: arrays[name] for name in arrays.files}
        described = json.loads(str(found.pop("steepest.json")))
        if described["format"] != _FORMAT:
            raise ValueError(f"format {described['format']}, this version reads {_FORMAT}")
        if described["kind"] not in _KINDS:
            raise unknown_name("kind of estimator", described["kind"], _KINDS)
        return _restored(described, found)
    except (KeyError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} cannot be read as an estimator: {error}") from error


def _restored(described: dict[str, Any], arrays: dict[str, Any]) -> Any:
    parameters = described["parameters"]
    if "hidden_layer_sizes" in parameters:
        parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    estimator = _KINDS[described["kind"]](**parameters)
    for name, value in described["fitted"].items():
        setattr(estimator, name, tuple(value) if name == "_target_shape" else value)
    sizes = tuple(described["fitted"]["_architecture"]["hidden_layer_sizes"])
    estimator._architecture = Architecture(**described["fitted"]["_architecture"] | {"hidden_layer_sizes": sizes})
    layers: dict[str, dict[int, Any]] = {}
    scalers: dict[str, StandardScaler] = {}
    for name, array in arrays.items():
        owner, _, part = name.partition("/")
        if owner in _SCALERS:
            scaler = scalers.setdefault(owner, StandardScaler(with_mean=False))
            setattr(scaler, part, array if array.ndim else array[()])
        elif part:
            layers.setdefault(owner, {})[int(part)] = array
        else:
            setattr(estimator, owner, array.astype(object) if owner in described["objects"] else array)
    for owner, scaler in scalers.items():
        setattr(estimator, owner, scaler)
    for owner, numbered in layers.items():
        setattr(estimator, owner, [numbered[place] for place in sorted(numbered)])
    return estimator


def _named(path: str | Path) -> Path:
    file = Path(path)
    return file if file.suffix == ".npz" else file.with_name(f"{file.name}.npz")


def _class_weight(estimator: Any) -> dict[str, Any]:
    """Weights of classes as pairs: the names of a JSON object are words, and classes may be numbers."""
    weights = getattr(estimator, "class_weight", None)
    return {"class_weight": list(weights.items())} if isinstance(weights, dict) else {}


def _plain(value: Any) -> Any:
    """What JSON does not know, as what it knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of kind {type(value).__name__}")
