"""``DescentClassifier``: classification by gradient descent, in scikit-learn's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from steepest import losses
from steepest.estimators.affine import Line
from steepest.estimators.base import DescentEstimator
from steepest.estimators.rows import Floats


class DescentClassifier(ClassifierMixin, DescentEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Logistic regression by gradient descent, linear or with hidden layers, with a learning rate that theory chooses.

    What is minimised is Σᵢ wᵢ·(−log p(yᵢ)) + (alpha/2)·‖weights‖², over the weights of standardised features; with
    ``standardise=False`` it is that of :class:`sklearn.linear_model.LogisticRegression` with C = 1/alpha. Features are
    standardised inside, so that a table converges as it comes, and coefficients are handed out on its own scale.

    A linear model is descended in full batches by Nesterov's method at 1/L (:func:`steepest.theory.advise`): a theorem
    guarantees that it converges. A network has no such theorem: its rate is one over the curvature at the start, halved
    whenever the loss does not fall.

    Args:
        hidden_layer_sizes: units of each hidden layer; ``()`` is a linear model.
        activation: of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``, ``"silu"`` or
            ``"identity"``.
        alpha: strength of the L2 term, from 0 up: LogisticRegression's 1/C, and MLPClassifier's alpha, which is 1e-4
            there and too little for a network that is trained to the end.
        learning_rate: of the standardised problem, above 0; ``"auto"`` is the one that theory advises.
        momentum: from 0 to below 1; ``"auto"`` goes with the learning rate.
        batch_size: rows a step; None for all. ``"auto"`` is all for a linear model and for up to 100 rows, else 32.
            Sparse rows are always taken all at once.
        max_iter: epochs at most.
        tol: a linear model has converged when the gradient norm of the standardised problem is at most this; a network
            when the loss fell by less than this an epoch, and halving the rate did not help.
        standardise: whether features are given deviation 1. Without it those of a linear model are centred only, and
            those of a network taken as they are.
        class_weight: class → how much its rows count; ``"balanced"`` makes all classes count alike.
        warm_start: whether ``fit`` goes on from the last fit, on the scale of the rows it is given.
        random_state: seed of a network's start and of the batches.

    Attributes:
        classes_: in order, shape (classes,).
        coef_: of a linear model, shape (1, features) for two classes, else (classes, features).
        intercept_: of a linear model, shape (1,) or (classes,).
        coefs_, intercepts_: of a network, a list of arrays a layer, for standardised features.
        n_iter_: epochs taken.
        loss_curve_: the mean loss with its L2 term after each epoch, in nats.
        loss_: that of the model that is kept: the last one, unless the training diverged.
        learning_rate_: the one used, of the standardised problem; the last one of a network.
        verdict_: how it ended: one of :class:`steepest.Verdict`'s strings.
        diagnosis_: curvature, advice and findings, a :class:`steepest.Diagnosis`; printing it says all in words.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> model = DescentClassifier().fit(x, y)
        >>> model.verdict_, round(model.score(x, y), 2)
        ('converged', 0.97)
    """

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
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes, activation, alpha, learning_rate, momentum, batch_size, max_iter, tol, standardise,
            warm_start, random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit to rows.

        Args:
            X: features, shape (rows, features): an array, a DataFrame, or for a linear model a sparse matrix.
            y: classes, shape (rows,), numbers or words.
            sample_weight: how much each row counts, from 0 up, shape (rows,).

        Returns:
            the estimator.

        Raises:
            TypeError, ValueError: what is wrong with a parameter or the rows; fewer than two classes; with
                ``warm_start`` another model than there is.
        """
        first = not (self.warm_start and hasattr(self, "n_iter_"))
        X, y = self._checked(X, y, reset=first)  # noqa: N806
        labels = _labels(y)
        if first:
            self.classes_ = np.unique(labels)
        self._check_classes(labels)
        weights = self._weights(X, labels, sample_weight)
        if weights is not None and len(np.unique(labels[weights > 0])) < 2:
            raise ValueError("sample_weight and class_weight must leave at least two classes with rows that count")
        return self._learn(X, labels, weights, first=first, once=False)

    def partial_fit(
        self,
        X: Any,  # noqa: N803
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """One epoch on some rows, going on from what there is.

        The means and deviations of all rows seen so far make the scale; ``alpha`` is held against all of them, a row
        that is seen twice counting twice. The learning rate of a linear model is that of these rows, the one of a
        network that of the first rows, halved where an epoch of it ends no lower. An epoch that blows up is undone,
        with a warning.

        Args:
            X: features, shape (rows, features).
            y: classes, shape (rows,).
            classes: all classes there are; needed in the first call, unless its rows hold them all.
            sample_weight: how much each row counts.

        Returns:
            the estimator.

        Raises:
            TypeError, ValueError: what is wrong with a parameter or the rows; classes, columns or a model that are not
                those of before.
        """
        first = not hasattr(self, "n_iter_")
        X, y = self._checked(X, y, reset=first)  # noqa: N806
        labels = _labels(y)
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" counts all rows, and partial_fit sees some; give a dict')
        if first:
            self.classes_ = np.unique(labels if classes is None else np.asarray(classes))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise ValueError(
                f"classes must be those of the first call, {', '.join(map(_word, self.classes_))}, got {classes!r}"
            )
        self._check_classes(labels)
        return self._learn(X, labels, self._weights(X, labels, sample_weight), first=first, once=True)

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        """Logits, shape (rows,) for two classes, above 0 for the second; else (rows, classes)."""
        found = self._raw_predictions(X)
        return found[:, 1] - found[:, 0] if self._binary and found.ndim == 2 else found

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable class of each row, shape (rows,)."""
        logits = self.decision_function(X)
        found: NDArray[Any] = self.classes_[(logits > 0).astype(int) if self._binary else logits.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """The probability of every class, shape (rows, classes), in the order of ``classes_``."""
        logits = self.decision_function(X)
        return np.stack([expit(-logits), expit(logits)], axis=1) if self._binary else softmax(logits, axis=1)

    def predict_log_proba(self, X: Any) -> Floats:  # noqa: N803
        """The logarithm of :meth:`predict_proba`, exact where the probability is all but zero."""
        logits = self.decision_function(X)
        return (
            np.stack([log_expit(-logits), log_expit(logits)], axis=1) if self._binary else log_softmax(logits, axis=1)
        )

    @property
    def _binary(self) -> bool:
        return len(self.classes_) == 2

    def _weights(self, x: Any, y: NDArray[Any], sample_weight: Any) -> Floats | None:
        if sample_weight is None and self.class_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, x, dtype=float, ensure_non_negative=True)
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            weights = weights * compute_sample_weight("balanced", y)
        elif self.class_weight is not None:
            weights = weights * self._weights_of_classes()[np.searchsorted(self.classes_, y)]
        return np.asarray(weights)

    def _weights_of_classes(self) -> Floats:
        """What ``class_weight`` says of each class, 1 where it says nothing."""
        if not isinstance(self.class_weight, Mapping):
            raise TypeError(
                f'class_weight must be None, "balanced" or a dict class → weight, got {self.class_weight!r}'
            )
        for label, weight in self.class_weight.items():
            if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
                raise ValueError(f"class_weight of class {_word(label)} must be a number from 0 up, got {weight!r}")
        known = self.classes_.tolist()
        unknown = [label for label in self.class_weight if label not in known]
        if unknown:
            raise ValueError(
                f"class_weight names the class {_word(unknown[0])}, which is not among {', '.join(map(_word, known))}"
            )
        return np.array([float(self.class_weight.get(label, 1.0)) for label in known])

    def _check_classes(self, y: NDArray[Any]) -> None:
        if len(self.classes_) < 2:
            raise ValueError(f"y must hold at least two classes, got one class: {_word(self.classes_[0])}")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y holds the class {_word(unknown[0])}, which is not among {', '.join(map(_word, self.classes_))}; "
                "give all classes in the first call"
            )

    def _loss(self) -> Callable[[Any, Any], Any]:
        one_logit = self._architecture.linear and self._binary
        return losses.binary_cross_entropy if one_logit else losses.softmax_cross_entropy

    def _outputs(self) -> tuple[int, ...]:
        return () if self._architecture.linear and self._binary else (len(self.classes_),)

    def _learn_targets(self, y: NDArray[Any], weights: Floats | None, *, first: bool, more: bool) -> None:
        """Classes have no scale."""

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        numbers = np.searchsorted(self.classes_, y)
        return numbers.astype(float if self._architecture.linear and self._binary else np.int64)

    def _line(self) -> Line:
        if self._binary:
            return Line(self.coef_[0], np.asarray(self.intercept_[0]))
        return Line(self.coef_.T, self.intercept_)

    def _keep_line(self, line: Line) -> None:
        self.coef_ = np.atleast_2d(line.coefficients.T)
        self.intercept_ = np.atleast_1d(line.intercept)


def _labels(y: Any) -> NDArray[Any]:
    """Targets that are classes, shape (rows,)."""
    check_classification_targets(y)
    return np.asarray(column_or_1d(y, warn=True))


def _word(label: Any) -> str:
    """A class as Python writes it, not as NumPy does."""
    return repr(label.item() if isinstance(label, np.generic) else label)
