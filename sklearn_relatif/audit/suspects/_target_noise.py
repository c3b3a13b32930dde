"""How many targets are wrong numbers, by what models that have not seen the rows make of them.

Large errors of prediction are no sign of wrong targets where errors have heavy tails, as they
mostly have. So the errors of the right targets are Student's, with as few degrees of freedom as the
rows ask for, and wrong targets are any number that a row could have: their errors are as those of
targets that are dealt to the rows at random, with tails that fall off slowly (Cauchy's), since a
wrong number may be wrong by orders of magnitude.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import cauchy, chi2
from scipy.stats import t as student

from ._errors import Errors, some_rows

#: Rows that rates are estimated from, at most, and for each repetition of the bootstrap.
MAX_FITTED, MAX_REPEATED = 2**16, 2**11
N_REPETITIONS = 20
#: Of the search for the likeliest parameters, first and from these.
MAX_STEPS, MAX_STEPS_REPEATED = 300, 40
#: Of the right targets: degrees of freedom, from tails that have no mean to the normal law.
DEGREES = (1.0, 100.0)
#: Share of wrong targets, at most.
MAX_RATE = 0.5
#: Degrees of freedom and rates that the search begins with.
BEGINNINGS = ((3.0, 0.01), (20.0, 0.05))
#: The interquartile range of a normal law with standard deviation 1.
NORMAL_RANGE = 1.349


def estimate_target_errors(errors: np.ndarray, random: np.ndarray) -> Errors:
    """Estimate which targets are wrong, and how many.

    Parameters
    ----------
    errors : ndarray of shape (n_rows,)
        Of prediction, by models that have not seen the row.
    random : ndarray of shape (n_rows,)
        The errors that there would be if the targets were dealt to the rows at random.

    Returns
    -------
    Errors
    """
    n_rows = len(errors)
    quartiles = np.percentile(errors, [25, 75])
    scale = np.ptp(quartiles) / NORMAL_RANGE
    low, middle, high = np.percentile(random, [25, 50, 75])
    if not scale > 0 or not high > low:
        return Errors(np.zeros(n_rows), 0.0, 1.0, n_rows)
    any_target = cauchy.logpdf(errors, middle, (high - low) / 2)
    random_state = np.random.RandomState(0)
    fitted = some_rows(random_state, n_rows, MAX_FITTED)
    parts = errors[fitted], any_target[fitted]
    weight = np.ones(len(fitted))
    begins = [np.array([np.log(scale), np.log(nu), _free(rate)]) for nu, rate in BEGINNINGS]
    best = min((_fit(begin, *parts, weight) for begin in begins), key=lambda found: found.fun)
    without = min((_fit(begin[:2], *parts, weight) for begin in begins), key=lambda of: of.fun)
    probability = _wrong(best.x, errors, any_target)
    return Errors(
        probability=probability,
        deviation=_deviation(random_state, best.x, *parts, probability),
        p_value=float(chi2.sf(2 * (without.fun - best.fun), 1)),
        n_certain=n_rows,
    )


def _free(rate):
    """A rate as a number without bounds."""
    return logit(rate / MAX_RATE)


def _log_densities(parameters, errors, any_target):
    """Of right and wrong targets, each with its share."""
    scale, degrees = np.exp(parameters[:2])
    rate = MAX_RATE * expit(parameters[2]) if len(parameters) > 2 else 0.0
    right = student.logpdf(errors, np.clip(degrees, *DEGREES), scale=scale) + np.log1p(-rate)
    return right, any_target + np.log(max(rate, np.finfo(float).tiny))


def _fit(begin, errors, any_target, weight, max_steps=MAX_STEPS):
    def loss(parameters):
        return -np.sum(weight * np.logaddexp(*_log_densities(parameters, errors, any_target)))

    options = {"xatol": 1e-3, "fatol": 1e-3, "maxiter": max_steps}
    return minimize(loss, begin, method="Nelder-Mead", options=options)


def _wrong(parameters, errors, any_target):
    right, wrong = _log_densities(parameters, errors, any_target)
    return expit(wrong - right)


def _deviation(random_state, parameters, errors, any_target, probability):
    """Standard deviation of the number of wrong targets, as that of wrong labels is found."""
    known = np.sum(probability * (1 - probability))
    some = some_rows(random_state, len(errors), MAX_REPEATED)
    errors, any_target = errors[some], any_target[some]
    totals = []
    for _ in range(N_REPETITIONS):
        drawn = random_state.randint(len(errors), size=len(errors))
        weight = np.bincount(drawn, minlength=len(errors))
        again = _fit(parameters, errors, any_target, weight, MAX_STEPS_REPEATED).x
        totals.append(_wrong(again, errors, any_target).sum())
    spread = np.var(totals, ddof=1) * len(probability) / len(errors)
    return float(np.sqrt(known + spread))
