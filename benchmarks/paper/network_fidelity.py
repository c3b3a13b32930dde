"""Figure 6 (b): influence of rows on a ConvNet against its responses, and against retraining."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import bench_networks_fidelity as fidelity
from . import report

DAMPINGS = (0.01, 0.1)
N_OF_EACH_KIND = 4
READING = {
    "pbrf": """The response is what influence is the first order of; it is found again for each
        damping.""",
    "retrain": """Retraining starts at the minimum that further training of the network reaches in
        full batches, and goes on from there without the row. It knows no damping, and is done
        once.""",
}


def run(study):
    model, X, y, X_new, y_new = fidelity.pictures(study.images_as(np.float32))
    found = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        network = model, X, y, X_new, y_new
        for own in fidelity.measured(*network, DAMPINGS, n_of_each_kind=N_OF_EACH_KIND):
            print(*fidelity.cells(own), sep=", ", flush=True)
            found.append(own)
    n_params = sum(own.numel() for own in model.module.parameters())
    return {
        "found": found,
        "sizes": (len(X), len(X_new), n_params),
        "scores": (model.score(X, y), model.score(X_new, y_new)),
        "told": [str(own.message) for own in told],
    }


def write(results, folder):
    found, (n_rows, n_queries, n_params) = results["found"], results["sizes"]
    of_training, of_queries = results["scores"]
    fidelity.draw(folder / "network_loo.png", found)
    headings = ["truth", "damping", "Pearson", "slope", "seconds"]
    text = report.paragraph(f"""
        A ConvNet of {n_params:,} parameters (two convolutions with strides and tanh, a linear
        layer), trained by Adam for {fidelity.EPOCHS} epochs with weight decay
        {fidelity.WEIGHT_DECAY:g} on {n_rows:,} images (accuracy {of_training:.1%}
        on them, {of_queries:.0%} on the queries), and explained by its damped Gauss-Newton matrix.
        {N_OF_EACH_KIND} rows of the
        highest self-influence and {N_OF_EACH_KIND} random ones, each removed; changes of loss of
        {n_queries} test images. Slope is that of the truth on influence.
    """)
    of_orders = [text for order, text in READING.items() if order in {own.order for own in found}]
    reading = " ".join([*of_orders, *results["told"]])
    return f"""## Figure 6 (b): a ConvNet, its responses, and retraining

{text}

{report.table(headings, map(fidelity.cells, found))}

{report.paragraph(reading)}

![Truths against influence](network_loo.png)
"""
