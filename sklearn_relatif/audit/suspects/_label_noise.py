"""How many labels are wrong, and which, by what models that have not seen the rows make of them.

A model that is trained on wrong labels gives the right ones too little probability, and where the
features do not tell the label, it contradicts labels that are right. So neither its probabilities
nor its contradictions can be counted as they are. Both are allowed for by a model of how labels go
wrong (Copas, "Binary regression models for contaminated data", JRSS B 1988, with several classes):

- the right label has the probabilities ``q = softmax(slope * s + intercepts)``, where ``s`` is the
  log-likelihood of each class by a model that has not seen the row;
- the right label j is written down as k with a probability that depends on j and k alone.

Ambiguity fades as the model becomes certain, and errors do not: what the most certain rows
contradict tells one from the other. All is found by maximum likelihood, with the EM algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import chi2

from ._errors import Errors, some_rows

#: Probabilities that rates are estimated from, at most: of more rows, some are drawn.
MAX_FITTED = 2**17
#: Probabilities for each repetition of the bootstrap, at most.
MAX_REPEATED = 2**16
N_REPETITIONS = 40
MAX_STEPS = 200
#: Gain of log-likelihood at which the steps end.
TOLERANCE = 1e-4
#: Share of the rows of a class that may be wrong at most: beyond, it would be another class.
MAX_RATE = 0.5
#: Where the slope of the scores is sought.
SLOPES = (0.05, 50.0)
#: Slopes and rate that the search begins with.
FIRST_SLOPES = (1.0, 3.0)
FIRST_RATE = 0.05
#: What keeps the intercepts of classes with hardly a row where they are.
RIDGE = 1e-3
#: Expected number of rows from which a kind of error counts as a parameter.
ONE_KIND = 0.1
#: From this probability on, the right label of a row is all but certain.
NEARLY_CERTAIN = 0.9


@dataclass(frozen=True)
class Noise:
    """How labels go wrong.

    Attributes
    ----------
    slope : float
    intercepts : ndarray of shape (n_classes,)
    rates : ndarray of shape (n_classes, n_classes)
        The probability that the label of the row is written down as that of the column.
    log_likelihood : float
    n_parameters : int
    """

    slope: float
    intercepts: np.ndarray
    rates: np.ndarray
    log_likelihood: float = -np.inf
    n_parameters: int = 1

    def right(self, scores: np.ndarray) -> np.ndarray:
        """The probability of each class to be the right one, before a label was seen."""
        right = self.slope * scores
        right += self.intercepts[:, None]
        right -= right.max(axis=0)
        np.exp(right, out=right)
        right /= right.sum(axis=0)
        return right

    def given(self, right: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same after the label was seen, and the log-likelihood of that."""
        joint = right * self.rates.take(labels, axis=1)
        total = np.maximum(joint.sum(axis=0), np.finfo(float).tiny)
        joint /= total
        return joint, np.log(total)

    def wrong(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The probability of each label to be wrong, shape (n_rows,)."""
        posterior, _ = self.given(self.right(scores), labels)
        return 1 - posterior[labels, np.arange(len(labels))]


def estimate_label_errors(scores: np.ndarray, labels: np.ndarray) -> Errors:
    """Estimate which labels are wrong, and how many.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_classes)
        Log-likelihood of each class, or another score that is larger for likelier classes, by
        models that have not seen the row.
    labels : ndarray of shape (n_rows,)
        Positions of the labels in the classes.

    Returns
    -------
    Errors
    """
    random_state = np.random.RandomState(0)
    # Classes come first from here on: NumPy reduces over the leading axis several times faster.
    scores = np.ascontiguousarray(scores.T)
    scores -= scores.max(axis=0)
    fitted = some_rows(random_state, len(labels), MAX_FITTED // len(scores))
    own, of_own = scores[:, fitted], labels[fitted]
    without, noise = _fit(own, of_own)
    probability = noise.wrong(scores, labels)
    gain = 2 * (noise.log_likelihood - without.log_likelihood)
    n_kinds = noise.n_parameters - without.n_parameters
    return Errors(
        probability=probability,
        deviation=_deviation(random_state, noise, own, of_own, probability),
        p_value=float(chi2.sf(gain, n_kinds)) if n_kinds > 0 else 1.0,
        n_certain=int(np.sum(noise.right(scores).max(axis=0) > NEARLY_CERTAIN)),
    )


def _fit(scores, labels):
    """The likeliest models of labels without errors, and with them.

    Errors are equally likely for all labels (one rate), or have a rate for each pair of labels,
    as far as Schwarz's criterion holds that to be worth its parameters.
    """
    n_classes = len(scores)
    flat = np.zeros(n_classes)
    weight = np.ones(len(labels))
    uniform = _uniform(np.full(n_classes, FIRST_RATE))
    begins = [Noise(slope, flat, uniform) for slope in FIRST_SLOPES]
    same = max(
        (_climb(begin, scores, labels, weight, _same_rate, False) for begin in begins),
        key=lambda noise: noise.log_likelihood,
    )
    each = _climb(same, scores, labels, weight, _own_rates, True)
    no_errors = Noise(same.slope, flat, np.eye(n_classes))
    gain = 2 * (each.log_likelihood - same.log_likelihood)
    if gain > np.log(len(labels)) * (each.n_parameters - same.n_parameters):
        return _climb(no_errors, scores, labels, weight, _no_rates, True), each
    return _climb(no_errors, scores, labels, weight, _no_rates, False), same


def _climb(noise, scores, labels, weight, rates_of, has_intercepts, max_steps=MAX_STEPS):
    """A local maximum of the likelihood, by EM steps."""
    n_classes, n_rows = scores.shape
    # One entry a row: its label. Products with it sum over the rows of each label.
    indicator = csr_array((weight, labels, np.arange(n_rows + 1)), shape=(n_rows, n_classes)).T
    before = -np.inf
    for _ in range(max_steps):
        right = noise.right(scores)
        posterior, log_likelihood = noise.given(right, labels)
        reached = float(np.sum(log_likelihood * weight))
        if reached - before < TOLERANCE:
            break
        before = reached
        counts = (indicator @ posterior.T).T
        rates, n_kinds = rates_of(counts)
        slope, intercepts = _calibrated(noise, scores, right, posterior, weight, has_intercepts)
        n_parameters = 1 + has_intercepts * (n_classes - 1) + n_kinds
        noise = Noise(slope, intercepts, rates, reached, n_parameters)
    return noise


def _uniform(rates):
    """A rate for each label, the same for all that it is taken for."""
    n_classes = len(rates)
    table = np.repeat(rates[:, None] / (n_classes - 1), n_classes, axis=1)
    np.fill_diagonal(table, 1 - rates)
    return table


def _no_rates(counts):
    return np.eye(len(counts)), 0


def _same_rate(counts):
    n_wrong = counts.sum() - np.trace(counts)
    rate = min(MAX_RATE, n_wrong / counts.sum())
    return _uniform(np.full(len(counts), rate)), int(n_wrong > ONE_KIND)


def _own_rates(counts):
    n_of_class = np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    rates = counts / n_of_class
    np.fill_diagonal(rates, 0)
    share = rates.sum(axis=1, keepdims=True)
    rates *= np.minimum(1, MAX_RATE / np.maximum(share, np.finfo(float).tiny))
    np.fill_diagonal(rates, 1 - rates.sum(axis=1))
    kinds = counts > ONE_KIND
    np.fill_diagonal(kinds, False)
    return rates, int(kinds.sum())


def _calibrated(noise, scores, right, posterior, weight, has_intercepts):
    """A Newton step of the softmax regression of the right labels on the scores."""
    residual = (posterior - right) * weight
    centred = scores - np.einsum("kn,kn->n", right, scores)
    weighted = right * weight
    gradient, mixed = np.sum(residual * scores), weighted * centred
    curvature = max(np.sum(mixed * scores), np.finfo(float).tiny)
    if not has_intercepts:
        return _within(noise.slope, gradient / curvature), noise.intercepts
    # The first intercept is 0.
    mixed = mixed.sum(axis=1)[1:]
    inner = (np.diag(weighted.sum(axis=1)) - right @ weighted.T)[1:, 1:]
    inner += RIDGE * np.eye(len(inner))
    hessian = np.block([[np.array([[curvature]]), mixed[None]], [mixed[:, None], inner]])
    gradients = np.r_[gradient, residual.sum(axis=1)[1:] - RIDGE * noise.intercepts[1:]]
    step = np.linalg.lstsq(hessian, gradients, rcond=None)[0]
    step *= min(1.0, 2 / max(np.abs(step[1:]).max(), np.finfo(float).tiny))
    return _within(noise.slope, step[0]), noise.intercepts + np.r_[0, step[1:]]


def _within(slope, step):
    """Halved or doubled at most, where the step leads far."""
    return float(np.clip(slope + np.clip(step, -slope / 2, slope), *SLOPES))


def _deviation(random_state, noise, scores, labels, probability):
    """Standard deviation of the number of wrong labels.

    What is not known of each label where the rates are, and what is not known of the rates: the
    spread of the number by rates that are estimated from rows drawn again.
    """
    known = np.sum(probability * (1 - probability))
    some = some_rows(random_state, len(labels), MAX_REPEATED // len(scores))
    scores, labels = scores[:, some], labels[some]
    has_intercepts = bool(noise.intercepts.any())
    rates_of = _own_rates if has_intercepts else _same_rate
    totals = []
    for _ in range(N_REPETITIONS):
        drawn = random_state.randint(len(labels), size=len(labels))
        times = np.bincount(drawn, minlength=len(labels))
        # More than a third are not drawn.
        rows = np.flatnonzero(times)
        weight = times[rows].astype(float)
        again = _climb(noise, scores[:, rows], labels[rows], weight, rates_of, has_intercepts, 20)
        totals.append(again.wrong(scores, labels).sum())
    # The variance of a share falls with the number of rows.
    spread = np.var(totals, ddof=1) * len(probability) / len(labels)
    return float(np.sqrt(known + spread))
