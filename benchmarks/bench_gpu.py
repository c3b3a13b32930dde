"""Whole-MNIST Table 1 on a device, beside the same written by hand in PyTorch.

    python -m benchmarks.bench_gpu mnist.npz --device cuda
    python -m benchmarks.bench_gpu mnist.npz --device cpu --rows 5000 --queries 500

A softmax regression is trained first, on the processor. Then, in double and in single precision,
the five best training rows of each test image are found by all three criteria: by the explainer
(``from_fitted`` and ``explain``), by hand (gradients, Hessian, Cholesky factor, top-k: no proofs,
no ties, no distance to the optimum), and once by NumPy's engine. A multilayer perceptron and a
ConvNet follow, by the damped Gauss-Newton matrix of all of their parameters. Times are those of the
second run of two, synchronised. ``mnist.npz`` has ``x_train``, ``y_train``, ``x_test``, ``y_test``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from functools import partial
from pathlib import Path

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import torch
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.criteria import CRITERIA
from sklearn_relatif.networks import TorchClassifier

C = 1.0  # As of the table that stands beside the paper.
N_BEST = 5
DAMPING = 0.1
BLOCK = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--network-rows", type=int, default=5_000)
    parser.add_argument("--skip-numpy", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    X, y, queries = images(args.mnist, args.rows, args.queries)
    started = time.perf_counter()
    model = LogisticRegression(C=C, tol=1e-6, max_iter=500).fit(X, y)
    print(
        f"trained on {X.shape} in {time.perf_counter() - started:.1f} s; device {args.device}",
        flush=True,
    )
    results = []
    expected = None
    if not args.skip_numpy:
        started = time.perf_counter()
        expected = best_of(RelatIFExplainer.from_fitted(model, X, y).explain, queries)
        report(results, "numpy", "float64", time.perf_counter() - started, 0, expected, expected)
    for dtype in ("float64", "float32"):
        rows, asked = (to_device(values, dtype, args.device) for values in (X, queries))
        given = with_tensors(model, dtype, args.device), rows, y, asked
        for name, function in (("explainer", explained), ("by hand", by_hand)):
            seconds, peak, best = measured(partial(function, *given), args.device)
            report(results, name, dtype, seconds, peak, best, expected)
        ours, hand = results[-2:]
        print(f"  ratio {dtype}: {ours['seconds'] / hand['seconds']:.2f}")
    networks(results, X[: args.network_rows], y[: args.network_rows], queries, args.device)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


def images(path: Path, n_rows: int, n_queries: int):
    """Pixels between 0 and 1, and labels."""
    with np.load(path) as data:
        rows = data["x_train"][:n_rows].reshape(-1, 784) / 255.0
        queries = data["x_test"][:n_queries].reshape(-1, 784) / 255.0
        return rows, data["y_train"][:n_rows].astype(np.int64), queries


def to_device(values, dtype, device):
    return torch.asarray(values, dtype=getattr(torch, dtype), device=device)


def with_tensors(model, dtype, device):
    """The model as if it had been fitted on the device."""
    fitted = LogisticRegression(**model.get_params())
    vars(fitted).update(vars(model))
    for name in ("coef_", "intercept_"):
        setattr(fitted, name, to_device(getattr(model, name), dtype, device))
    return fitted


def best_of(explain, queries):
    return {name: own.indices for name, own in explain(queries, criterion=CRITERIA).items()}


def explained(fitted, X, y, queries):
    with config_context(array_api_dispatch=True):
        explainer = RelatIFExplainer.from_fitted(fitted, X, y)
        return best_of(explainer.explain, queries)


def by_hand(fitted, X, y, queries):
    """The same with nothing but what it takes."""
    dtype, device = X.dtype, X.device
    n_classes = len(fitted.coef_)
    ones = torch.ones((len(X), 1), dtype=dtype, device=device)
    x = torch.cat([X, ones], 1)
    asked = torch.cat([queries, ones[: len(queries)]], 1)
    table = torch.cat([fitted.coef_, fitted.intercept_[:, None]], 1)
    # Contrasts of the classes, orthonormal: the softmax sees nothing else.
    basis = torch.linalg.qr(
        torch.eye(n_classes, dtype=dtype, device=device)[:, :-1] - 1 / n_classes
    )[0]
    size, k = x.shape[1], n_classes - 1
    labels = torch.asarray(y, device=device)
    p = torch.softmax(x @ table.T, 1)
    one = torch.nn.functional.one_hot(labels, n_classes).to(dtype)
    residual = (one - p) @ basis
    hessian = torch.zeros((k * size, k * size), dtype=dtype, device=device)
    inner = torch.einsum("ka,nk,kb->nab", basis, p, basis)
    inner -= torch.einsum("na,nb->nab", p @ basis, p @ basis)
    for a in range(k):
        for b in range(a + 1):
            gram = (x * inner[:, a, b, None]).T @ x
            hessian[a * size : (a + 1) * size, b * size : (b + 1) * size] = gram
            hessian[b * size : (b + 1) * size, a * size : (a + 1) * size] = gram.T
    hessian /= len(x)
    ridge = torch.full((size,), 1 / (fitted.C * len(x)), dtype=dtype, device=device)
    ridge[-1] = 0
    hessian.diagonal().add_(ridge.repeat(k))
    factor = torch.linalg.cholesky(hessian)
    identity = torch.eye(k * size, dtype=dtype, device=device)
    inverse = torch.linalg.solve_triangular(factor, identity, upper=False)
    chosen = torch.softmax(asked @ table.T, 1)
    pull = torch.nn.functional.one_hot(chosen.argmax(1), n_classes).to(dtype) - chosen
    wanted = ((pull @ basis)[:, :, None] * asked[:, None]).reshape(len(asked), -1)
    wanted = wanted @ inverse.T @ inverse
    best = {name: [] for name in CRITERIA}
    for first in range(0, len(x), BLOCK):
        own = residual[first : first + BLOCK, :, None] * x[first : first + BLOCK, None]
        own = own.reshape(len(own), -1)
        white = own @ inverse.T
        products = wanted @ own.T
        factors = {
            "influence": torch.ones(len(own), dtype=dtype, device=device),
            "theta_relative": 1 / (white @ inverse).norm(dim=1),
            "loss_relative": 1 / white.norm(dim=1),
        }
        for name, values in factors.items():
            scores, indices = torch.topk(products * values, min(N_BEST, len(own)), dim=1)
            best[name].append((scores, indices + first))
    found = {}
    for name, parts in best.items():
        scores, indices = (torch.cat(own, 1) for own in zip(*parts, strict=True))
        order = torch.topk(scores, N_BEST, dim=1)[1]
        found[name] = indices.gather(1, order).cpu().numpy()
    return found


def measured(run, device):
    """Seconds of the second of two runs, the most memory it held, and what it found."""
    is_cuda = device.startswith("cuda")
    run()
    if is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    found = run()
    if is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    return seconds, torch.cuda.max_memory_allocated() if is_cuda else 0, found


def report(results, name, dtype, seconds, peak, best, expected):
    line = {"engine": name, "dtype": dtype, "seconds": seconds, "peak_bytes": peak}
    for criterion in CRITERIA:
        line[f"{criterion}_top1"] = len(np.unique(best[criterion][:, 0]))
        line[f"{criterion}_top5"] = len(np.unique(best[criterion]))
        if expected is not None:
            line[f"{criterion}_same"] = float((best[criterion] == expected[criterion]).mean())
    results.append(line)
    numbers = "  ".join(
        f"{c}: {line[f'{c}_top1']} / {line[f'{c}_top5']} (same {line.get(f'{c}_same', np.nan):.4f})"
        for c in CRITERIA
    )
    print(f"{name:>12} {dtype} {seconds:8.2f} s {peak / 2**30:6.2f} GiB  {numbers}", flush=True)


def networks(results, X, y, queries, device):
    """A perceptron and a ConvNet by their Gauss-Newton matrices."""
    torch.manual_seed(0)
    modules = {
        "MLP": nn.Sequential(nn.Linear(784, 8), nn.Tanh(), nn.Linear(8, 10)),
        "ConvNet": nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4)),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(7), nn.Flatten()),
            nn.Linear(16, 10),
        ),
    }
    X, queries = X.astype(np.float32), queries.astype(np.float32)
    for name, module in modules.items():
        module.to(device)
        train(module, X, y, device)
        classifier = TorchClassifier(module, weight_decay=1e-4).fit(X, y)

        def run(classifier=classifier):
            explainer = RelatIFExplainer.from_fitted(
                classifier, X, y, curvature="gauss_newton", damping=DAMPING
            )
            return best_of(explainer.explain, queries)

        seconds, peak, best = measured(run, device)
        report(results, name, "float32", seconds, peak, best, None)


def train(module, X, y, device, n_epochs=5):
    optimiser = torch.optim.Adam(module.parameters(), 3e-3, weight_decay=1e-4)
    rows, labels = to_device(X, "float32", device), torch.asarray(y, device=device)
    for _ in range(n_epochs):
        for some in torch.randperm(len(rows), device=device).split(128):
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(rows[some]), labels[some]).backward()
            optimiser.step()


if __name__ == "__main__":
    main()
