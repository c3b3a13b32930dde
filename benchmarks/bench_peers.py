"""Time, memory and agreement of other packages' exact influence functions, beside this one's.

Run ``python -m benchmarks.bench_peers [--envs FOLDER] [--only CASE] [--repeats N] [--small]``
from the top of a checkout. Each package is installed once into a virtual environment of its own
under FOLDER. pip's own settings hold: on Linux, set
``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu`` for the small build of PyTorch.

The problem: mean log loss + lambda/2 ||theta||², lambda = 1/(C n), weights from scikit-learn's
``LogisticRegression(fit_intercept=False)`` on features with a column of ones, since none of the
PyTorch packages can leave an intercept unpenalised. All compute in double precision with the same
number of threads, and explain the predicted labels of the queries.

Three tasks: **influence** is the matrix of the influence of all rows on all queries, **matrices**
is that and both relative criteria, **explain** the five highest rows of each query in all three.
What is timed is what a user with a fitted model must run for that, from the Hessian on:

- sklearn_relatif: ``from_fitted``, then ``explain`` or ``pairwise_influence`` once.
- NumPy, by hand: gradients in memory, one Cholesky factorisation, solved for all rows (of
  "influence": for the queries only), one product, ``argpartition``.
- pyDVL: ``DirectInfluence.fit``, then ``influences``. It has no relative criteria; "matrices" takes
  all three from its ``influence_factors`` of the rows, by hand, and "explain" their ``topk``.
- dattri: ``IFAttributorExplicit``, ``cache`` and ``attribute``, the last once per criterion. It
  forms the Hessian anew in each call; only a single batch of all rows is exact.
- captum: ``NaiveInfluenceFunction`` in full rank, and ``influence``. It has no relative criteria.
- pyinfluence: ``InfluenceFunctions.fit`` and ``explain``. Binary, no relative criteria.
- statsmodels: ``get_influence``, ``d_params`` with its leverage correction taken back, and the
  product with the queries' gradients. Binary, no penalty (its own case), no relative criteria.

Not timed: fitting the model (statsmodels refits it to have its results object), making tensors and
modules, imports.

Every package and task has a process of its own, which stays idle between the rounds; in a round,
each runs once, and every second round goes backwards. The first round is not timed: it gives the
results, and the peak memory above that of the loaded process. The error is max|A/s - B| / max|B|
over a matrix A, with B from this package and the least-squares scale s; the largest of its criteria
is shown.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import joblib
import numpy as np

from ._measure import in_child
from .peers.environments import interpreter
from .peers.problem import Case, prepare
from .peers.session import Session

OURS, PLAIN = "relatif", "numpy"
NAMES = {
    OURS: "sklearn_relatif",
    PLAIN: "NumPy, by hand",
    "pydvl": "pyDVL",
}
CASES = [
    Case("classes", 10_000, 256, 10, 1_000, C=1.0, peers=("pydvl", "dattri", "captum")),
    Case("binary", 50_000, 50, 2, 1_000, C=1.0, peers=("pydvl", "dattri", "captum", "pyinfluence")),
    Case("unpenalised", 50_000, 50, 2, 1_000, C=np.inf, peers=("statsmodels",)),
]
ROWS_AT_A_TIME = 50


def open_sessions(case, envs, problem, n_threads):
    """Return a session for each package and task, this package's first."""
    sessions = [
        Session(interpreter(package, envs), package, task, problem, n_threads)
        for task in ("explain", "influence", "matrices")
        for package in (OURS, PLAIN)
    ]
    for package in case.peers:
        python = interpreter(package, envs)
        first = Session(python, package, "influence", problem, n_threads)
        others = [task for task in first.tasks if task != first.task]
        sessions.append(first)
        sessions += [Session(python, package, task, problem, n_threads) for task in others]
    return sessions


