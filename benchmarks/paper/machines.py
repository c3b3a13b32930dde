"""The appendix on support vector machines: the rankings with and without the kernel's norm."""

from typing import NamedTuple

import numpy as np
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer

from .._measure import seconds
from . import data, galleries, report
from .study import CRITERIA, NAMES, work

N_TRAIN, N_QUERIES = 5000, 2000
N_EXAMPLES = 5
#: Queries of the gallery, each for every machine.
N_SHOWN = 2
SEED = 0
MACHINES = {
    "linear, hinge": LinearSVC(loss="hinge", C=0.1, max_iter=100_000, random_state=SEED),
    "linear, squared hinge": LinearSVC(C=0.1, dual=False),
    "polynomial": SVC(kernel="poly", degree=2, decision_function_shape="ovo"),
    "rbf": SVC(kernel="rbf", decision_function_shape="ovo"),
}


class Chosen(NamedTuple):
    """The training rows that explain the queries.

    Attributes
    ----------
    top_1, top_5 : int
        Different rows among the best and among the best five of all queries.
    margin : float
        Mean smallest margin of the best five.
    wrong : float
        Share of them that the machine misclassifies.
    norm : float
        Mean of ``sqrt(K(x_i, x_i))`` over them, relative to the mean over all rows with a
        gradient.
    """

    top_1: int
    top_5: int
    margin: float
    wrong: float
    norm: float


def subset(images, n_train=N_TRAIN, n_queries=N_QUERIES):
    """Random images, so few that libsvm takes seconds."""
    rng = np.random.default_rng(SEED)
    train = rng.choice(len(images.X_train), n_train, replace=False)
    test = rng.choice(len(images.X_test), n_queries, replace=False)
    return data.Images(
        images.X_train[train], images.y_train[train], images.X_test[test], images.y_test[test]
    )


def explain(images, machine):
    """Explain the predicted labels of the test images in all criteria.

    Returns
    -------
    explanations : dict of str to Explanation
    support : ndarray of int
        Positions of the training rows with a gradient.
    """
    explainer = RelatIFExplainer.from_fitted(machine, images.X_train, images.y_train)
    explanations = explainer.explain(images.X_test, n_examples=N_EXAMPLES, criterion=CRITERIA)
    return explanations, np.flatnonzero(explainer.self_influence_)


def smallest_margins(machine, X, y):
    """Margin of each row in that of the binary problems with its class where it is smallest."""
    scores = machine.decision_function(X)
    classes = machine.classes_
    position = np.searchsorted(classes, y)
    if scores.shape[1] == len(classes):
        signs = np.where(position[:, None] == np.arange(len(classes)), 1, -1)
    else:
        first, second = np.triu_indices(len(classes), 1)
        signs = (position[:, None] == first).astype(int) - (position[:, None] == second)
    return np.where(signs, signs * scores, np.inf).min(axis=1)


def feature_norms(machine, X):
    """``sqrt(K(x_i, x_i))`` of each row, for the kernels of MACHINES."""
    squares = np.einsum("ij,ij->i", X, X)
    if isinstance(machine, LinearSVC):
        return np.sqrt(squares + machine.intercept_scaling**2)
    if machine.kernel == "rbf":
        return np.ones(len(X))
    return np.sqrt((squares / (X.shape[1] * X.var())) ** machine.degree)


def describe(images, machine, explanations, support):
    """{method: Chosen}, and the same of all rows with a gradient under "all"."""
    norms = feature_norms(machine, images.X_train)
    norms /= norms[support].mean()
    margins = smallest_margins(machine, images.X_train, images.y_train)
    wrong = machine.predict(images.X_train) != images.y_train

    def of(rows, top_1):
        rows = rows[rows >= 0]
        means = (float(values[rows].mean()) for values in (margins, wrong, norms))
        return Chosen(top_1, len(rows), *means)

    found = {
        method: of(np.unique(one.indices), _count(one.indices[:, 0]))
        for method, one in explanations.items()
    }
    return found | {"all": of(support, len(support))}


def _count(rows):
    return len(np.unique(rows[rows >= 0]))


def needed_flops(images, machine, n_support):
    """Flops of explaining, whatever the code does.

    A hinge takes the kernels between queries and support vectors, d columns each. A squared
    hinge has a Hessian for each class: its sum over the support vectors and its factor, two
    triangular products with each row and query, and all influences.
    """
    m, d = images.X_test.shape
    if getattr(machine, "loss", "hinge") == "hinge":
        return 2 * m * n_support * d
    n_classes = len(machine.classes_)
    factors = n_classes * (n_support * d**2 + d**3 / 3)
    return factors + n_classes * (2 * (n_support + m) * d**2 + 2 * m * n_support * d)


