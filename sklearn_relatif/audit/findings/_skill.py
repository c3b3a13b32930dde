"""A model that predicts no better than one without features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from ..views import amount, name_of
from ._finding import Check, Evidence, Finding

#: Standard errors between an estimate and each end of an interval that holds 95%.
WIDTH = 1.96
#: Share of the errors of the baseline that a model may avoid at best to be called no better: a
#: wider interval does not tell.
LARGE = 0.2
METHOD = (
    "An interval that holds 95% for the mean of the paired differences between the model and the "
    "answer without features. It is told if it reaches below 0 and not up to a fifth of the errors "
    "of that answer; it reaches from {} to {}"
)


class Sample(NamedTuple):
    """Rows that the model that predicts them has not seen.

    Attributes
    ----------
    name : str
        What these rows are, in words.
    target, prediction : ndarray of shape (n,)
    second : ndarray of shape (n,) or None
        The probability of the second of two classes, if there is one.
    """

    name: str
    target: np.ndarray
    prediction: np.ndarray
    second: np.ndarray | None = None


class Gain(NamedTuple):
    """How much better a model is than the baseline, as a share of all rows or of the variance.

    Attributes
    ----------
    lowest, highest : float
        The ends of the interval.
    errors : float
        Of the baseline.
    """

    lowest: float
    highest: float
    errors: float

    @property
    def is_none(self) -> bool:
        """Whether the model is known not to be better to speak of."""
        return self.lowest <= 0 and self.highest < LARGE * self.errors

    @property
    def is_known(self) -> bool:
        """Whether the interval tells."""
        return self.lowest > 0 or self.is_none


def _find(evidence: Evidence) -> list[Finding]:
    if "label" in evidence.columns:
        return _of_classes(evidence)
    return [found for end in evidence.view.endings for found in _of_numbers(evidence, end)]


# --- classes --------------------------------------------------------------------------------


def _of_classes(evidence):
    label, weight = evidence.columns["label"], evidence.study.objective.sample_weight
    classes, codes = np.unique(label, return_inverse=True)
    in_all = np.bincount(codes, weight)
    baseline = classes[in_all.argmax()]
    # What the rows of a class weigh in training: a model that is to find the rare one may be right
    # less often.
    weights = in_all / np.bincount(codes)
    for sample in _samples(evidence, ""):
        own = weights[np.searchsorted(classes, sample.target)]
        gain = _gain_of_classes(sample, baseline, own)
        if gain.is_known:
            return [_no_skill(sample, baseline, own, gain)] if gain.is_none else []
    return []


def _gain_of_classes(sample, baseline, weight):
    """Interval for how many more rows the model is right about than one answer for all.

    Half a row of each kind is added (Agresti & Min 2005), as an interval of few rows needs.
    """
    right, usual = sample.target == sample.prediction, sample.target == baseline
    difference = np.append(right.astype(float) - usual, [1.0, -1.0, 0.0, 0.0])
    weight = np.append(weight / weight.mean(), np.full(4, 0.5))
    mean = weight @ difference / weight.sum()
    error = WIDTH * np.sqrt(np.sum((weight * (difference - mean)) ** 2)) / weight.sum()
    errors = 1 - _share(usual, weight[:-4])
    return Gain(mean - error, mean + error, errors)


def _no_skill(sample, baseline, weight, gain):
    right = _share(sample.target == sample.prediction, weight)
    usual = _share(sample.target == baseline, weight)
    area, lowest = _area(sample)
    ranks = lowest > 0.5
    weighted = "" if np.ptp(weight) <= 1e-6 * weight.max() else ", weighted as in training,"
    subject = "The model's answers are" if ranks else "The model is"
    # It may be right more often by chance.
    no = "no" if right <= usual else "not surely"
    sentence = (
        f"{subject} {no} better than always {name_of(baseline)}: right about {right:.1%} of "
        f"{sample.name}{weighted} against {usual:.1%}"
    )
    if ranks:
        sentence += (
            f"; its probabilities do tell rows apart (AUC {area:.2f}), so a threshold other than "
            "one half may be of use"
        )
    elif np.isfinite(area):
        sentence += f", and its probabilities do not tell the labels apart (AUC {area:.2f})"
    ends = (f"{100 * end:+.1f}" for end in (gain.lowest, gain.highest))
    return Finding(
        kind="no_skill",
        sentence=f"{sentence}.",
        value=right - usual,
        weight=0.85 if ranks else 0.9,
        method=f"{METHOD.format(*ends)} percentage points.",
        section="model",
    )


def _share(are, weight):
    return float(weight @ are / weight.sum())


def _area(sample):
    """The area under the ROC curve and the least that it may be (Hanley & McNeil 1982)."""
    if sample.second is None:
        return np.nan, np.nan
    positive = sample.target == np.unique(sample.target)[-1]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return np.nan, np.nan
    area = float(roc_auc_score(positive, sample.second))
    both_above, both_below = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (n_positive - 1) * (both_above - area**2)
    variance += (n_negative - 1) * (both_below - area**2)
    return area, area - WIDTH * np.sqrt(variance / (n_positive * n_negative))


# --- numbers --------------------------------------------------------------------------------


def _of_numbers(evidence, end):
    mean = np.mean(evidence.columns[f"target{end}"])
    for sample in _samples(evidence, end):
        gain = _gain_of_numbers(sample, mean)
        if gain.is_known:
            return [_no_fit(sample, mean, gain, end)] if gain.is_none else []
    return []


def _gain_of_numbers(sample, mean):
    """Interval for the share of the squared errors of the mean that the model avoids."""
    errors = (sample.target - mean) ** 2
    avoided = errors - (sample.target - sample.prediction) ** 2
    if not errors.any():
        return Gain(-np.inf, np.inf, 1.0)
    share = avoided.sum() / errors.sum()
    # The linear part of a ratio of means.
    spread = np.std(avoided - share * errors) / errors.mean()
    error = WIDTH * spread / np.sqrt(len(errors))
    return Gain(share - error, share + error, 1.0)


def _no_fit(sample, mean, gain, end):
    own = np.sqrt(np.mean((sample.target - sample.prediction) ** 2))
    usual = np.sqrt(np.mean((sample.target - mean) ** 2))
    of = f" of target{end}" if end else ""
    ends = (f"{end:+.1%}" for end in (gain.lowest, gain.highest))
    return Finding(
        kind="no_skill",
        sentence=f"The model{of} is no better than always the mean: its typical error on "
        f"{sample.name} is {amount(own)}, that of the mean {amount(usual)}.",
        value=float(1 - own**2 / usual**2),
        weight=0.9,
        method=f"{METHOD.format(*ends)} of the squared errors.",
        section="model",
    )


# --- out of sample --------------------------------------------------------------------------


def _samples(evidence, end):
    """The test rows, and the training rows by the models without each, as far as there are any."""
    columns, tested = evidence.columns, evidence.predictions
    target = f"{evidence.view.target}{end}"
    has_two = "label" in columns and len(np.unique(columns["label"])) == 2
    samples = []
    if target in tested:
        prediction, of_second = tested[f"prediction{end}"], None
        if has_two and "probability" in tested:
            of_second = _of_second(columns, prediction, tested["probability"])
        n_rows = f"{len(prediction):,} test rows"
        samples.append(Sample(n_rows, tested[target], prediction, of_second))
    named = evidence.view.unseen.named
    if named(f"prediction{end}") in columns:
        prediction, of_second = columns[named(f"prediction{end}")], None
        if has_two and named("probability") in columns:
            of_second = _of_second(columns, columns["label"], columns[named("probability")])
        n_rows = f"{len(prediction):,} training rows, each predicted without it,"
        samples.append(Sample(n_rows, columns[target], prediction, of_second))
    return samples


def _of_second(columns, labels, probability):
    """The probability of the second of two classes, from that of some labels."""
    return np.where(labels == np.unique(columns["label"])[1], probability, 1 - probability)


def _obstacle(evidence: Evidence) -> str | None:
    if any(_samples(evidence, end) for end in evidence.view.endings or ("",)):
        return None
    return "there are neither test rows with their targets nor leave-one-out predictions"


SKILL = Check("a model that is no better than none", _find, _obstacle)
