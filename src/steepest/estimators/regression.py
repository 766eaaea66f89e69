"""``DescentRegressor``: regression by gradient descent, in scikit-learn's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from steepest import losses
from steepest.estimators.affine import Line
from steepest.estimators.base import DescentEstimator, centred
from steepest.estimators.rows import Floats, scaling_of, seen


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
        max_iter: epochs at most.
        tol: a linear model has converged when the gradient norm of the standardised problem is at most this; a network
            when the loss fell by less than this an epoch, and halving the rate did not help.
        standardise: whether features are given deviation 1. Without it those of a linear model are centred only, and
            those of a network taken as they are.
        warm_start: whether ``fit`` goes on from the last fit.
        random_state: seed of a network's start and of the batches.

    Attributes:
        coef_: of a linear model, shape (features,) or (targets, features).
        intercept_: of a linear model, a float or shape (targets,).
        coefs_, intercepts_: of a network, a list of arrays a layer, for standardised features and targets.
        n_iter_: epochs taken.
        loss_curve_: the mean loss with its L2 term after each epoch, in squared units of the target, halved.
        loss_: the last of them.
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

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit to rows.

        Args:
            X: features, shape (rows, features): an array, a DataFrame, or for a linear model a sparse matrix.
            y: targets, shape (rows,) or (rows, targets).
            sample_weight: how much each row counts, from 0 up, shape (rows,).

        Returns:
            the estimator.

        Raises:
            TypeError, ValueError: what is wrong with a parameter or the rows.
        """
        first = not (self.warm_start and hasattr(self, "n_iter_"))
        X, y = self._checked(X, y, reset=first, multi_output=True, y_numeric=True)  # noqa: N806
        return self._learn(X, np.asarray(y, float), sample_weight, first=first, once=False)

    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """One epoch on some rows, going on from what there is.

        The means and deviations of the rows seen so far make the scale; the rate is that of these rows.

        Args:
            X: features, shape (rows, features).
            y: targets, shape (rows,) or (rows, targets).
            sample_weight: how much each row counts.
        """
        first = not hasattr(self, "n_iter_")
        X, y = self._checked(X, y, reset=first, multi_output=True, y_numeric=True)  # noqa: N806
        return self._learn(X, np.asarray(y, float), sample_weight, first=first, once=True)

    def predict(self, X: Any) -> Floats:  # noqa: N803
        """Targets of rows, shape (rows,) or (rows, targets)."""
        found = self._raw_predictions(X)
        scaling = scaling_of(self._target_scaler, True)
        return np.asarray(found * scaling.scale + scaling.mean if found.ndim == 2 else (
            found * scaling.scale[0] + scaling.mean[0]
        ))  # fmt: skip

    def _loss(self) -> Callable[[Any, Any], Any]:
        return losses.mean_squared_error

    def _outputs(self) -> tuple[int, ...]:
        return self._target_shape

    def _encoded(self, y: NDArray[Any], weights: Floats | None, *, first: bool) -> NDArray[Any]:
        if first:
            self._target_shape: tuple[int, ...] = tuple(y.shape[1:])
            self._target_scaler = seen(None, y.reshape(len(y), -1), weights)
        elif tuple(y.shape[1:]) != self._target_shape:
            raise ValueError(f"y must have shape (rows, *{self._target_shape}) as in the first fit, got {y.shape}")
        return centred(y, scaling_of(self._target_scaler, True))

    def _unit_of_loss(self) -> float:
        # Of several targets the losses are added up, each on a scale of its own; the mean of the scales is their unit.
        return float(np.mean(scaling_of(self._target_scaler, True).scale ** 2))

    def _line(self) -> Line:
        scaling = scaling_of(self._target_scaler, True)
        if not self._target_shape:
            return Line(
                self.coef_ / scaling.scale[0], (np.asarray(self.intercept_) - scaling.mean[0]) / scaling.scale[0]
            )
        return Line(self.coef_.T / scaling.scale, (self.intercept_ - scaling.mean) / scaling.scale)

    def _keep_line(self, line: Line) -> None:
        scaling = scaling_of(self._target_scaler, True)
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
