"""What the two estimators share: rows checked, scales learnt, a training chosen, its end kept as attributes."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from steepest.descent import Verdict
from steepest.estimators.affine import Line, train_line
from steepest.estimators.arguments import LARGEST_SEED, Architecture, Settings, drawn_seed, settings_of
from steepest.estimators.network import train_network
from steepest.estimators.rows import Floats, Rows, check_size, rows_seen, scaling_of, seen
from steepest.estimators.trained import Trained
from steepest.models import mlp
from steepest.precision import double_precision

_SPARSE = ("csr",)


class DescentEstimator(BaseEstimator, metaclass=ABCMeta):  # type: ignore[misc] # scikit-learn ships no types
    """The part of :class:`DescentRegressor` and :class:`DescentClassifier` that is the same."""

    n_iter_: int
    loss_curve_: list[float]
    _scaler: StandardScaler
    _architecture: Architecture

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
    def _learn_targets(self, y: NDArray[Any], weights: Floats | None, *, first: bool, more: bool) -> None:
        """Learn the shape (``first``) and the scale of targets, from ``more`` of them or anew."""

    @abstractmethod
    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        """Targets as the loss takes them."""

    @property
    def _linear(self) -> bool:
        """Whether the next fit is of a linear model."""
        return not len(np.atleast_1d(self.hidden_layer_sizes))

    # Fitting

    def _learn(self, x: Any, y: Any, weights: Any, *, first: bool, once: bool) -> Self:
        """Fit anew (``first``), or go on from what there is; for ``once`` by a single epoch."""
        weights = None if weights is None else _check_sample_weight(weights, x, dtype=float, ensure_non_negative=True)
        if weights is not None and not weights.all():
            # A row that does not count must not be met by a batch, nor counted in the means.
            kept = np.flatnonzero(weights)
            x, y, weights = x[kept], y[kept], weights[kept]
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else tuple(map(str, names))
        check_size("X", x, names)
        if weights is not None:
            check_size("sample_weight", weights)
        rows, sparse = x.shape[0], bool(issparse(x))
        settings = settings_of(self, rows, sparse)
        if once:
            settings = settings.for_once(self.batch_size, rows, sparse)
        start = self._started(x, y, weights, settings, first, more=once and not first)
        scaling = scaling_of(self._scaler, self._architecture.standardise)
        made = Rows(x, self._encoded(y), weights, scaling, names, rows_seen(self._scaler))
        # The same seed in each call of partial_fit would have each epoch in the same order.
        seed = (drawn_seed(self.random_state) + (0 if first else self.n_iter_)) % LARGEST_SEED
        trained = self._train(made, settings, seed, start)
        self._keep(trained, once and not first)
        if not once or trained.verdict == Verdict.DIVERGED.value:
            trained.warn(type(self).__name__, settings.most_epochs, settings.tolerance)
        return self

    def _started(self, x: Any, y: Any, weights: Floats | None, settings: Settings, first: bool, *, more: bool) -> Any:
        """Learn the scales of these rows, or of these ``more`` rows; where training begins, None where it does anew.

        Coefficients are on the scale of the table and stay the same function. A network stays what it is on the scale
        of the descent: a unit that has changed, or a first part of a few rows, would leave it far from any sense.
        """
        asked = Architecture(settings.hidden_layer_sizes, settings.activation, bool(self.standardise))
        if not first:
            self._architecture.check_same(asked)
        self._architecture = asked
        self._scaler = seen(self._scaler if more else None, x, weights)
        self._learn_targets(y, weights, first=first, more=more)
        if first:
            return None
        return self._line() if asked.linear else self._layers()

    def _train(self, rows: Rows, settings: Settings, seed: int, start: Any) -> Trained:
        outputs = self._outputs()
        diagnosed = start is None or not settings.once
        if self._architecture.linear:
            line = Line.flat(rows.x.shape[1], outputs) if start is None else start
            trained = train_line(rows, self._loss(), settings, line, seed, diagnosed=diagnosed)
            self._keep_line(Line.outside(trained.params, rows.scaling))
            self._forget("coefs_", "intercepts_")
            return trained
        trained = train_network(
            replace(rows, x=self._inside(rows.x)),
            self._loss(),
            outputs[0] if outputs else None,
            settings,
            start,
            seed,
            diagnosed=diagnosed,
            rate=None if diagnosed else settings.learning_rate or self.learning_rate_,
        )
        self.coefs_ = [np.asarray(layer["weight"]) for layer in trained.params]
        self.intercepts_ = [np.asarray(layer["bias"]) for layer in trained.params]
        self._forget("coef_", "intercept_")
        return trained

    def _forget(self, *names: str) -> None:
        """What a fit of the other kind of model left."""
        for name in names:
            if hasattr(self, name):
                delattr(self, name)

    def _keep(self, trained: Trained, more: bool) -> None:
        unit = self._unit_of_loss()
        losses = [float(unit * loss) for loss in trained.losses[1:]]
        self.n_iter_ = (self.n_iter_ if more else 0) + trained.epochs
        self.loss_curve_ = [*self.loss_curve_, *losses] if more else losses
        self.loss_ = float(unit * trained.loss)
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
        return scaling_of(self._scaler, True).applied(x) if self._architecture.standardise else x

    def _raw_predictions(self, x: Any) -> Floats:
        """Predictions as the loss takes them, shape (rows, *outputs)."""
        check_is_fitted(self)
        linear, outputs = self._architecture.linear, self._outputs()
        x = validate_data(self, x, accept_sparse=_SPARSE if linear else False, dtype=np.float64, reset=False)
        if linear:
            line = self._line()
            return np.asarray(x @ line.coefficients + line.intercept)
        network = mlp(*self._architecture.network, outputs[0] if outputs else None)
        with double_precision():
            return np.asarray(network(self._layers(), self._inside(x)), float)

    # What comes in

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
