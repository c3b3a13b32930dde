"""The stability of explanations without refits, beside real refits to resamples.

Run ``python -m benchmarks.bench_stability [--adult PATH] [--resamples 500] [--only NAME ...]``,
with a table with the columns of the Adult data and an ``income`` column. Adult needs pandas.

Twenty queries are explained by five rows each, in all three criteria. ``stability()`` counts in 200
models that are two Newton steps from that of all rows, and is compared with as many refits by
scikit-learn as are asked for, to independent resamples, each of which ranks the rows by its own
gradients and curvature. For each criterion:

- **share**: the mean share of refits in which a row that is shown stays among the five;
- **off**: the mean and the largest absolute difference of the shares, in points. Of the mean,
  **chance** is what two such samples of the same models would differ by;
- **steps**, **refits**: seconds of processor time of ``stability()``, and of the refits with the
  rankings in this criterion, in the same process. Set ``OMP_NUM_THREADS=1``;
- **ratio**: of these.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.explainers import study_of
from sklearn_relatif.stability import multinomial_draws

CRITERIA = ["influence", "theta_relative", "loss_relative"]
N_QUERIES, N_STEPS = 20, 200
ADULT_ROWS = 4000


def logistic(C):
    return LogisticRegression(C=C, tol=1e-6, max_iter=10_000)


def cases(adult):
    """Yield the name, the model, the features and the targets of each case."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    yield "breast cancer, C=1", logistic(1.0), X, y
    yield "breast cancer, C=0.01", logistic(0.01), X, y
    yield "breast cancer, C=100", logistic(100.0), X, y
    # Of all 30 columns some tell the classes of resamples apart, which then have no optimum.
    yield "breast cancer, 5 columns, no penalty", logistic(np.inf), X[:, [1, 4, 8, 9, 14]], y
    X, y = load_wine(return_X_y=True)
    yield "wine, C=1", logistic(1.0), StandardScaler().fit_transform(X), y
    X, y = load_digits(return_X_y=True)
    X = X / 16
    binary = np.isin(y, [3, 8])
    yield "digits 3 and 8, C=1", logistic(1.0), X[binary], y[binary]
    yield "digits, C=1", logistic(1.0), X, y
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    yield "diabetes, ridge", Ridge(alpha=10.0), X, y
    yield "diabetes, no penalty", LinearRegression(), X, y
    if adult is not None:
        from benchmarks.bench_groups import adult as table  # needs pandas
        from benchmarks.bench_groups import preprocessing

        X, y = table(adult)
        X = np.asarray(preprocessing().fit_transform(X))
        rows = np.random.default_rng(0).permutation(len(X))[:ADULT_ROWS]
        yield f"Adult, {ADULT_ROWS} rows, C=1", logistic(1.0), X[rows], y[rows]


def refits(resamplers, explanations, n_resamples, random):
    """Return the shares by scikit-learn's refits, and seconds, in each criterion."""
    shares = {name: np.zeros(one.indices.shape) for name, one in explanations.items()}
    seconds = dict.fromkeys(shares, 0.0)
    first = next(iter(resamplers.values()))
    for draws in multinomial_draws(first.objective.counts, n_resamples, random):
        start = time.process_time()
        model = first.refit(draws)
        fitted = time.process_time() - start
        for name, one in explanations.items():
            start = time.process_time()
            prepared = resamplers[name].inverse(model)
            shares[name] += resamplers[name].stays(*prepared, one.indices, one.sign)
            seconds[name] += fitted + time.process_time() - start
    return {name: share / n_resamples for name, share in shares.items()}, seconds


def measure(model, X, y, n_resamples):
    """Yield for each criterion the mean share, what is off, and seconds."""
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    explainer = RelatIFExplainer(clone(model)).fit(X[N_QUERIES:], y[N_QUERIES:])
    explanations = explainer.explain(X[:N_QUERIES], criterion=CRITERIA)
    study = study_of(explainer)
    query = study.query(X[:N_QUERIES])
    resamplers = {name: study.resampler(query, name) for name in CRITERIA}
    random = np.random.RandomState(1)
    steps, taken = {}, {}
    for name, one in explanations.items():
        start = time.process_time()
        steps[name] = one.stability(random_state=0)
        taken[name] = time.process_time() - start
    shares, seconds = refits(resamplers, explanations, n_resamples, random)
    for name, share in shares.items():
        off = 100 * np.abs(share - steps[name])
        variance = share * (1 - share) * (1 / n_resamples + 1 / N_STEPS)
        chance = 100 * np.sqrt(2 / np.pi * variance).mean()
        yield name, share.mean(), off.mean(), chance, off.max(), taken[name], seconds[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="CSV file with the Adult data")
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--only", nargs="*", help="beginnings of the names of cases")
    options = parser.parse_args()
    warnings.simplefilter("always", ConvergenceWarning)
    print("| case | criterion | share | off, mean (chance) | largest | steps | refits | ratio |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for case, model, X, y in cases(options.adult):
        if options.only and not case.startswith(tuple(options.only)):
            continue
        for name, share, off, chance, most, steps, again in measure(model, X, y, options.resamples):
            print(
                f"| {case} | {name} | {share:.2f} | {off:.1f} ({chance:.1f}) | {most:.0f} "
                f"| {steps:.2f} s | {again:.1f} s | {again / steps:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
