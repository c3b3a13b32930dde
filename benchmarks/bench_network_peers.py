"""Time, memory and agreement of other packages' influence functions of networks, and of this one's.

Run ``python -m benchmarks.bench_network_peers [--envs FOLDER] [--cifar PATH] [--only CASE]
[--repeats N] [--small]`` from the top of a checkout, with an interpreter that has PyTorch. Packages
are installed as by ``bench_peers``, and measured in its way: a process each, runs in turns, the
same number of threads, and the largest error max|A/s - B| / max|B|.

All explain the predicted labels of the queries in double precision. No layer is penalised; the
second derivatives of the mean loss are damped by a multiple of the identity, which all of the
packages can do, and which has to exceed the most negative eigenvalue: where it does not, captum
leaves directions out and pyDVL and dattri divide by negative numbers, all without a word. What is
timed is what a user with a trained network must run for the matrix of the influence of all rows on
all queries, from the second derivatives on:

- sklearn_relatif: ``from_fitted`` and ``pairwise_influence``, on a module of PyTorch and on
  scikit-learn's ``MLPClassifier``; by the exact Hessian ("hessian": the numbers of the others), by
  the Gauss-Newton matrix, and by EK-FAC of it.
- pyDVL: ``DirectInfluence.fit`` and ``influences``, the Hessian of some rows at a time;
  ``EkfacInfluence`` with ``update_diagonal``. Its ``SecondOrderMode.GAUSS_NEWTON`` is left out: it
  sums outer products of the losses' gradients, and divides by a number of parameters.
- dattri: ``IFAttributorExplicit`` and ``IFAttributorEKFAC``, ``cache`` and ``attribute``. Exact is
  only a single batch of all rows, for which its memory grows with rows times parameters: on a
  network it has cases of few rows.
- captum: ``NaiveInfluenceFunction`` in full rank, and ``influence``.
- kronfluence: EK-FAC, ``fit_all_factors`` and ``compute_pairwise_scores``.

What is exact is compared with this package's influence by the exact Hessian, and EK-FAC with this
package's by the Gauss-Newton matrix. **Pearson** is the mean over the queries of the correlation
over the rows. The packages' EK-FAC differ: in the labels that it takes (drawn from the model or all
of them, in expectation), and in what they damp.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.datasets import load_digits

from ._measure import in_child
from .bench_peers import error, in_turns
from .paper import data
from .peers.environments import interpreter
from .peers.problem import NetworkProblem
from .peers.session import Session

#: What the others are compared with.
EXACT, GAUSS_NEWTON = REFERENCES = ("relatif_torch:hessian", "relatif_torch:gauss_newton")
EXACT_METHODS = ("hessian", "explicit")
NAMES = {
    "relatif_torch": "sklearn_relatif, PyTorch",
    "relatif_mlp": "sklearn_relatif, MLPClassifier",
    "pydvl_network": "pyDVL",
    "dattri_network": "dattri",
    "captum_network": "captum",
    "kronfluence_network": "kronfluence",
}
N_EPOCHS = 12


class Case(NamedTuple):
    """A network, what of it is explained, and the methods that take part."""

    name: str
    data: str
    widths: tuple
    parameters: str
    n_rows: int
    n_queries: int
    damping: float
    methods: tuple

    def small(self):
        """Return the same case in a size that is solved at once."""
        widths = tuple(max(4, width // 8) for width in self.widths)
        return self._replace(widths=widths, n_rows=100, n_queries=30, damping=0.5)


CASES = [
    Case(
        name="digits",
        data="digits",
        widths=(64,),
        parameters="all",
        n_rows=1_000,
        n_queries=300,
        damping=0.01,
        methods=(
            EXACT,
            "relatif_mlp:hessian",
            "pydvl_network:explicit",
            "captum_network:explicit",
            GAUSS_NEWTON,
            "relatif_mlp:gauss_newton",
            "relatif_mlp:ekfac",
            "pydvl_network:ekfac",
            "dattri_network:ekfac",
            "kronfluence_network:ekfac",
        ),
    ),
    Case(
        name="few_digits",
        data="digits",
        widths=(64,),
        parameters="all",
        n_rows=150,
        n_queries=300,
        damping=0.01,
        methods=(EXACT, "relatif_mlp:hessian", "dattri_network:explicit"),
    ),
    Case(
        name="narrow_convnet",
        data="cifar",
        widths=(4, 8, 16),
        parameters="all",
        n_rows=200,
        n_queries=100,
        damping=0.1,
        methods=(EXACT, "pydvl_network:explicit", "captum_network:explicit", GAUSS_NEWTON),
    ),
    Case(
        name="last_layer",
        data="cifar",
        widths=(16, 32, 64),
        parameters="last_layer",
        n_rows=5_000,
        n_queries=300,
        damping=0.01,
        methods=(
            EXACT,
            "pydvl_network:explicit",
            "dattri_network:explicit",
            "captum_network:explicit",
        ),
    ),
]


def digits():
    """scikit-learn's digits in a row each, shuffled."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order] / 16, y[order]


