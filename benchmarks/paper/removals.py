"""Tables 2 and 4: what retraining without the best row of a query changes."""

from typing import NamedTuple

import numpy as np

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer

from .._measure import seconds
from . import report
from .data import STRONG_PENALTY
from .study import CRITERIA, DAMPING, NAMES, hessian_flops, work

N_QUERIES = 100
SEED = 0
QUANTITIES = {
    "loss": "change of test loss",
    "parameters": "norm of parameter change",
    "training": "change of training losses",
    "loss_per_parameter": "loss per parameter change",
    "loss_per_training": "loss per training change",
}
#: What the check's ratios are of: changes with their signs.
SIGNED = ("signed_per_parameter", "signed_per_training")
#: By an independent computation with C = 1, in the order of the quantities.
CHECK = {
    "influence": (0.0095, 0.458, 1.51, 0.024, 0.0077),
    "theta_relative": (0.0035, 0.0185, 0.048, 0.048, 0.0232),
    "loss_relative": (0.0038, 0.0230, 0.059, 0.048, 0.0233),
    "nearest_neighbors": (0.0020, 0.0194, 0.047, 0.028, 0.0124),
}


class Mean(NamedTuple):
    """A mean over the queries and its standard error."""

    value: float
    error: float


def draw_queries(n_test, n_queries=N_QUERIES):
    """Positions of the queries among the test images."""
    return np.random.default_rng(SEED).choice(n_test, n_queries, replace=False)


def best_rows(explanations):
    """{method: best row of each query}."""
    return {method: explanation.indices[:, 0] for method, explanation in explanations.items()}


def effects_of_removal(images, model, queries, best, labels=None):
    """What removing the best row of each query changes, by exact retraining.

    Parameters
    ----------
    images : Images
    model : fitted LogisticRegression
    queries : ndarray of int, shape (n_queries,)
        Positions among the test images.
    best : dict of str to ndarray of int, shape (n_queries,)
        The row that each method removes.
    labels : ndarray of shape (n_queries,), default=None
        Labels whose loss is asked for. None: the predicted ones.

    Returns
    -------
    dict of str to dict of str to Mean
        Of each method, each of the QUANTITIES and of SIGNED.
    """
    # Retraining takes nothing from the curvature of the criterion: the cheapest will do.
    explainer = RelatIFExplainer.from_fitted(
        model, images.X_train, images.y_train, criterion="influence", curvature="identity"
    )
    rows, place = np.unique(np.concatenate(list(best.values())), return_inverse=True)
    statistics = explainer.removal_statistics(rows, images.X_test[queries], labels)
    own = np.arange(len(queries))
    found = {}
    for method, removed in zip(best, place.reshape(len(best), -1), strict=True):
        values = {
            "loss": statistics.loss_change[own, removed],
            "parameters": statistics.parameter_change[removed],
            "training": statistics.training_change[removed],
            "loss_per_parameter": statistics.loss_per_parameter[own, removed],
            "loss_per_training": statistics.loss_per_training[own, removed],
        }
        sign = np.sign(values["loss"])
        for name, signed in zip(list(QUANTITIES)[3:], SIGNED, strict=True):
            values[signed] = sign * values[name]
        found[method] = {name: _mean(value) for name, value in values.items()}
    return found


def _mean(values):
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def explain(images, model, queries):
    """The best row of each query, by each method."""
    explainer = RelatIFExplainer.from_fitted(
        model, images.X_train, images.y_train, criterion="theta_relative", damping=DAMPING
    )
    X = images.X_test[queries]
    explanations = explainer.explain(X, n_examples=1, criterion=CRITERIA)
    neighbors = NearestNeighborsExplainer().fit(images.X_train, images.y_train)
    return best_rows(explanations | {"nearest_neighbors": neighbors.explain(X, n_examples=1)})


def run(study):
    """Retrain the model with C = 1 without the best rows of Table 1's explanations."""
    queries = draw_queries(len(study.images.X_test))
    explanations = study.load("table1")["explanations"]
    best = best_rows({name: one[queries] for name, one in explanations.items()})
    return _retrain(study, "weak", queries, best)


