"""Effects of removals on metrics, beside pyinfluence's on the same functionals.

Run ``python -m benchmarks.bench_metrics [--envs FOLDER] [--repeats N] [--rows N]`` from the top of
a checkout. pyinfluence is installed once into a virtual environment of its own under FOLDER.

Logistic regression without intercept on synthetic rows with a column of ones, as in
``bench_peers``; the labels of the queries are drawn as those of the rows are, and two groups of
them are the signs of a feature. What is timed is ``from_fitted`` or ``fit``, and the effects of
removing each row on all metrics of a kind:

- **first**: by the gradient of smooth metrics (means of probabilities and losses, gaps between two
  groups, Cohen's d), which both follow.
- **counts**: the loss of the worst group, and the AUROC. pyinfluence linearises the probabilities
  of all queries in the weight of a row, and computes the metric of these; this package does so
  after one Newton step without the row (order="newton").
- **retrain**: the AUROC exactly. pyinfluence fits scikit-learn's model again without each row, by
  Newton's method to a tolerance of 1e-8; this package retrains to rounding.
- **retrain all**: all of these metrics exactly. pyinfluence keeps its refits between them, and
  this package retrains for each.

A package has a process of its own, and they take turns. The largest difference is that of the two
at the same kind, of the largest effect, in the metric in which it is largest; the correlation is
that with this package's exact effects, in the metric in which it is smallest.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from .peers.environments import interpreter
from .peers.metrics import METRICS
from .peers.problem import Problem
from .peers.session import Session

OURS, THEIRS = "relatif_metrics", "pyinfluence_metrics"


def prepare(n_rows, n_columns, n_queries, path):
    """Draw rows and queries from one logistic model, fit it, and save both."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + n_queries, n_columns))
    eta = X @ rng.normal(size=n_columns) * 2 / np.sqrt(n_columns) - 0.5
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-eta))).astype(int)
    X = np.column_stack([X, np.ones(len(X))])
    model = LogisticRegression(fit_intercept=False, tol=1e-10, solver="newton-cholesky")
    model.fit(X[:n_rows], y[:n_rows])
    halves = X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]
    np.savez(path, **Problem(*halves, model.coef_, np.float64(1.0))._asdict())


def measure(n_rows, n_columns, n_queries, envs, repeats):
    """Return {(module, kind): (seconds, effects)}, one thread each."""
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(n_rows, n_columns, n_queries, folder / "problem.npz")
        for kind in METRICS:
            sessions = [
                Session(
                    interpreter(package, envs), f"{module}:{kind}", "matrices",
                    folder / "problem.npz", n_threads=1,
                )
                for module, package in ((OURS, "relatif"), (THEIRS, "pyinfluence"))
            ]  # fmt: skip
            n_rounds = 1 if kind.startswith("retrain") else repeats
            for session in sessions:
                session.run(folder / session.package)
            found = [effects(session, folder) for session in sessions]
            seconds = [[s.run()["seconds"] for s in sessions] for _ in range(n_rounds)]
            for module, own, result in zip(
                (OURS, THEIRS), np.transpose(seconds), found, strict=True
            ):
                measured[module, kind] = float(np.median(own)), result
            for session in sessions:
                session.close()
    return measured


def effects(session, folder):
    """Return {metric: effects} of a session's saved results, and delete them."""
    found = {}
    for path in folder.glob(f"{session.package}-*.npy"):
        found[path.stem.rpartition("-")[2]] = np.load(path)
        path.unlink()
    return found


def table(measured):
    """Return the lines of a Markdown table."""
    exact = measured[OURS, "retrain all"][1]
    lines = [
        "| kind | metrics | ours, s | pyinfluence, s | times ours | largest difference "
        "| correlation, ours | pyinfluence |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, names in METRICS.items():
        seconds, ours = measured[OURS, kind]
        their_seconds, theirs = measured[THEIRS, kind]
        differences = [np.abs(theirs[n] - ours[n]).max() / np.abs(ours[n]).max() for n in names]
        worst = [
            min(np.corrcoef(found[n], exact[n])[0, 1] for n in names) for found in (ours, theirs)
        ]
        lines.append(
            f"| {kind} | {len(names)} | {seconds:.3f} | {their_seconds:.3f} "
            f"| {their_seconds / seconds:.1f} | {max(differences):.1e} "
            f"| {worst[0]:.5f} | {worst[1]:.5f} |"
        )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", metavar="FOLDER", default="benchmarks/peers/envs")
    parser.add_argument("--repeats", type=int, default=4, help="even: each order equally often")
    parser.add_argument("--rows", type=int, default=2_000, help="and half as many queries")
    arguments = parser.parse_args()
    n_rows, n_columns = arguments.rows, 30
    measured = measure(n_rows, n_columns, n_rows // 2, arguments.envs, arguments.repeats)
    print(
        f"{n_rows:,} rows x {n_columns}, {n_rows // 2:,} queries, one thread",
        "",
        *table(measured),
        sep="\n",
    )


if __name__ == "__main__":
    main()