def pictures(path):
    """The first training pictures of CIFAR-10, standardised, channels first."""
    images = data.cifar(path)
    return images.X_train[:6_000].astype(float), images.y_train[:6_000].astype(np.int64)


def prepare(case, cifar, path):
    """Train the network, and save the problem."""
    import torch

    from .peers.torch_network import make_net

    X, y = digits() if case.data == "digits" else pictures(cifar)
    X_query, (X, y) = X[case.n_rows :][: case.n_queries], (X[: case.n_rows], y[: case.n_rows])
    torch.manual_seed(0)
    net = make_net(X, y, case.widths).double()
    train(net, torch.from_numpy(X), torch.from_numpy(y))
    with torch.no_grad():
        y_query = net(torch.from_numpy(X_query)).argmax(dim=1).numpy()
        weights = torch.nn.utils.parameters_to_vector(net.parameters()).numpy()
    widths, damping = np.array(case.widths), np.float64(case.damping)
    problem = NetworkProblem(X, y, X_query, y_query, weights, widths, case.parameters, damping)
    np.savez(path, **problem._asdict())


def train(net, X, y):
    """Train by Adam."""
    import torch

    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(N_EPOCHS):
        for batch in torch.randperm(len(y)).split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(X[batch]), y[batch]).backward()
            optimizer.step()


def open_sessions(case, envs, problem, n_threads):
    """Return a session for each method."""
    return [
        Session(interpreter(environment(method), envs), method, "influence", problem, n_threads)
        for method in case.methods
    ]


def environment(method):
    """Return the name of the environment that a method runs in."""
    return method.split(":")[0].removesuffix("_network")


def agreement(session, folder):
    """Return the error and the correlation of a session's saved results, and delete them.

    The references are kept: the others are compared with them.
    """
    path, reference = (
        folder / f"{method}-influence-influence.npy"
        for method in (session.package, reference_of(session.package))
    )
    if path == reference:
        return None
    found = error(path, reference), correlation(np.load(path), np.load(reference))
    path.unlink()
    return found


def reference_of(method):
    """Return the method that another one is compared with."""
    return EXACT if method.split(":")[1] in EXACT_METHODS else GAUSS_NEWTON


def correlation(A, B):
    """Return the mean over the rows of two arrays of Pearson's correlation."""
    A, B = (table - table.mean(axis=1, keepdims=True) for table in (A, B))
    norms = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    return float(np.mean((A * B).sum(axis=1) / norms))


def measure(case, cifar, envs, repeats, n_threads):
    """Return {(method, "influence"): (median seconds, MB, (error, correlation))}."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, case, cifar, folder / "problem.npz")
        sessions = open_sessions(case, envs, folder / "problem.npz", n_threads)
        return in_turns(sessions, folder, repeats, agreement)


def table(measured):
    """Return the lines of a Markdown table."""
    lines = [
        "| package | method | seconds | times ours | MB | of ours | error | Pearson |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (method, task), (seconds, memory, found) in measured.items():
        our_seconds, our_memory, _ = measured[reference_of(method), task]
        package, kind = method.split(":")
        agreeing = " | " if found is None else f"{found[0]:.1e} | {found[1]:.3f}"
        lines.append(
            f"| {NAMES[package]} | {kind} | {seconds:.3f} | {seconds / our_seconds:.2f} "
            f"| {memory:.0f} | {memory / our_memory:.2f} | {agreeing} |"
        )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", metavar="FOLDER", default="benchmarks/peers/envs")
    parser.add_argument("--cifar", metavar="PATH", help="npz file of CIFAR-10")
    parser.add_argument("--only", choices=[case.name for case in CASES], help="one of the cases")
    parser.add_argument("--repeats", type=int, default=4, help="even: each order equally often")
    parser.add_argument("--small", action="store_true", help="small problems, for a first check")
    arguments = parser.parse_args()
    n_threads = joblib.cpu_count(only_physical_cores=True)
    for case in CASES:
        if arguments.only not in (None, case.name):
            continue
        if case.data == "cifar" and arguments.cifar is None:
            print(f"{case.name}: left out, --cifar is not given.\n", flush=True)
            continue
        case = case.small() if arguments.small else case
        where = arguments.cifar, arguments.envs, arguments.repeats
        measured = measure(case, *where, n_threads)
        print(
            f"{case.name}: {case.n_rows:,} rows, {case.n_queries:,} queries, hidden layers "
            f"{case.widths}, parameters: {case.parameters}, damping {case.damping}, "
            f"{n_threads} threads",
            "",
            *table(measured),
            "",
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
