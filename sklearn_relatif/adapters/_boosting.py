"""What adapters of boosted models share."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..losses import LogLoss, Loss, MultinomialLogLoss, binary_codebook
from ..objectives import BoostedObjective
from ..trees import BoostedTrees, check_replay
from ._trees import TreeAdapter


class BoostingAdapter(TreeAdapter):
    """What adapters of boosted models share.

    A subclass says how a fitted model came about (:meth:`trees`), and by which :meth:`loss` queries
    enter.

    Attributes
    ----------
    precision : float, default=1e-12
        In which the library adds predictors up; see :func:`replay_error`.
    """

    precision = 1e-12

    def trees(self, model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> BoostedTrees:
        """How a fitted model came about.

        Raises
        ------
        ValueError
            If it has options that are not covered.
        """
        raise NotImplementedError

    def loss(self, model: Any) -> tuple[Loss, np.ndarray]:
        """The loss of queries, and what it takes by the predictors of the trees.

        Returns
        -------
        loss : Loss
        outputs : ndarray of shape (n_predictors, n_outputs)
        """
        raise NotImplementedError

    def causes(self, model: Any) -> str:
        """What else may be wrong where leaf values do not follow from the rows, and the way out."""
        return "A model that was fitted further with warm_start on other rows is not covered."

    def reduce(self, model, X, y, sample_weight):
        trees = self.trees(model, X, y, sample_weight)
        check_replay(trees, type(model).__name__, self.causes(model), precision=self.precision)
        loss, outputs = self.loss(model)
        leaves_of = partial(self.leaves_of, model)
        return BoostedObjective(loss, y, trees.weight, leaves_of, trees, outputs)


def softmax_loss(n_classes: int) -> tuple[Loss, np.ndarray]:
    """The log loss of several classes, by a predictor of each."""
    loss = MultinomialLogLoss(n_classes)
    return loss, loss.softmax_contrasts


def log_loss(factor: float = 1.0) -> tuple[Loss, np.ndarray]:
    """The log loss of two classes, by a multiple of one predictor."""
    return LogLoss(binary_codebook()), np.array([[factor]])