def run_strong(study):
    """The same with the strongly regularised model, which is explained anew."""
    queries = draw_queries(len(study.images.X_test))
    # In single precision, as Table 1.
    images = study.images_as(np.float32)
    best = explain(images, study.load("models")["strong"]["model"], queries)
    return _retrain(study, "strong", queries, best)


def _retrain(study, name, queries, best):
    model = study.load("models")[name]["model"]
    elapsed, effects = seconds(effects_of_removal, study.images, model, queries, best)
    n_models = len(np.unique(np.concatenate(list(best.values()))))
    done = work(elapsed, retraining_flops(study.images, len(model.classes_), n_models))
    return {"effects": effects, "n_models": n_models, "work": done}


def retraining_flops(images, n_classes, n_models):
    """Flops of a single step of each model with one factor, and of one gradient to judge it by."""
    n, d = images.X_train.shape
    k = n_classes - 1
    P = k * (d + 1)
    return hessian_flops(n, d + 1, k) + P**3 / 3 + n_models * (2 * P**2 + 4 * n * P)


def write(results, folder):
    return f"""## Tables 2 and 4: removing the best row

Of {N_QUERIES} random test images, the best row by each method is removed and the model (C = 1)
retrained exactly; {results["n_models"]} models took {results["work"].seconds:.0f} s. Means over the
queries of: the change of the loss of the predicted label; the norm of the change of the
parameters; the root of the summed squared changes of the training losses; and the absolute change
of the query's loss over each of these two. In brackets: the standard error, and the value of an
independent computation on 100 queries of the same seed.

{_table(results, CHECK)}
{_pattern(results)}

{_signs(results)}

In the paper the relative criteria keep most of IF's
change of test loss, at about a tenth of its effect on the model. Here both shares are smaller; the
ratios, which compare them, are higher than IF's as in the paper. The paper's norms are about ten
times smaller, so that its model was probably regularised more.
"""


def _signs(results):
    """What the sign of the changes makes of the ratios of nearest neighbours, as sentences."""
    means = results["effects"]["nearest_neighbors"]
    signed = " and ".join(f"{means[name].value:.3g}" for name in SIGNED)
    expected = " and ".join(f"{value:.3g}" for value in CHECK["nearest_neighbors"][3:])
    return report.paragraph(
        "The ratios are of absolute changes. "
        f"With their signs, those of k-NN are {signed} (the check: {expected}): some of the "
        "nearest rows lower the loss, while what the other methods choose supports the prediction."
    )


def write_strong(results, folder):
    return f"""### The model with λ = {STRONG_PENALTY}

The same queries; {results["n_models"]} models took {results["work"].seconds:.0f} s.

{_table(results, {})}
{_pattern(results)}
"""


def _table(results, check):
    rows = []
    for method, means in results["effects"].items():
        expected = check.get(method)
        rows.append(
            (NAMES[method], *(_cell(means[name], expected, i) for i, name in enumerate(QUANTITIES)))
        )
    return report.table(["method", *QUANTITIES.values()], rows)


def _cell(mean, expected, place):
    notes = f"± {mean.error:.2g}"
    if expected is not None:
        notes += f"; check {expected[place]:.3g}"
    return f"{mean.value:.3g} ({notes})"


def _pattern(results):
    """The paper's claim in figures, as a sentence."""
    effects = results["effects"]
    base = effects["influence"]
    sentences = []
    for method in ("theta_relative", "loss_relative"):
        share = {
            name: effects[method][name].value / base[name].value
            for name in ("loss", "parameters", "training")
        }
        sentences.append(
            f"{NAMES[method]} keeps {share['loss']:.0%} of IF's change of test loss at "
            f"{share['parameters']:.1%} of its norm and {share['training']:.1%} of its change of "
            "training losses."
        )
    return "\n" + report.paragraph(" ".join(sentences))
