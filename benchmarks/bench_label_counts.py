"""How many label errors does an audit count, and which rows does it name?

Run ``python -m benchmarks.bench_label_counts [--adult PATH] [--sms PATH] [--seeds 10]``, where the
paths are tables with the columns of the Adult data and an ``income`` column, and with the columns
``label`` and ``text``; without them, these data are left out. Needs pandas and cleanlab. The README
of this folder says what is measured.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.bench_groups import adult, preprocessing
from benchmarks.bench_label_errors import german_credit
from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.metrics import plant_label_errors

NOISE = (0, 0.02, 0.05, 0.1)
#: Of a large data set, so many rows are drawn.
MAX_ROWS = 10_000
#: Seeds of data sets with more rows than this, at most.
LARGE, FEW_SEEDS = 2_000, 3
#: What a count may be off by, as a share of the number of planted errors.
NEAR = 0.3
#: The share of the rows of which the model is most certain, whose contradictions are counted.
TAIL = 0.2


def data_sets(path_of_adult, path_of_sms):
    """Yield names, features, labels and models."""
    for name, load in (
        ("breast cancer", load_breast_cancer), ("digits", load_digits), ("wine", load_wine),
    ):  # fmt: skip
        yield name, *load(return_X_y=True, as_frame=True), preprocessing(), 1.0
    if path_of_sms:
        table = pd.read_csv(path_of_sms)
        texts = table["text"].to_numpy(object)
        yield "SMS spam", texts, table["label"], TfidfVectorizer(sublinear_tf=True), 10.0
    if path_of_adult:
        yield "Adult", *adult(path_of_adult), preprocessing(), 1.0
    yield "German credit", *german_credit(), preprocessing(), 1.0


def pair_label_errors(y, noise, random_state):
    """Labels of which a share is wrong, each of them the next label instead of the one before."""
    classes, labels = np.unique(y, return_inverse=True)
    first = np.arange(len(y))
    if len(classes) == 2:
        first = np.flatnonzero(labels == random_state.randint(2))
    wrong = random_state.choice(first, round(noise * len(y)), replace=False)
    labels[wrong] = (labels[wrong] + 1) % len(classes)
    return classes[labels], np.isin(np.arange(len(y)), wrong)


KINDS = {"any other label": plant_label_errors, "the next label": pair_label_errors}


def measure(X, y, transformer, C, noise, plant, seed):
    """Return {method: (count, precision, recall)}, and the number of planted errors."""
    random_state = np.random.RandomState(seed)
    rows = random_state.permutation(len(y))[:MAX_ROWS]
    labels, is_wrong = plant(np.asarray(y)[rows], noise, random_state) if noise else (
        np.asarray(y)[rows], np.zeros(len(rows), bool),
    )  # fmt: skip
    table = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
    model = make_pipeline(transformer, LogisticRegression(C=C, tol=1e-6, max_iter=10_000))
    explainer = RelatIFExplainer(model).fit(table, labels)
    report = explainer.audit()
    given = np.searchsorted(explainer.classes_, labels)
    found = others(explainer.loo_proba(), given, is_wrong)
    found["audit"] = of_audit(report, is_wrong)
    return found, int(is_wrong.sum())


def of_audit(report, is_wrong):
    for finding in report.findings:
        if finding.kind == "label_errors":
            return finding.value, *quality(is_wrong, finding.rows)
    return 0.0, np.nan, 0.0


def others(probabilities, given, is_wrong):
    """What else can be counted in the same probabilities."""
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    contradicted = predicted != given
    joint = compute_confident_joint(given, probabilities)
    issues = np.flatnonzero(find_label_issues(given, probabilities))
    certain = np.argsort(-top)[: round(TAIL * len(top))]
    return {
        "cleanlab, issues": (len(issues), *quality(is_wrong, issues)),
        "cleanlab, joint": (joint.sum() - np.trace(joint), np.nan, np.nan),
        "contradictions": (contradicted.sum(), *quality(is_wrong, np.flatnonzero(contradicted))),
        "beyond expected": (max(0, contradicted.sum() - np.sum(1 - top)), np.nan, np.nan),
        "most certain fifth": (contradicted[certain].mean() * len(top), np.nan, np.nan),
    }


def quality(is_wrong, named):
    """Precision and recall of some rows."""
    precision = is_wrong[named].mean() if len(named) else np.nan
    return precision, is_wrong[named].sum() / max(1, is_wrong.sum())


def lines(name, kind, noise, runs):
    """Markdown: a line a method, with means over the seeds."""
    n_planted = runs[0][1]
    for method in runs[0][0]:
        counts, precision, recall = np.array([found[method] for found, _ in runs], float).T
        near = np.mean(np.abs(counts - n_planted) <= NEAR * n_planted)
        cells = [name, kind if noise else "none", str(n_planted), method, f"{counts.mean():.1f}"]
        cells.append(f"{counts.min():.0f} to {counts.max():.0f}")
        cells.append(f"{near:.0%}" if noise else "")
        for values in (precision, recall) if noise else ():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # No row is named.
                mean = np.nanmean(values)
            cells.append("" if np.isnan(mean) else f"{mean:.2f}")
        yield f"| {' | '.join(cells)} |" if noise else f"| {' | '.join(cells)} | | |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="csv file; default: without these data")
    parser.add_argument("--sms", metavar="PATH", help="csv file; default: without these data")
    parser.add_argument("--seeds", type=int, default=10, help="plantings to repeat")
    arguments = parser.parse_args()
    print("| data | errors | planted | by | count | from, to | within 30 % | precision | recall |")
    print("|---|---|--:|---|--:|--:|--:|--:|--:|")
    for name, X, y, transformer, C in data_sets(arguments.adult, arguments.sms):
        n_seeds = min(arguments.seeds, FEW_SEEDS) if len(y) > LARGE else arguments.seeds
        for noise in NOISE:
            for kind, plant in KINDS.items() if noise else [("none", None)]:
                runs = [
                    measure(X, y, transformer, C, noise, plant, seed) for seed in range(n_seeds)
                ]
                print(*lines(name, kind, noise, runs), sep="\n", flush=True)


if __name__ == "__main__":
    main()
