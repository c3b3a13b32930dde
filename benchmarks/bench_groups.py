"""Removing groups of rows from the Adult data: one Newton step against retraining.

Run ``python -m benchmarks.bench_groups [--adult PATH]``, where PATH is a table with the columns of
the Adult data and an ``income`` column; without it, the data are fetched from OpenML. Needs pandas.
The README of this folder says what is measured.
"""

import argparse
import time

import numpy as np
import pandas as pd
from scipy.stats import linregress
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import fetch_openml
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer

N_QUERIES = 2000
LARGE = 0.2  # Groups of more than this share of the rows are reported one by one.


def adult(path):
    """Return the features, and whether each income is above 50K."""
    if path is None:
        table = fetch_openml("adult", version=2, as_frame=True).frame
        table = table.rename(columns={"class": "income"})
        table.columns = table.columns.str.replace("-", "_")
    else:
        table = pd.read_csv(path, na_values="?", skipinitialspace=True)
    rich = table["income"].str.startswith(">50K")
    return table.drop(columns=["income", "fnlwgt", "split"], errors="ignore"), rich.to_numpy(int)


def preprocessing():
    numbers = make_column_selector(dtype_include="number")
    names = make_column_selector(dtype_exclude="number")
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((StandardScaler(), numbers), (encode, names))


def timed(explainer, X, y, groups, order):
    start = time.perf_counter()
    effect = explainer.removal_effect(X, y, groups, order=order)
    return effect.to_numpy(), time.perf_counter() - start


def compare(newton, truth):
    fit = linregress(newton.ravel(), truth.ravel())
    error = np.abs(newton - truth).mean() / np.abs(truth).mean()
    return f"{fit.rvalue:.4f} | {fit.slope:.3f} | {error:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="csv file; default: fetched from OpenML")
    X, y = adult(parser.parse_args().adult)
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
    X_test, y_test = X_test[:N_QUERIES], y_test[:N_QUERIES]
    model = make_pipeline(preprocessing(), LogisticRegression(tol=1e-6, max_iter=10_000))
    start = time.perf_counter()
    explainer = RelatIFExplainer(model).fit(X, y)
    n_features = model[:-1].fit_transform(X).shape[1]
    print(
        f"{len(y):,} rows, {n_features} columns, {len(y_test):,} queries; fit "
        f"{time.perf_counter() - start:.1f} s, {explainer.distance_to_optimum_:.1e} standard "
        "errors from the optimum\n"
    )
    print("| groups | share of the rows | Pearson | slope | relative error | newton | retrain |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    groupings = {
        "native_country": X["native_country"],
        "workclass": X["workclass"],
        "deciles of age": pd.qcut(X["age"], 10, labels=False),
    }
    for name, groups in groupings.items():
        groups = groups.astype(object).where(groups.notna(), None)
        sizes = groups.value_counts().sort_index() / len(groups)
        newton, seconds = timed(explainer, X_test, y_test, groups, "newton")
        truth, exact_seconds = timed(explainer, X_test, y_test, groups, "retrain")
        small = (sizes <= LARGE).to_numpy()
        print(
            f"| {name}: {small.sum()} groups | at most {sizes[small].max():.1%} "
            f"| {compare(newton[:, small], truth[:, small])} "
            f"| {seconds:.2f} s | {exact_seconds:.2f} s |"
        )
        for position in np.flatnonzero(~small):
            label = sizes.index[position]
            one = timed(explainer, X_test, y_test, groups.where(groups == label), "newton")[1]
            exact = timed(explainer, X_test, y_test, groups.where(groups == label), "retrain")[1]
            print(
                f"| {name}: {label} | {sizes.iloc[position]:.1%} "
                f"| {compare(newton[:, position], truth[:, position])} "
                f"| {one:.2f} s | {exact:.2f} s |"
            )


if __name__ == "__main__":
    main()