def run(study):
    images = subset(study.images)
    queries = np.random.default_rng(SEED).choice(len(images.X_test), N_SHOWN, replace=False)
    results = {"machines": {}, "gallery": []}
    elapsed = flops = 0
    for name, machine in MACHINES.items():
        fit_seconds, machine = seconds(machine.fit, images.X_train, images.y_train)
        explain_seconds, (explanations, support) = seconds(explain, images, machine)
        results["machines"][name] = {
            "accuracy": machine.score(images.X_test, images.y_test),
            "fit": fit_seconds,
            "explain": explain_seconds,
            "chosen": describe(images, machine, explanations, support),
        }
        results["gallery"] += [
            (name, line)
            for line in galleries.gallery(images, machine, _shown(explanations), queries)
        ]
        elapsed += explain_seconds
        flops += needed_flops(images, machine, len(support))
    return results | {"work": work(elapsed, flops)}


def _shown(explanations):
    return {method: explanations[method] for method in ("influence", "loss_relative")}


def write(results, folder):
    draw(results["gallery"], folder / "machines.png")
    rows = [
        (name, NAMES.get(method, "all with a gradient"), *_cells(chosen))
        for name, one in results["machines"].items()
        for method, chosen in one["chosen"].items()
    ]
    headings = ["machine", "method", "top 1", "top 5", "margin", "misclassified", "norm"]
    fits = [
        (name, f"{one['accuracy']:.2%}", f"{one['fit']:.1f}", f"{one['explain']:.1f}")
        for name, one in results["machines"].items()
    ]
    return f"""## The appendix on support vector machines

On {N_TRAIN:,} random training images; the predicted labels of {N_QUERIES:,} random test images are
explained. `LinearSVC` is one machine a class against the rest, with C = 0.1, `SVC` one a pair of
classes, with its defaults (the polynomial of degree 2).

{report.table(["machine", "test accuracy", "seconds to fit", "seconds to explain"], fits)}

With a hinge loss IF ranks by the kernel between query and support vector, signed by their labels,
and RelatIF divides it by the vector's norm in the kernel's space, so that θ and ℓ are one ranking.
With several classes the division is also by the root of the number of binary problems that the
row is a support vector of: all that is left for rbf, whose norms are all 1. The squared hinge has a
curvature, and all three criteria differ. Below: the number of different rows among the best and the
best five of all queries; and, of the latter, the mean of the smallest margin in the problems that
the row takes part in, the share that the machine misclassifies, and the mean norm over that of all
rows with a gradient.

{report.table(headings, rows)}

{_pattern(results)}

Two queries, each by all machines ("4→9" is a 4 that the machine takes for a 9):

![Queries and their best rows by each machine](machines.png)
"""


def _cells(chosen):
    return (
        f"{chosen.top_1:,}",
        f"{chosen.top_5:,}",
        f"{chosen.margin:+.2f}",
        f"{chosen.wrong:.1%}",
        f"{chosen.norm:.2f}",
    )


def _pattern(results):
    """How many rows RelatIF chooses for each that IF does, as a sentence."""
    parts = []
    for name, one in results["machines"].items():
        base, relative = one["chosen"]["influence"], one["chosen"]["loss_relative"]
        parts.append(f"{relative.top_5 / base.top_5:.1f} ({name})")
    return report.paragraph(
        f"For each row among IF's best five ℓ-RelatIF has, by machine: {', '.join(parts)}."
    )


def draw(gallery, path):
    """A line for each machine and query, with the machine's name beside it."""
    widths = [1.0, *([0.3] + [1.0] * N_EXAMPLES) * 2]
    places = (0, 2, 3 + N_EXAMPLES)
    figure = report.new_figure(0.6 * sum(widths) + 1.5, 0.75 * len(gallery) + 0.4)
    panels = figure.subplots(len(gallery), len(widths), gridspec_kw={"width_ratios": widths})
    for ax in panels.ravel():
        ax.axis("off")
    for axes, (name, line) in zip(panels, gallery, strict=True):
        axes[0].text(-0.3, 0.5, name, fontsize=8, transform=axes[0].transAxes, ha="right")
        for place, strip in zip(places, line, strict=True):
            for ax, picture, caption in zip(axes[place:], *strip[1:], strict=False):
                ax.imshow(picture, cmap="gray_r", vmin=0, vmax=255)
                color = "#D55E00" if "→" in caption else "black"
                ax.set_title(caption, fontsize=7, color=color, pad=2)
    for place, strip in zip(places, gallery[0][1], strict=True):
        ax = panels[0, place]
        ax.text(0, 1.5, strip.heading, fontsize=9, transform=ax.transAxes)
    report.save(figure, path)
