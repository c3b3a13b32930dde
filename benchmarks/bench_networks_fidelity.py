"""How close influence comes to what networks become without a row: their responses, and retraining.

Run ``python -m benchmarks.bench_networks_fidelity [--mnist FILE] [--figure FILE]``: a perceptron on
digits, and with an npz file of MNIST (x_train, y_train, x_test, y_test) a convolutional network on
its first images, as in Figure 6 (b) of Barshan, Brunet & Dziugaite (2020).
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_relatif import RelatIFExplainer

from .paper.data import mnist

DAMPINGS = (0.001, 0.01, 0.1)
N_QUERIES, N_OF_EACH_KIND = 50, 8
N_DIGITS = 500
EPOCHS, BATCH, WEIGHT_DECAY = 15, 50, 1e-3


def digits():
    """A perceptron of tanh, trained by Adam, on rows and queries."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    options = {"activation": "tanh", "alpha": 0.5, "max_iter": 400, "random_state": 0}
    model = MLPClassifier((20,), **options).fit(X[:N_DIGITS], y[:N_DIGITS])
    held = slice(N_DIGITS, N_DIGITS + N_QUERIES)
    return model, X[:N_DIGITS], y[:N_DIGITS], X[held], y[held]


def pictures(path, n_rows, activation):
    """A convolutional network of 3,826 parameters on images of MNIST."""
    import torch

    from sklearn_relatif.networks import TorchClassifier

    images = mnist(path, np.float32)
    X, y = images.X_train[:n_rows].reshape(-1, 1, 28, 28), images.y_train[:n_rows].astype(int)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5, stride=2),
        activation(),
        torch.nn.Conv2d(6, 12, 3, stride=2),
        activation(),
        torch.nn.Flatten(),
        torch.nn.Linear(300, 10),
    )
    n_steps = EPOCHS * -(-n_rows // BATCH)
    optimizer = torch.optim.Adam(module.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=n_steps)
    rows, targets = torch.tensor(X), torch.tensor(y)
    for _ in range(EPOCHS):
        for some in torch.randperm(n_rows).split(BATCH):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(rows[some]), targets[some])
            squares = sum((own**2).sum() for own in module.parameters())
            (loss + WEIGHT_DECAY / 2 * squares).backward()
            optimizer.step()
            schedule.step()
    model = TorchClassifier(module, weight_decay=WEIGHT_DECAY).fit(X, y)
    X_new, y_new = images.X_test[:N_QUERIES].reshape(-1, 1, 28, 28), images.y_test[:N_QUERIES]
    return model, X, y, X_new, y_new.astype(int)


def measured(name, model, X, y, X_new, y_new, dampings, orders=("pbrf", "retrain")):
    """Print a line for each damping, and return influence and responses at the last one."""
    rng, groups, truths = np.random.default_rng(0), None, {}
    for damping in dampings:
        explainer = RelatIFExplainer.from_fitted(
            model, X, y, curvature="gauss_newton", damping=damping
        )
        if groups is None:  # The same rows at all dampings.
            strongest = np.argsort(-explainer.self_influence_)[:N_OF_EACH_KIND]
            others = np.setdiff1d(np.arange(len(X)), strongest)
            chosen = np.r_[strongest, rng.choice(others, N_OF_EACH_KIND, replace=False)]
            groups = np.full(len(X), None)
            groups[chosen] = np.arange(len(chosen))
        first = explainer.removal_effect(X_new, y_new, groups, order="first").ravel()
        cells = []
        for order in orders:
            start = time.perf_counter()
            if order == "pbrf" or order not in truths:  # Only the response depends on damping.
                effect = explainer.removal_effect(X_new, y_new, groups, order=order).ravel()
                truths[order] = effect, time.perf_counter() - start
            effect, seconds = truths[order]
            slope = first @ effect / (first @ first)
            cells += [f"{np.corrcoef(first, effect)[0, 1]:.3f}", f"{slope:.2f}", f"{seconds:.0f}"]
        print("|", " | ".join([name, f"{damping:g}", *cells]), "|", flush=True)
    return first, {order: effect for order, (effect, _) in truths.items()}


def draw(path, panels):
    """A picture of influence against both truths, a row a network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 2, squeeze=False)
    words = {"pbrf": "proximal Bregman response", "retrain": "trained on without the row"}
    for row, (name, (first, truths)) in zip(axes, panels.items(), strict=True):
        for ax, (order, effect) in zip(row, truths.items(), strict=True):
            ax.scatter(first, effect, s=6, alpha=0.5, linewidths=0)
            ax.axline((0, 0), slope=1, color="0.6", linewidth=1, zorder=0)
            r = np.corrcoef(first, effect)[0, 1]
            ax.set_title(f"{name}: {words[order]}, Pearson {r:.3f}", fontsize=9)
            ax.set_xlabel("change of the loss, by influence")
            ax.set_ylabel("change of the loss")
    figure.savefig(path, dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="an npz file")
    parser.add_argument("--rows", type=int, default=5000, help="how many images to train on")
    parser.add_argument("--activation", default="ReLU", help="a module of torch.nn")
    parser.add_argument("--skip-retraining", action="store_true", help="responses only")
    parser.add_argument("--figure", help="where to draw what was measured")
    given = parser.parse_args()
    orders = ("pbrf",) if given.skip_retraining else ("pbrf", "retrain")
    warnings.filterwarnings("ignore", "The model is not at the optimum", ConvergenceWarning)
    warnings.simplefilter("always", ConvergenceWarning, append=True)
    print(
        "| network | damping", *(f"| {order}: Pearson | slope | seconds" for order in orders), "|"
    )
    print("|---|--:" + 3 * len(orders) * "|--:" + "|")
    panels = {"digits": measured("digits", *digits(), DAMPINGS, orders)}
    if given.mnist:
        import torch

        network = pictures(given.mnist, given.rows, getattr(torch.nn, given.activation))
        name = f"MNIST, {given.activation}"
        panels[name] = measured(name, *network, DAMPINGS[1:], orders)
    if given.figure:
        draw(given.figure, panels)


if __name__ == "__main__":
    main()