def error(path, reference):
    """Return max|A/s - B| / max|B| of the arrays in two files, s by least squares."""
    A, B = (np.load(file, mmap_mode="r") for file in (path, reference))
    blocks = [slice(start, start + ROWS_AT_A_TIME) for start in range(0, len(B), ROWS_AT_A_TIME)]
    products = [(np.vdot(A[rows], B[rows]), np.vdot(B[rows], B[rows])) for rows in blocks]
    scale = np.divide(*np.sum(products, axis=0))
    largest = max(np.abs(B[rows]).max() for rows in blocks)
    return max(np.abs(A[rows] / scale - B[rows]).max() for rows in blocks) / largest


def largest_error(session, folder):
    """Return the largest error of a session's saved results, and delete them.

    This package's own are kept: the others are compared with them.
    """
    if session.package == OURS:
        return None
    errors = []
    for path in folder.glob(f"{session.package}-{session.task}-*.npy"):
        reference = path.name.replace(session.package, OURS, 1)
        errors.append(in_child(error, path, folder / reference))
        path.unlink()
    return max(errors)


def measure(case, envs, repeats, n_threads):
    """Return {(package, task): (median seconds, MB, error)}."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, case, folder / "problem.npz")
        sessions = open_sessions(case, envs, folder / "problem.npz", n_threads)
        return in_turns(sessions, folder, repeats)


def in_turns(sessions, folder, repeats, judge=largest_error):
    """Run sessions one after the other, this package's first, and close them.

    Returns {(package, task): (median seconds, MB, error)}. The results of the first round are in
    the folder while ``judge`` compares them.
    """
    memory, errors = {}, {}
    for session in sessions:
        first = session.run(folder / f"{session.package}-{session.task}")
        memory[session] = first["memory"]
        errors[session] = judge(session, folder)
        print(f"{session.package} {session.task}: {first['seconds']:.1f} s", file=sys.stderr)
    seconds = {session: [] for session in sessions}
    order = list(sessions)
    for _ in range(repeats):
        order.reverse()
        for session in order:
            seconds[session].append(session.run()["seconds"])
    for session in sessions:
        session.close()
    return {(s.package, s.task): (median(seconds[s]), memory[s], errors[s]) for s in sessions}


def table(measured):
    """Return the lines of a Markdown table."""
    lines = [
        "| package | task | seconds | times ours | times our explain | MB | of ours | error |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    explain = measured[OURS, "explain"][0]
    for (package, task), (seconds, memory, error) in measured.items():
        our_seconds, our_memory, _ = measured[OURS, task]
        lines.append(
            f"| {NAMES.get(package, package)} | {task} | {seconds:.3f} "
            f"| {seconds / our_seconds:.2f} | {seconds / explain:.2f} | {memory:.0f} "
            f"| {memory / our_memory:.2f} | {'' if error is None else f'{error:.1e}'} |"
        )
    return lines


def targets(measured):
    """Return our time and memory as shares of the plain version's, task by task."""
    lines = []
    for task in ("explain", "influence", "matrices"):
        ours, plain = measured[OURS, task], measured[PLAIN, task]
        lines.append(
            f"{task}: {ours[0] / plain[0]:.2f} of the time and {ours[1] / plain[1]:.2f} of the "
            "memory of NumPy by hand."
        )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", metavar="FOLDER", default="benchmarks/peers/envs")
    parser.add_argument("--only", choices=[case.name for case in CASES], help="one of the problems")
    parser.add_argument("--repeats", type=int, default=4, help="even: each order equally often")
    parser.add_argument("--small", action="store_true", help="small problems, for a first check")
    arguments = parser.parse_args()
    n_threads = joblib.cpu_count(only_physical_cores=True)
    for case in CASES:
        if arguments.only not in (None, case.name):
            continue
        case = case.small() if arguments.small else case
        measured = measure(case, arguments.envs, arguments.repeats, n_threads)
        print(
            f"{case.name}: {case.n_rows:,} x {case.n_columns}, {case.n_classes} classes, "
            f"C={case.C:g}, {case.n_queries:,} queries, {n_threads} threads",
            "",
            *table(measured),
            "",
            *targets(measured),
            "",
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
