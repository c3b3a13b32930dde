"""How close influence comes to what networks become without a row: their responses, and retraining.

Run ``python -m benchmarks.bench_networks_fidelity [--mnist FILE] [--figure FILE]``: a perceptron on
digits, or with an npz file of MNIST (x_train, y_train, x_test, y_test) a convolutional network on
its first images, as in Figure 6 (b) of Barshan, Brunet & Dziugaite (2020).
"""

import argparse
import warnings
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_relatif import RelatIFExplainer

from ._measure import seconds
from .paper import report
from .paper.data import mnist

#: Truths, and what they are called.
ORDERS = {"pbrf": "proximal Bregman response", "retrain": "trained on without the row"}
DAMPINGS = (0.001, 0.01, 0.1)
N_QUERIES, N_OF_EACH_KIND = 50, 8
N_DIGITS, N_PICTURES = 500, 1000
EPOCHS, BATCH, WEIGHT_DECAY = 15, 50, 1e-3


def digits():
    """A perceptron of tanh, trained by Adam, on rows and queries."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    options = {"activation": "tanh", "alpha": 0.5, "max_iter": 400, "random_state": 0}
    model = MLPClassifier((20,), **options).fit(X[:N_DIGITS], y[:N_DIGITS])
    held = slice(N_DIGITS, N_DIGITS + N_QUERIES)
    return model, X[:N_DIGITS], y[:N_DIGITS], X[held], y[held]


def pictures(images, n_rows=N_PICTURES, activation="Tanh"):
    """A convolutional network of 1,130 parameters on the first images of MNIST, and queries.

    Parameters
    ----------
    images : Images
        In single precision.
    n_rows : int
    activation : str
        A module of ``torch.nn``.
    """
    import torch

    from sklearn_relatif.networks import TorchClassifier

    activation = getattr(torch.nn, activation)
    X, y = images.X_train[:n_rows].reshape(-1, 1, 28, 28), images.y_train[:n_rows].astype(int)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 5, stride=3),
        activation(),
        torch.nn.Conv2d(4, 8, 3, stride=2),
        activation(),
        torch.nn.Flatten(),
        torch.nn.Linear(72, 10),
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


def chosen_rows(self_influence, n_of_each_kind):
    """Groups of one row each: those of highest self-influence, and as many at random."""
    n_rows, rng = len(self_influence), np.random.default_rng(0)
    strongest = np.argsort(-self_influence)[:n_of_each_kind]
    others = np.setdiff1d(np.arange(n_rows), strongest)
    rows = np.r_[strongest, rng.choice(others, n_of_each_kind, replace=False)]
    groups = np.full(n_rows, None)
    groups[rows] = np.arange(len(rows))
    return groups


class Measured(NamedTuple):
    """Influence by a damping, and a truth, both the changes of loss of queries and rows.

    Attributes
    ----------
    order, damping : str, float
    first, effect : ndarray of shape (n_queries * n_rows,)
    seconds : float
        Of the truth.
    """

    order: str
    damping: float
    first: np.ndarray
    effect: np.ndarray
    seconds: float

    @property
    def pearson(self):
        return np.corrcoef(self.first, self.effect)[0, 1]

    @property
    def slope(self):
        return self.first @ self.effect / (self.first @ self.first)


def measured(
    model, X, y, X_new, y_new, dampings, orders=tuple(ORDERS), n_of_each_kind=N_OF_EACH_KIND
):
    """Yield what each truth and damping give, of the same rows, the responses first."""
    explainers = {
        damping: RelatIFExplainer.from_fitted(
            model, X, y, curvature="gauss_newton", damping=damping
        )
        for damping in dampings
    }
    groups = chosen_rows(explainers[dampings[0]].self_influence_, n_of_each_kind)
    firsts = {
        damping: own.removal_effect(X_new, y_new, groups, order="first").ravel()
        for damping, own in explainers.items()
    }
    for order in orders:
        effect = None
        for damping, explainer in explainers.items():
            if order == "pbrf" or effect is None:  # Retraining knows no damping.
                effect_of = partial(explainer.removal_effect, order=order)
                elapsed, effect = seconds(effect_of, X_new, y_new, groups)
            yield Measured(order, damping, firsts[damping], effect.ravel(), elapsed)


def draw(path, found):
    """A panel for each truth and damping: influence against the truth."""
    dampings = len({own.damping for own in found})
    n_truths = len(found) // dampings
    figure = report.new_figure(4 * dampings, 3.2 * n_truths)
    panels = figure.subplots(n_truths, dampings, squeeze=False).ravel()
    for ax, own in zip(panels, found, strict=True):
        ax.scatter(own.first, own.effect, s=6, alpha=0.4, linewidths=0)
        ax.axline((0, 0), slope=1, color="0.6", lw=0.8, zorder=0)
        title = f"{ORDERS[own.order]}\ndamping {own.damping:g}: r = {own.pearson:.3f}"
        ax.set_title(title, fontsize="small")
        ax.ticklabel_format(style="sci", scilimits=(-2, 2))
        ax.set_xlabel("change of loss by influence")
        ax.set_ylabel("change of loss")
    report.save(figure, path)


def cells(own):
    """A row of a table of what was measured."""
    numbers = (f"{own.damping:g}", f"{own.pearson:.3f}", f"{own.slope:.2f}", f"{own.seconds:.0f}")
    return (ORDERS[own.order], *numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="an npz file; without it, digits")
    parser.add_argument("--rows", type=int, default=N_PICTURES, help="how many images to train on")
    parser.add_argument("--activation", default="Tanh", help="a module of torch.nn")
    parser.add_argument("--dampings", type=float, nargs="+", default=DAMPINGS)
    parser.add_argument("--skip-retraining", action="store_true", help="responses only")
    parser.add_argument("--figure", help="where to draw what was measured")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", "The model is not at the optimum", ConvergenceWarning)
    warnings.simplefilter("always", ConvergenceWarning, append=True)
    if given.mnist:
        images = mnist(given.mnist, np.float32)
        network = pictures(images, given.rows, given.activation)
    else:
        network = digits()
    found = []
    print("| truth | damping | Pearson | slope | seconds |\n|---|--:|--:|--:|--:|")
    orders = ("pbrf",) if given.skip_retraining else tuple(ORDERS)
    for own in measured(*network, given.dampings, orders):
        print("|", " | ".join(cells(own)), "|", flush=True)
        found.append(own)
    if given.figure:
        draw(given.figure, found)


if __name__ == "__main__":
    main()
