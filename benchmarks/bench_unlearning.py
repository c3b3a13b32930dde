"""A thousand requests to be forgotten, one after another, beside fits without the rows.

Run ``python -m benchmarks.bench_unlearning [--adult PATH] [--mnist PATH] [--requests 1000]``, with
a table with the columns of the Adult data and an ``income`` column, and an ``.npz`` file with
``x_train`` and ``y_train``. Without any, the digits are taken. Adult needs pandas.

Each request is ``explainer = explainer.without(row)`` of one row drawn at random. scikit-learn's
fits without the rows so far take turns with them, from where the last model is (``warm_start``) by
lbfgs and from nothing by newton-cholesky, both at ``tol=1e-10``; a few are timed, and their median
is compared. At the end:

- **gradient**: the largest relative gradient that a request has left, and that of the last model by
  plain NumPy, from its coefficients and the rows that are left alone;
- **coefficients**: the largest difference from the closest fit of scikit-learn, over the largest;
- **scores**: of the explainer, and of one that is made of the last model and of the rows left.
"""

import argparse
import resource
import time
from statistics import median

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

N_REFITS = 5
QUERIES = 20
#: Up to which scikit-learn's newton-cholesky forms its Hessian in a time that can be waited for.
MOST_PARAMETERS = 2000


def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def adult(path):
    from benchmarks.bench_groups import adult, preprocessing  # needs pandas

    X, y = adult(path)
    return np.asarray(preprocessing().fit_transform(X)), y


def mnist(path):
    with np.load(path) as data:
        return data["x_train"].reshape(-1, 784) / 255.0, data["y_train"]


def seconds(function, *arguments, **options):
    """Return how long the call takes, and its result."""
    start = time.perf_counter()
    result = function(*arguments, **options)
    return time.perf_counter() - start, result


def relative_gradient(model, X, y):
    """Of a logistic regression on some rows, by plain NumPy from its coefficients alone."""
    scores = model.decision_function(X)
    if scores.ndim == 1:
        residual = (1 / (1 + np.exp(-scores)) - (y == model.classes_[1]))[:, None]
    else:
        residual = np.exp(scores - scores.max(axis=1, keepdims=True))
        residual /= residual.sum(axis=1, keepdims=True)
        residual -= y[:, None] == model.classes_
    gradient = np.hstack([residual.T @ X + model.coef_ / model.C, residual.sum(axis=0)[:, None]])
    lengths = np.einsum("ij,ij->i", X, X) + 1
    square = lengths @ np.einsum("ij,ij->i", residual, residual) / len(X)
    return np.linalg.norm(gradient) / len(X) / np.sqrt(square)


def refitted(model, X, y, **options):
    """A copy of a model, fitted further, or one that is fitted from nothing."""
    fit = LogisticRegression(C=model.C, tol=1e-10, max_iter=10_000, **options)
    if fit.warm_start:
        fit.coef_, fit.intercept_ = model.coef_.copy(), model.intercept_.copy()
        fit.classes_ = model.classes_
    return fit.fit(X, y)


def forget(explainer, X, y, n_requests):
    """Ask for random rows to be forgotten, one by one, and fit without them now and then.

    Returns the last explainer, the rows that are left, the seconds of each request and of each kind
    of fit, and the fits without all of the rows.
    """
    order = np.random.default_rng(0).permutation(len(y))[:n_requests]
    compared = set(np.linspace(0, n_requests - 1, N_REFITS + 1, dtype=int)[1:])
    left, times, fits = np.arange(len(y)), {"ours": []}, []
    for request, row in enumerate(order):
        position = np.searchsorted(left, row)
        left = np.delete(left, position)
        before = explainer.estimator_
        elapsed, explainer = seconds(explainer.without, position)
        times["ours"].append(elapsed)
        if request not in compared:
            continue
        ways = {"lbfgs, from the last model": {"warm_start": True}}
        if before.coef_.size < MOST_PARAMETERS:
            ways["newton-cholesky"] = {"solver": "newton-cholesky"}
        fits = []
        for way, options in ways.items():
            elapsed, fit = seconds(refitted, before, X[left], y[left], **options)
            times.setdefault(way, []).append(elapsed)
            fits.append(fit)
    return explainer, left, times, fits


def compare(name, X, y, n_requests):
    model = LogisticRegression(max_iter=10_000).fit(X, y)
    elapsed, explainer = seconds(RelatIFExplainer.from_fitted, model, X, y)
    print(f"{name}, {X.shape[0]:,} x {X.shape[1]}, {len(model.classes_)} classes, C=1")
    print(f"  explainer of all rows        {elapsed:9.2f} s")
    explainer, left, times, fits = forget(explainer, X, y, n_requests)
    ours = times.pop("ours")
    print(f"  {n_requests} requests, the first one   {ours[0]:9.3f} s")
    print(f"    each of the others         {median(ours[1:]):9.4f} s (together {sum(ours):.1f} s)")
    for way, spent in times.items():
        ratio = median(spent) / median(ours[1:])
        print(f"    {way:<26} {median(spent):9.3f} s ({ratio:.0f} times as long)")
    prove(explainer, fits, X[left], y[left])
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")


def prove(explainer, fits, X, y):
    """Print how close the last explainer is to one of the rows that are left."""
    record, last = explainer.removed_, explainer.estimator_
    print(f"  factors of the Hessian on the way: {record.n_factorisations.sum()}")
    print(
        f"  gradient: largest {record.relative_gradients.max():.1e}, at the end "
        f"{record.relative_gradients[-1]:.1e}, by NumPy {relative_gradient(last, X, y):.1e}; "
        f"of scikit-learn's fits {', '.join(f'{relative_gradient(f, X, y):.1e}' for f in fits)}"
    )
    apart = min(np.abs(fit.coef_ - last.coef_).max() for fit in fits)
    print(f"  coefficients: {apart / np.abs(last.coef_).max():.1e} apart")
    elapsed, distance = seconds(lambda: explainer.distance_to_optimum_)
    print(f"  explained for the first time {elapsed:9.2f} s; distance_to_optimum_ {distance:.1e}")
    anew = RelatIFExplainer.from_fitted(last, X, y)
    scores, expected = (each.pairwise_influence(X[:QUERIES]) for each in (explainer, anew))
    print(f"  scores: {np.abs(scores - expected).max() / np.abs(expected).max():.1e} apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="csv file")
    parser.add_argument("--mnist", metavar="PATH", help="npz file")
    parser.add_argument("--requests", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.adult:
        compare("Adult", *adult(arguments.adult), arguments.requests)
    if arguments.mnist:
        compare("MNIST", *mnist(arguments.mnist), arguments.requests)
    if not (arguments.adult or arguments.mnist):
        compare("digits", *digits(), arguments.requests)


if __name__ == "__main__":
    main()
