"""What the two estimators share: rows checked, scales learnt, a training chosen, its end kept as attributes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from steepest.estimators.affine import Line, train_line
from steepest.estimators.arguments import BATCH, Settings, settings_of
from steepest.estimators.network import train_network
from steepest.estimators.rows import Floats, Rows, Scaling, scaling_of, seen
from steepest.estimators.trained import Trained
from steepest.models import MultilayerPerceptron, mlp
from steepest.precision import double_precision

_LARGEST_SEED = 2**31 - 1
_SPARSE = ("csr",)


class DescentEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """The part of :class:`DescentRegressor` and :class:`DescentClassifier` that is the same."""

    n_iter_: int
    loss_curve_: list[float]
    _scaler: StandardScaler

    def __init__(
        self,
        hidden_layer_sizes: Any = (),
        activation: str = "relu",
        alpha: float = 0.8,
        learning_rate: Any = "auto",
        momentum: Any = "auto",
        batch_size: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        standardise: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.standardise = standardise
        self.warm_start = warm_start
        self.random_state = random_state

    # What each of the two says of its targets

    @abstractmethod
    def _loss(self) -> Callable[[Any, Any], Any]:
        """The loss that is descended."""

    @abstractmethod
    def _outputs(self) -> tuple[int, ...]:
        """Shape of the predictions of one row, as the loss takes them."""

    @abstractmethod
    def _encoded(self, y: NDArray[Any], weights: Floats | None, *, first: bool) -> NDArray[Any]:
        """Targets as the loss takes them."""

    @property
    def _linear(self) -> bool:
        return not len(np.atleast_1d(self.hidden_layer_sizes))

    # Fitting

    def _learn(self, x: Any, y: Any, weights: Any, *, first: bool, once: bool) -> Self:
        """Fit anew (``first``), or go on from what there is; for ``once`` by a single epoch."""
        weights = None if weights is None else _check_sample_weight(weights, x, dtype=float, ensure_non_negative=True)
        if weights is not None and not weights.all():
            # A row that does not count must not be met by a batch, nor counted in the means.
            kept = np.flatnonzero(weights)
            x, y, weights = x[kept], y[kept], weights[kept]
        settings = settings_of(self, x.shape[0])
        if once:
            settings = _for_once(settings, self.batch_size, x)
        begun = not first
        targets = self._encoded(y, weights, first=first)
        if first or (self._linear and once):
            self._scaler = seen(None if first else self._scaler, x, weights)
        scaling = scaling_of(self._scaler, bool(self.standardise))
        names = getattr(self, "feature_names_in_", None)
        rows = Rows(x, targets, weights, scaling, None if names is None else tuple(map(str, names)))
        seed = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        trained = self._train(rows, settings, seed, begun, once)
        self._keep(trained, begun and once)
        if not once:
            trained.warn(type(self).__name__, settings.most_epochs, settings.tolerance)
        return self

    def _train(self, rows: Rows, settings: Settings, seed: int, begun: bool, once: bool) -> Trained:
        outputs = self._outputs()
        diagnosed = not (begun and once)
        if self._linear:
            start = self._line() if begun else Line.flat(rows.x.shape[1], outputs)
            trained = train_line(rows, self._loss(), settings, start, seed, diagnosed=diagnosed)
            self._keep_line(Line.outside(trained.params, rows.scaling))
            return trained
        inside = Rows(self._inside(rows.x), rows.y, rows.weights, rows.scaling, rows.names)
        layers = self._layers() if begun else None
        rate = getattr(self, "learning_rate_", None) if begun and once and settings.learning_rate is None else None
        trained = train_network(
            inside,
            self._loss(),
            outputs[0] if outputs else None,
            settings,
            layers,
            seed,
            diagnosed=diagnosed,
            rate=rate,
        )
        self.coefs_ = [np.asarray(layer["weight"]) for layer in trained.params]
        self.intercepts_ = [np.asarray(layer["bias"]) for layer in trained.params]
        return trained

    def _keep(self, trained: Trained, more: bool) -> None:
        unit = self._unit_of_loss()
        losses = [float(unit * loss) for loss in trained.losses[1:]]
        self.n_iter_ = (self.n_iter_ if more else 0) + trained.epochs
        self.loss_curve_ = [*self.loss_curve_, *losses] if more else losses
        self.loss_ = float(unit * trained.losses[-1])
        self.learning_rate_ = trained.learning_rate
        self.verdict_ = trained.verdict
        if trained.diagnosis is not None:
            self.diagnosis_ = trained.diagnosis

    def _unit_of_loss(self) -> float:
        return 1.0

    # Between the scale of the table and that of the descent

    @abstractmethod
    def _line(self) -> Line:
        """The linear model there is, on the scale of the features and of the loss."""

    @abstractmethod
    def _keep_line(self, line: Line) -> None:
        """Keep a linear model as ``coef_`` and ``intercept_``."""

    def _layers(self) -> list[dict[str, Floats]]:
        return [{"weight": w, "bias": b} for w, b in zip(self.coefs_, self.intercepts_, strict=True)]

    def _inside(self, x: Floats) -> Floats:
        """Features as the network takes them."""
        return scaling_of(self._scaler, True).applied(x) if self.standardise else x

    def _network(self) -> MultilayerPerceptron:
        outputs = self._outputs()
        return mlp(self.hidden_layer_sizes, self.activation, outputs[0] if outputs else None)

    def _raw_predictions(self, x: Any) -> Floats:
        """Predictions as the loss takes them, shape (rows, *outputs)."""
        check_is_fitted(self)
        x = self._checked_features(x)
        if self._linear:
            line = self._line()
            return np.asarray(x @ line.coefficients + line.intercept)
        with double_precision():
            return np.asarray(self._network()(self._layers(), self._inside(x)), float)

    # What comes in

    def _checked_features(self, x: Any) -> Any:
        return validate_data(self, x, accept_sparse=_SPARSE if self._linear else False, dtype=np.float64, reset=False)

    def _checked(self, x: Any, y: Any, *, reset: bool, **of_y: Any) -> tuple[Any, Any]:
        accepted = _SPARSE if self._linear else False
        x, y = validate_data(self, x, y, accept_sparse=accepted, dtype=np.float64, reset=reset, **of_y)
        return (x.tocsr() if issparse(x) else x), y

    def __sklearn_tags__(self) -> Any:
        """Sparse rows for linear models; targets are needed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._linear
        tags.target_tags.required = True
        return tags


def _for_once(settings: Settings, batch_size: Any, x: Any) -> Settings:
    """The same for a single epoch, in batches also where a fit takes all rows: one step of it would be little."""
    size = settings.batch_size
    if isinstance(batch_size, str) and x.shape[0] > BATCH and not issparse(x):
        size = BATCH
    return replace(settings, most_epochs=1, batch_size=size)


def centred(values: Floats, scaling: Scaling) -> Floats:
    """Targets on the scale of the descent, whatever their shape."""
    return scaling.applied(values) if values.ndim == 2 else scaling.applied(values[:, None])[:, 0]
