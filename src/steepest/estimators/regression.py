"""``DescentRegressor``: regression by gradient descent, in scikit-learn's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler

from steepest import losses
from steepest.estimators.affine import Line
from steepest.estimators.base import DescentEstimator
from steepest.estimators.rows import Floats, Scaling, check_size, scaling_of, seen


class DescentRegressor(RegressorMixin, DescentEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Least squares by gradient descent, linear or with hidden layers, with a learning rate that theory chooses.

    What is minimised is Σᵢ wᵢ·½(ŷᵢ − yᵢ)² + (alpha/2)·‖weights‖², over the weights of standardised features and
    targets; with ``standardise=False`` it is that of :class:`sklearn.linear_model.Ridge`. Features are standardised
    inside, so that a table converges as it comes, and coefficients are handed out on its own scale.

    A linear model is descended in full batches, with the best heavy ball where the smallest curvature allows it and
    Nesterov's method elsewhere (:func:`steepest.theory.advise`): a theorem guarantees that it converges. A network has
    no such theorem: its rate is one over the curvature at the start, halved whenever the loss does not fall.

    Args:
        hidden_layer_sizes: units of each hidden layer; ``()`` is a linear model.
        activation: of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``, ``"silu"`` or
            ``"identity"``.
        alpha: strength of the L2 term, from 0 up: Ridge's alpha, and MLPRegressor's, which is 1e-4 there and too
            little for a network that is trained to the end.
        learning_rate: of the standardised problem, above 0; ``"auto"`` is the one that theory advises.
        momentum: from 0 to below 1; ``"auto"`` goes with the learning rate.
        batch_size: rows a step; None for all. ``"auto"`` is all for a linear model and for up to 100 rows, else 32.
            Sparse rows are always taken all at once.
        max_iter: epochs at most.
        tol: a linear model has converged when the gradient norm of the standardised problem is at most this; a network
            when the loss fell by less than this an epoch, and halving the rate did not help.
        standardise: whether features are given deviation 1. Without it those of a linear model are centred only, and
            those of a network taken as they are.
        warm_start: whether ``fit`` goes on from the last fit, on the scales of the rows it is given.
        random_state: seed of a network's start and of the batches.

    Attributes:
        coef_: of a linear model, shape (features,) or (targets, features).
        intercept_: of a linear model, a float or shape (targets,).
        coefs_, intercepts_: of a network, a list of arrays a layer, for standardised features and targets.
        n_iter_: epochs taken.
        loss_curve_: the mean loss with its L2 term after each epoch, in squared units of the target, halved; of several
            targets the sum of theirs, each in units of its variance.
        loss_: that of the model that is kept: the last one, unless the training diverged.
        learning_rate_: the one used, of the standardised problem; the last one of a network.
        verdict_: how it ended: one of :class:`steepest.Verdict`'s strings.
        diagnosis_: curvature, advice and findings, a :class:`steepest.Diagnosis`; printing it says all in words.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> x, y = load_diabetes(return_X_y=True, scaled=False)     # in years, mmHg and mg/dl
        >>> model = DescentRegressor().fit(x, y)
        >>> model.verdict_, round(model.score(x, y), 2)
        ('converged', 0.52)
    """

    _target_scaler: StandardScaler
    _target_shape: tuple[int, ...]

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit to rows.

        Args:
            X: features, shape (rows, features): an array, a DataFrame, or for a linear model a sparse matrix.
            y: targets, shape (rows,) or (rows, targets).
            sample_weight: how much each row counts, from 0 up, shape (rows,).

        Returns:
            the estimator.

        Raises:
            TypeError, ValueError: what is wrong with a parameter or the rows; with ``warm_start`` another model than
                there is.
        """
        first = not (self.warm_start and hasattr(self, "n_iter_"))
        X, y = self._checked(X, y, reset=first, multi_output=True, y_numeric=True)  # noqa: N806
        return self._learn(X, np.asarray(y, float), sample_weight, first=first, once=False)

    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """One epoch on some rows, going on from what there is.

        The means and deviations of all rows seen so far make the scales of features and targets; ``alpha`` is held
        against all of them, a row that is seen twice counting twice. The learning rate of a linear model is that of
        these rows, the one of a network that of the first rows, halved where an epoch of it ends no lower. An epoch
        that blows up is undone, with a warning.

        Args:
            X: features, shape (rows, features).
            y: targets, shape (rows,) or (rows, targets).
            sample_weight: how much each row counts.

        Returns:
            the estimator.

        Raises:
            TypeError, ValueError: what is wrong with a parameter or the rows; another number of columns or targets, or
                another model, than before.
        """
        first = not hasattr(self, "n_iter_")
        X, y = self._checked(X, y, reset=first, multi_output=True, y_numeric=True)  # noqa: N806
        return self._learn(X, np.asarray(y, float), sample_weight, first=first, once=True)

    def predict(self, X: Any) -> Floats:  # noqa: N803
        """Targets of rows, shape (rows,) or (rows, targets)."""
        found, scaling = self._raw_predictions(X), self._scaling_of_targets()
        on_scale = found.reshape(len(found), -1) * scaling.scale + scaling.mean
        return np.asarray(on_scale.reshape(found.shape))

    def _loss(self) -> Callable[[Any, Any], Any]:
        return losses.mean_squared_error

    def _outputs(self) -> tuple[int, ...]:
        return self._target_shape

    def _learn_targets(self, y: NDArray[Any], weights: Floats | None, *, first: bool, more: bool) -> None:
        shape = tuple(y.shape[1:])
        if first:
            self._target_shape = shape
        elif shape != self._target_shape:
            raise ValueError(f"y must have shape (rows, *{self._target_shape}) as in the first fit, got {y.shape}")
        check_size("y", y)
        self._target_scaler = seen(self._target_scaler if more else None, y.reshape(len(y), -1), weights)

    def _scaling_of_targets(self) -> Scaling:
        return scaling_of(self._target_scaler, True)

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        return self._scaling_of_targets().applied(y.reshape(len(y), -1)).reshape(y.shape)

    def _unit_of_loss(self) -> float:
        # Of several targets the losses are added up, each in units of its own deviation: there is no other unit.
        return 1.0 if self._target_shape else float(self._scaling_of_targets().scale[0] ** 2)

    def _line(self) -> Line:
        scaling = self._scaling_of_targets()
        if not self._target_shape:
            return Line(
                self.coef_ / scaling.scale[0], (np.asarray(self.intercept_) - scaling.mean[0]) / scaling.scale[0]
            )
        return Line(self.coef_.T / scaling.scale, (self.intercept_ - scaling.mean) / scaling.scale)

    def _keep_line(self, line: Line) -> None:
        scaling = self._scaling_of_targets()
        self.intercept_: Any
        if self._target_shape:
            self.coef_ = (line.coefficients * scaling.scale).T
            self.intercept_ = line.intercept * scaling.scale + scaling.mean
        else:
            self.coef_ = line.coefficients * scaling.scale[0]
            self.intercept_ = float(line.intercept * scaling.scale[0] + scaling.mean[0])

    def __sklearn_tags__(self) -> Any:
        """Several targets may be given."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
