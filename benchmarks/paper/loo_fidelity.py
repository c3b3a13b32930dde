"""Figure 6 (a): estimated against actual change of test loss on leaving a row out."""

from typing import NamedTuple

import numpy as np
from scipy.stats import linregress

from sklearn_relatif import RelatIFExplainer

from .._measure import seconds
from . import report
from .study import DAMPING

N_QUERIES, N_ROWS = 20, 40
SEED = 0
#: Parameters of the explainer by the name of the estimate. Without damping where the estimate
#: exists without it: a retrained model has none.
FIRST_ORDER = {
    "exact Hessian": {"damping": 0.0},
    "Hessian, damped": {"damping": DAMPING},
    "Fisher, damped": {"curvature": "fisher", "damping": DAMPING},
    "gradient (identity)": {"curvature": "identity"},
    "conjugate gradients": {"solver": "cg", "damping": 0.0},
    "LiSSA": {"solver": "lissa", "damping": DAMPING},
    "block diagonal": {"solver": "block_diagonal", "damping": 0.0},
    "EK-FAC": {"solver": "ekfac", "damping": 0.0},
    "K-FAC": {"solver": "kfac", "damping": 0.0},
}
LEVERAGE_CORRECTED = "leverage-corrected"


class Estimate(NamedTuple):
    """An estimate of changes of loss, both of shape (n_queries, n_rows), and what it took."""

    change: np.ndarray
    seconds: float


def choose(images, model):
    """Queries, half of them misclassified, and rows of low probability and random ones."""
    rng = np.random.default_rng(SEED)
    wrong = np.flatnonzero(model.predict(images.X_test) != images.y_test)
    right = np.setdiff1d(np.arange(len(images.X_test)), wrong)
    half = N_QUERIES // 2
    queries = np.concatenate([rng.choice(some, half, replace=False) for some in (wrong, right)])
    position = np.searchsorted(model.classes_, images.y_train)
    own = model.predict_proba(images.X_train)[np.arange(len(position)), position]
    order = np.argsort(own)
    half = N_ROWS // 2
    # Not the least probable alone: from among the tenth of the rows that the model fits worst.
    hard = rng.choice(order[: len(order) // 10], half, replace=False)
    others = rng.choice(order[len(order) // 10 :], half, replace=False)
    return queries, np.concatenate([hard, others])


def estimates(images, model, queries, rows, methods=FIRST_ORDER):
    """The actual change, and each estimate of it, for the true labels of the queries.

    Returns
    -------
    actual : Estimate
    estimated : dict of str to Estimate
    """
    X, y = images.X_test[queries], images.y_test[queries]
    groups = np.full(len(images.y_train), None)
    groups[rows] = np.arange(len(rows))
    train = images.X_train, images.y_train
    single = images.X_train.astype(np.float32), images.y_train
    plain = RelatIFExplainer.from_fitted(model, *train, criterion="influence", curvature="identity")
    actual = _timed(plain.removal_effect, X, y, groups, order="retrain")
    corrected = _timed(plain.removal_effect, X, y, groups, order="newton")
    found = {
        name: _timed(_first_order, model, *single, X, y, rows, parameters)
        for name, parameters in methods.items()
    }
    return actual, found | {LEVERAGE_CORRECTED: corrected}


def _timed(function, *arguments, **options):
    elapsed, change = seconds(lambda: function(*arguments, **options))
    return Estimate(change, elapsed)


def _first_order(model, X_train, y_train, X, y, rows, parameters):
    """The influence of the rows over the number of rows."""
    explainer = RelatIFExplainer.from_fitted(
        model, X_train, y_train, criterion="influence", random_state=SEED, **parameters
    )
    return explainer.pairwise_influence(X.astype(X_train.dtype), y)[:, rows] / len(y_train)


def agreement(actual, change):
    """Correlation, and slope of the actual on the estimated change."""
    fit = linregress(change.ravel(), actual.ravel())
    return fit.rvalue, fit.slope


def run(study):
    model, images = study.load("models")["weak"]["model"], study.images
    actual, estimated = estimates(images, model, *choose(images, model))
    return {"actual": actual, "estimated": estimated}


def write(results, folder):
    actual, estimated = results["actual"], results["estimated"]
    fits = {name: agreement(actual.change, one.change) for name, one in estimated.items()}
    table = report.table(
        ["estimate", "correlation", "slope", "seconds"],
        [
            (name, f"{correlation:.3f}", f"{slope:.3g}", f"{estimated[name].seconds:.1f}")
            for name, (correlation, slope) in fits.items()
        ],
    )
    draw(results, fits, folder / "loo.png")
    return f"""## Figure 6 (a): estimated and actual leave-one-out changes of loss

{N_QUERIES} test images, half of them misclassified; {N_ROWS} training rows, half of them from the
tenth that the model (C = 1) fits worst. Slope is that of the actual on the estimated change; damped
means by {DAMPING}, also in LiSSA. Retraining took {actual.seconds:.1f} s.

{table}

![Actual against estimated changes of loss](loo.png)
"""


def draw(results, fits, path):
    """A panel for each estimate."""
    figure = report.new_figure(12.5, 5.4)
    panels = figure.subplots(2, 5).ravel()
    actual = results["actual"].change
    for ax, (name, one) in zip(panels, results["estimated"].items(), strict=True):
        ax.scatter(one.change, actual, s=5, alpha=0.4, linewidths=0)
        ax.axline((0, 0), slope=1, color="0.6", lw=0.8)
        ax.set_title(f"{name}\nr = {fits[name][0]:.3f}", fontsize="small")
        ax.ticklabel_format(style="sci", scilimits=(-2, 2))
        ax.set_xlabel("estimated")
        ax.set_ylabel("actual")
    report.save(figure, path)
