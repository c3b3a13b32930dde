"""What benchmarks of fitted models share: a problem on disk, timing in turns, memory in children.

A method is a class with ``fit(model, X, y)`` and ``explain(X)``. ``explain`` returns
{criterion: (indices, scores)}, each (n_queries, n_examples), best row first.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import joblib
import numpy as np

from ._idle import peak_memory

N_EXAMPLES = 5


def save(folder, model, X_train, y_train, X_query):
    """Save a fitted model, the rows it was trained on, and queries."""
    for name, array in {"X_train": X_train, "y_train": y_train, "X_query": X_query}.items():
        np.save(folder / f"{name}.npy", array)
    joblib.dump(model, folder / "model.joblib")


def load(folder):
    """Return the model, X_train, y_train and X_query."""
    arrays = [np.load(folder / f"{name}.npy") for name in ("X_train", "y_train", "X_query")]
    return joblib.load(folder / "model.joblib"), *arrays


def largest(scores):
    """Return the columns and the values of the largest entries of each row, largest first."""
    indices = np.argpartition(scores, -N_EXAMPLES, axis=1)[:, -N_EXAMPLES:]
    values = np.take_along_axis(scores, indices, axis=1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(values, order, axis=1)


def disagreement(ours, plain):
    """Return the largest relative difference of the scores, and the share of equal indices."""
    errors = [np.abs(ours[c][1] / plain[c][1] - 1).max() for c in ours]
    same = [np.mean(ours[c][0] == plain[c][0]) for c in ours]
    return max(errors), np.mean(same)


def in_child(function, *arguments):
    """Call the function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def memory_above_data(folder, methods):
    """Return each method's peak memory in MB above a process that only loads data and model.

    To be called before this process grows: a child's ru_maxrss starts from the size of its parent.
    """
    baseline = in_child(_peak_memory, folder, None)
    return {name: in_child(_peak_memory, folder, m) - baseline for name, m in methods.items()}


def _peak_memory(folder, method):
    """Return this process's peak memory in MB, after the method has run, if one is given."""
    model, X_train, y_train, X_query = load(folder)
    if method is not None:
        runner = method()
        runner.fit(model, X_train, y_train)
        runner.explain(X_query)
    return peak_memory()


def seconds(function, *arguments):
    """Return how long the call takes, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(folder, methods, repetitions, each_round=lambda: None):
    """Return {method: {step: median seconds}} and {method: what it explained}.

    The methods take turns, in an order that is reversed each time; ``each_round`` is called in
    between. A first round, which starts the threads and touches fresh memory, is not counted.
    """
    model, X_train, y_train, X_query = load(folder)
    times = {name: {"fit": [], "explain": []} for name in methods}
    results = {}
    order = list(methods)
    for _ in range(1 + repetitions):
        each_round()
        order.reverse()
        for name in order:
            runner = methods[name]()
            times[name]["fit"].append(seconds(runner.fit, model, X_train, y_train)[0])
            elapsed, results[name] = seconds(runner.explain, X_query)
            times[name]["explain"].append(elapsed)
            del runner  # its arrays must not stand in the next one's way
    medians = {
        name: {step: median(values[1:]) for step, values in steps.items()}
        for name, steps in times.items()
    }
    return medians, results
