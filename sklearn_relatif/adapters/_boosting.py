"""What adapters of boosted models share."""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..losses import LogLoss, Loss, MultinomialLogLoss, binary_codebook
from ..objectives import BoostedObjective
from ..trees import BoostedTrees, Start, Step, check_replay
from ._boosting_refits import BoostingRefits
from ._trees import TreeAdapter


class Descent(NamedTuple):
    """What a boosted model descends: where from, by which steps, and by which loss queries enter.

    Attributes
    ----------
    start : Start
    step : Step
    loss : Loss
    outputs : ndarray of shape (n_predictors, n_outputs)
        What the loss takes, by the predictors of the trees.
    """

    start: Start
    step: Step
    loss: Loss
    outputs: np.ndarray


class BoostingAdapter(TreeAdapter):
    """What adapters of boosted models share.

    A subclass says which leaves rows fall into (``leaves_of``), how a fitted model came about
    (:meth:`trees`), and by which :meth:`loss` queries enter. What it says is computed once more
    from the rows, and a model whose leaf values do not come out the same is refused.

    Attributes
    ----------
    precision : float, default=1e-12
        In which the library adds predictors up; see :func:`replay_error`.
    has_default_seed : bool, default=False
        Whether a model that is given no ``random_state`` takes the same one each time.
    """

    precision = 1e-12
    has_default_seed = False

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

    def rounding(self, trees: BoostedTrees) -> float:
        """By how much leaf values may differ in any case, because gradients were rounded."""
        return 0.0

    def is_seeded(self, model: Any) -> bool:
        """Whether fits of the same rows are the same."""
        seed = model.get_params().get("random_state")
        return isinstance(seed, Integral) or (seed is None and self.has_default_seed)

    def options_of_fit(self, model: Any) -> dict[str, Any]:
        """What the fit of a model was given besides rows, labels and weights, to be given again."""
        return {}

    def check_refit(self, model: Any, refit: Any) -> None:
        """Refuse fits without rows that differ from a model by more than these.

        Raises
        ------
        ValueError
        """

    def reduce(self, model, X, y, sample_weight):
        trees = self.trees(model, X, y, sample_weight)
        name, causes = type(model).__name__, self.causes(model)
        check_replay(trees, name, causes, self.precision, self.rounding(trees))
        loss, outputs = self.loss(model)
        leaves_of = partial(self.leaves_of, model)
        grown_from = np.flatnonzero((trees.weight > 0) | (sample_weight == 0))
        refits = BoostingRefits(self, model, X, y, sample_weight, grown_from)
        return BoostedObjective(loss, y, trees.weight, leaves_of, trees, outputs, refits=refits)


def softmax_loss(n_classes: int) -> tuple[Loss, np.ndarray]:
    """The log loss of several classes, by a predictor of each."""
    loss = MultinomialLogLoss(n_classes)
    return loss, loss.softmax_contrasts


def log_loss(factor: float = 1.0) -> tuple[Loss, np.ndarray]:
    """The log loss of two classes, by a multiple of one predictor."""
    return LogLoss(binary_codebook()), np.array([[factor]])
