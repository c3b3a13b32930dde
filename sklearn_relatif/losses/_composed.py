"""Losses of models that are made of several, whose predictors are columns side by side.

Each member was fitted by a loss of its own. What a query asks of all of them together is a loss of
their predictors, and its residual is that in the predictor of each member: the chain rule through
how their predictions come together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from ._base import Loss, polar


class ComposedLoss(Loss):
    """What the losses of several members have in common, however they are put together.

    Parameters
    ----------
    members : sequence of Loss

    Attributes
    ----------
    columns : tuple of slice
        The outputs of each member.
    """

    has_leads = False

    def __init__(self, members: Sequence[Loss]) -> None:
        self.members = tuple(members)
        ends = np.cumsum([loss.n_outputs for loss in self.members]).tolist()
        self.columns = tuple(
            slice(end - loss.n_outputs, end) for loss, end in zip(self.members, ends, strict=True)
        )
        self.n_outputs = ends[-1]
        self.has_curvature = all(loss.has_curvature for loss in self.members)

    def targets(self, y: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """The target of each row for each member, and what it counts there, (n,) or a number.

        By default it is the same for all of them.
        """
        return ((y, 1.0) for _ in self.members)

    def predictors(self, eta: np.ndarray) -> list[np.ndarray]:
        """The predictor of each member."""
        return [eta[:, columns] for columns in self.columns]

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """The members' scores side by side, shape (n,) or (n, n_scores)."""
        both = zip(self.members, self.predictors(eta), strict=True)
        scores = np.column_stack([loss.scores(own) for loss, own in both])
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        """The members' predictors, or gradients in them, from their scores side by side."""
        widths = [np.size(loss.scores(np.zeros((1, loss.n_outputs)))) for loss in self.members]
        pieces = np.split(np.reshape(scores, (-1, sum(widths))), np.cumsum(widths)[:-1], axis=1)
        both = zip(self.members, pieces, strict=True)
        return np.hstack([loss.from_scores(piece) for loss, piece in both])

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        norm, unit = self.direction(y, eta)
        return norm[:, None] * unit

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Asked of the members, by whose losses the model was fitted, and not of what they say."""
        raise TypeError(f"{type(self).__name__} is what queries ask, and not what was minimised.")

    def lead(self, label: int, rival: int) -> np.ndarray:
        raise ValueError(
            "flip_set follows the lead of a label along the predictors of one model, and this is "
            "made of several, whose predictions come together otherwise. Ask removal_effect which "
            "rows matter, and retrain_without what the model is without them."
        )


class SummedLosses(ComposedLoss):
    """The sum of the members' losses, each of the target that a row has for it."""

    def _terms(
        self, y: np.ndarray, eta: np.ndarray
    ) -> Iterator[tuple[Loss, np.ndarray, Any, np.ndarray]]:
        both = zip(self.members, self.targets(y), self.predictors(eta), strict=True)
        for loss, (target, counts), own in both:
            yield loss, target, counts, own

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self._summed(y, eta, lambda loss: loss.value)

    def query_value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self._summed(y, eta, lambda loss: loss.query_value)

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._side_by_side(y, eta, lambda loss: loss.direction)

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._side_by_side(y, eta, lambda loss: loss.query_direction)

    def _summed(self, y: np.ndarray, eta: np.ndarray, of: Callable[[Loss], Any]) -> np.ndarray:
        terms = self._terms(y, eta)
        return _sum(counts * of(loss)(target, own) for loss, target, counts, own in terms)

    def _side_by_side(
        self, y: np.ndarray, eta: np.ndarray, of: Callable[[Loss], Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        terms = self._terms(y, eta)
        found = [(counts, *of(loss)(target, own)) for loss, target, counts, own in terms]
        return side_by_side([(counts * norm, unit) for counts, norm, unit in found])


class TargetsLoss(SummedLosses):
    """The sum over several targets, which are the columns of y, of a member each."""

    def targets(self, y: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        return ((column, 1.0) for column in y.reshape(len(y), -1).T)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """What each member predicts, shape (n, n_targets), or (n,) for one target."""
        both = zip(self.members, self.predictors(eta), strict=True)
        predicted = np.column_stack([loss.predict(own) for loss, own in both])
        return predicted[:, 0] if len(self.members) == 1 else predicted


class SeparateTargets(TargetsLoss):
    """The same where one model has the outputs of all, and that sum is what it minimised.

    Parameters
    ----------
    members : sequence of Loss
        Alike, each of outputs that it does not couple.
    """

    lead = Loss.lead

    def __init__(self, members: Sequence[Loss]) -> None:
        super().__init__(members)
        first = self.members[0]
        self.is_convex = first.is_convex
        self.shares_curvature = first.shares_curvature
        self.has_fisher = first.has_fisher
        self.has_dispersion = first.has_dispersion

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Those of the members side by side, shape (n, n_outputs)."""
        terms = self._terms(y, eta)
        return np.hstack([loss.second_derivative(target, own) for loss, target, _, own in terms])

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        both = zip(self.members, self.predictors(eta), strict=True)
        return np.hstack([loss.fisher_weight(own) for loss, own in both])

    def of_target(self, target: int) -> Loss:
        return self.members[target]


class ProblemsLoss(SummedLosses):
    """The sum over binary problems, of a member each, in which the class of a row takes part.

    Parameters
    ----------
    members : sequence of Loss
    codebook : ndarray of int, shape (n_classes, n_members)
        The side on which each class stands in each problem: 0, 1, or -1 where it takes no part.
    confidence : {"score", "probability", "prediction"}
        How members are compared with one another.
    is_vote : bool
        Whether problems vote, and confidence decides between equal numbers of votes.
    has_probabilities : bool
        Whether the members' probabilities, normalised, are those of the classes.
    """

    def __init__(
        self,
        members: Sequence[Loss],
        codebook: np.ndarray,
        confidence: str,
        is_vote: bool,
        has_probabilities: bool,
    ) -> None:
        super().__init__(members)
        self.codebook = codebook
        self.confidence = confidence
        self.is_vote = is_vote
        self.has_probabilities = has_probabilities
        self.has_leads = confidence == "score" and self.n_outputs == len(self.members)
        self.has_class_scores = self.has_leads and not is_vote and len(codebook) > 2

    def targets(self, y: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        # Any side does where a class takes no part and counts nothing.
        return (
            (np.maximum(side, 0), (side >= 0).astype(np.float64)) for side in self.codebook[y].T
        )

    def predict(self, eta: np.ndarray) -> np.ndarray:
        confidence = self._confidences(eta)
        if self.confidence != "score" and len(self.codebook) == 2:
            confidence = confidence - 0.5
        if len(self.codebook) == 2:
            return (confidence[:, 0] > 0).astype(np.intp)
        if not self.is_vote:
            return confidence.argmax(axis=1)
        sides = np.where(self.codebook < 0, 0, 2 * self.codebook - 1)
        won = np.column_stack(
            [
                loss.predict(own)
                for loss, own in zip(self.members, self.predictors(eta), strict=True)
            ]
        )
        votes = ((2 * won - 1) @ sides.T + len(self.codebook) - 1) / 2
        total = confidence @ sides.T
        return (votes + total / (3 * (np.abs(total) + 1))).argmax(axis=1)

    def _confidences(self, eta: np.ndarray) -> np.ndarray:
        """What the member of each problem says for its side 1, shape (n, n_members)."""
        both = zip(self.members, self.predictors(eta), strict=True)
        tell: Any = {
            "score": lambda loss, own: np.reshape(loss.scores(own), (len(own), -1))[:, -1],
            "probability": lambda loss, own: loss.probabilities(own)[:, 1],
            "prediction": lambda loss, own: loss.predict(own),
        }[self.confidence]
        return np.column_stack([tell(loss, own) for loss, own in both])

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        if not self.has_probabilities:
            return super().probabilities(eta)
        both = zip(self.members, self.predictors(eta), strict=True)
        positive = np.column_stack([loss.probabilities(own)[:, 1] for loss, own in both])
        if len(self.codebook) == 2:
            return np.hstack([1 - positive, positive])
        total = positive.sum(axis=1, keepdims=True)
        return positive / np.where(total > 0, total, 1)

    def _log_positive(self, eta: np.ndarray) -> np.ndarray:
        """``log p`` of the side 1 of each problem, shape (n, n_members)."""
        side = np.ones(len(eta), np.intp)
        both = zip(self.members, self.predictors(eta), strict=True)
        return np.column_stack([loss.log_probability(side, own) for loss, own in both])

    def log_probability(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """That of one of two classes, or of a class' own problem, normalised, shape (n,)."""
        if len(self.codebook) == 2:
            return self.members[0].log_probability(y, eta)
        log_shares = log_softmax(self._log_positive(eta), axis=1)
        own: np.ndarray = log_shares[np.arange(len(y)), y]
        return own

    def log_probability_direction(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if len(self.codebook) == 2:
            return self.members[0].log_probability_direction(y, eta)
        shares = np.exp(log_softmax(self._log_positive(eta), axis=1))
        own, side = (np.arange(len(y)), y), np.ones(len(y), np.intp)
        shares[own] = 0
        shares[own] = -shares.sum(axis=1)
        # What raises the probability of another class lowers that of a row's own.
        directions = []
        for loss, share, column in zip(self.members, shares.T, self.columns, strict=True):
            norm, unit = loss.log_probability_direction(side, eta[:, column])
            directions.append((np.abs(share) * norm, -np.sign(share)[:, None] * unit))
        return side_by_side(directions)

    def lead(self, label: int, rival: int) -> np.ndarray:
        """As of one model with an output a problem, where that is what members are."""
        if not self.has_leads:
            return super().lead(label, rival)
        own, other = self.codebook[[label, rival]]
        lead: np.ndarray = np.where((own >= 0) & (other >= 0), own - other, 0).astype(np.float64)
        return lead


class VoteLoss(SummedLosses):
    """The mean of the losses of members that vote: the vote itself is flat wherever it is smooth.

    Parameters
    ----------
    members : sequence of Loss
    weights : ndarray of shape (n_members,)
        Votes of each.
    n_classes : int
    """

    def __init__(self, members: Sequence[Loss], weights: np.ndarray, n_classes: int) -> None:
        super().__init__(members)
        self.weights = weights
        self.n_classes = n_classes

    def targets(self, y: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        return ((y, weight) for weight in self.weights / self.weights.sum())

    def predict(self, eta: np.ndarray) -> np.ndarray:
        votes = np.zeros((len(eta), self.n_classes))
        both = zip(self.members, self.weights, self.predictors(eta), strict=True)
        for loss, weight, own in both:
            votes[np.arange(len(eta)), loss.predict(own)] += weight
        return votes.argmax(axis=1)


class MeanProbabilityLoss(ComposedLoss):
    """Log loss of the mean of the members' probabilities, ``-log sum_m w_m p_m(y)``.

    The residual is that of each member's own log loss, times the member's share of the mean.

    Parameters
    ----------
    members : sequence of Loss
        With probabilities.
    weights : ndarray of shape (n_members,)
    """

    has_probabilities = True

    def __init__(self, members: Sequence[Loss], weights: np.ndarray) -> None:
        super().__init__(members)
        self.weights = weights

    def _log_shares(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """``log(w_m p_m(y) / sum w)`` of each member, shape (n, n_members)."""
        both = zip(self.members, self.predictors(eta), strict=True)
        own = np.column_stack([loss.log_probability(y, member) for loss, member in both])
        with np.errstate(divide="ignore"):
            return own + np.log(self.weights / self.weights.sum())

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        value: np.ndarray = -logsumexp(self._log_shares(y, eta), axis=1)
        return value

    def log_probability(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return -self.value(y, eta)

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = np.exp(log_softmax(self._log_shares(y, eta), axis=1))
        both = zip(self.members, shares.T, self.predictors(eta), strict=True)
        return side_by_side(
            [
                (share * norm, unit)
                for loss, share, own in both
                for norm, unit in [loss.log_probability_direction(y, own)]
            ]
        )

    def log_probability_direction(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.direction(y, eta)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        both = zip(self.members, self.weights, self.predictors(eta), strict=True)
        total = _sum(weight * loss.probabilities(own) for loss, weight, own in both)
        return total / self.weights.sum()

    def predict(self, eta: np.ndarray) -> np.ndarray:
        return self.probabilities(eta).argmax(axis=1)


class MeanPredictionLoss(ComposedLoss):
    """Half the squared error of the mean of the members' predictions.

    A target of NaN asks for that mean: the loss is ``-mean`` then.

    Parameters
    ----------
    members : sequence of Loss
        Of one real target.
    weights : ndarray of shape (n_members,)
    """

    def __init__(self, members: Sequence[Loss], weights: np.ndarray) -> None:
        super().__init__(members)
        self.weights = weights

    def predict(self, eta: np.ndarray) -> np.ndarray:
        both = zip(self.members, self.weights, self.predictors(eta), strict=True)
        return _sum(weight * loss.predict(own) for loss, weight, own in both) / self.weights.sum()

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        mean = self.predict(eta)
        return np.where(np.isnan(y), -mean, (mean - y) ** 2 / 2)

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = np.where(np.isnan(y), -1.0, self.predict(eta) - y)
        asked, total = np.full(len(eta), np.nan), self.weights.sum()
        both = zip(self.members, self.weights, self.predictors(eta), strict=True)
        # What members are asked when they are asked for the prediction is its slope, negated.
        slopes = [-weight / total * loss.residual(asked, own) for loss, weight, own in both]
        norm, unit = polar(np.hstack(slopes))
        return np.abs(error) * norm, np.sign(error)[:, None] * unit


def side_by_side(
    directions: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Norm (n,) and unit vector (n, n_outputs) of residuals given by those of their parts.

    The largest part is taken out first, so that the direction stays where squares underflow.

    Parameters
    ----------
    directions : sequence of (norm, unit)
        Of shapes (n,) and (n, n_outputs of the part).
    """
    norms = np.stack([norm for norm, _ in directions])
    largest = norms.max(axis=0)
    shares = norms / np.where(largest > 0, largest, 1)
    both = zip(shares, directions, strict=True)
    length, unit = polar(np.hstack([share[:, None] * part for share, (_, part) in both]))
    return largest * length, unit


def _sum(terms: Iterable[np.ndarray]) -> np.ndarray:
    first, *others = terms
    total = np.array(first)
    for term in others:
        total = total + term
    return total
