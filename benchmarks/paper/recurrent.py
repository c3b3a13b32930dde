"""Table 3: a recurrent network that tells the language of a surname, by its last layer."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer

from .._measure import seconds
from . import data, report
from .influence_sets import influence_set
from .study import CRITERIA, DAMPING, NAMES
from .surnames import QUERY

N_UNITS = 128
#: The network is explained at two ages: about the paper's accuracy, and a better one.
EPOCHS = (3, 15)
PAPER_ACCURACY = 0.7145
N_EXAMPLES = 5
#: Of an independent computation, {epochs: {method: (share misclassified, cardinality)}}.
CHECK = {
    15: {"influence": (0.78, 1193), "theta_relative": (0.045, 2409), "loss_relative": (None, 2453)}
}


class FirstRows(NamedTuple):
    """The best row of each query.

    Attributes
    ----------
    wrong : float
        Share of the queries whose best row the network misclassifies.
    own_language : float
        Share of those whose best row is labelled with the predicted language.
    rows : InfluenceSet
        Of all of them.
    """

    wrong: float
    own_language: float
    rows: NamedTuple


class Sequences(NamedTuple):
    """Names as rows of letters, and their languages by number."""

    tokens: np.ndarray
    y: np.ndarray
    query_tokens: np.ndarray
    classes: np.ndarray
    n_letters: int


def sequences(names):
    """`Sequences` of `Surnames`."""
    from .recurrent_net import Alphabet

    alphabet = Alphabet([*names.train, *names.test])
    classes, y = np.unique(names.y_train, return_inverse=True)
    tokens = alphabet.tokens(names.train), alphabet.tokens(names.test)
    return Sequences(tokens[0], y, tokens[1], classes, len(alphabet.letters))


def states(net, tokens):
    """What the last layer sees of names, in double precision."""
    import torch

    with torch.no_grad():
        return net.states(torch.from_numpy(tokens)).double().numpy()


def head_explainer(net, features, y, classes, damping=DAMPING):
    """The last layer as the softmax regression that it is, on the features that it sees."""
    weight, bias = (own.detach().double().numpy() for own in (net.head.weight, net.head.bias))
    return RelatIFExplainer.from_coefficients(
        weight, bias, features, y, classes=classes, criterion="theta_relative", damping=damping
    )


def explain(net, names, sequence):
    """Explanations of the predicted languages, these, and the last layer's distance to its optimum.

    In all criteria, and by nearest neighbours in what the layer sees.
    """
    features, queries = states(net, sequence.tokens), states(net, sequence.query_tokens)
    explainer = head_explainer(net, features, names.y_train, sequence.classes)
    explanations = explainer.explain(queries, n_examples=N_EXAMPLES, criterion=CRITERIA)
    neighbors = NearestNeighborsExplainer().fit(features, names.y_train)
    explanations["nearest_neighbors"] = neighbors.explain(queries, n_examples=N_EXAMPLES)
    return explanations, explainer.predict(queries), explainer.distance_to_optimum_


def describe(explanations, predictions):
    """{method: FirstRows} of {method: Explanation}."""
    rows = explanations["influence"].training_rows
    wrong = rows.predictions != rows.labels
    found = {}
    for method, one in explanations.items():
        first = one.indices[:, 0]
        found[method] = FirstRows(
            float(wrong[first].mean()),
            float((rows.labels[first] == predictions).mean()),
            influence_set(first, rows.probabilities),
        )
    return found


def largest_difference(net, names, sequence, n_queries=100):
    """How far ``parameters="last_layer"`` of the network is from the softmax regression.

    Relative to the largest influence, over all rows and some queries.
    """
    from sklearn_relatif.networks import TorchClassifier

    net, tokens = deepcopy(net).double(), sequence.query_tokens[:n_queries]
    model = TorchClassifier(net, parameters="last_layer").fit(sequence.tokens, names.y_train)
    network = RelatIFExplainer.from_fitted(model, sequence.tokens, names.y_train, damping=DAMPING)
    head = head_explainer(net, states(net, sequence.tokens), names.y_train, sequence.classes)
    expected = head.pairwise_influence(states(net, tokens), criterion="influence")
    found = network.pairwise_influence(tokens, criterion="influence")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def n_repeated(names):
    """How many held-out pairs of name and language stand among the training rows as well."""
    known = set(zip(names.train, names.y_train, strict=True))
    return sum(pair in known for pair in zip(names.test, names.y_test, strict=True))


def run(study):
    from .recurrent_net import train

    names = data.surnames_by_language(study.names_path, held_out=[QUERY])
    sequence = sequences(names)
    shape = (sequence.n_letters, N_UNITS, len(sequence.classes))
    fit_seconds, nets = seconds(train, shape, sequence.tokens, sequence.y, EPOCHS)
    return {
        "n_rows": len(names.train),
        "n_queries": len(names.test),
        "n_repeated": n_repeated(names),
        "n_classes": len(sequence.classes),
        "n_letters": sequence.n_letters,
        "fit": fit_seconds,
        "ages": {epochs: _run_age(net, names, sequence) for epochs, net in nets.items()},
    }


def _run_age(net, names, sequence):
    """What is told of a network."""
    elapsed, (explanations, predictions, distance) = seconds(explain, net, names, sequence)
    return {
        "distance": distance,
        "accuracy": float(np.mean(predictions == names.y_test)),
        "seconds": elapsed,
        "first": describe(explanations, predictions),
        "top_5": {method: len(np.unique(one.indices)) for method, one in explanations.items()},
        "shown": _shown(names, explanations),
        "difference": largest_difference(net, names, sequence),
    }


def _shown(names, explanations):
    """The names that explain the paper's one, best first, as lines of a table."""
    query = np.flatnonzero(names.test == QUERY)[0]
    rows = explanations["influence"].training_rows
    columns = [
        [
            f"{names.train[row]} ({_language(rows.labels[row], rows.predictions[row])}, "
            f"{rows.probabilities[row]:.2f})"
            for row in one.indices[query]
        ]
        for one in explanations.values()
    ]
    return list(zip(range(1, N_EXAMPLES + 1), *columns, strict=True))


def _language(label, prediction):
    """The label, and the prediction where it is another one."""
    return label if label == prediction else f"{label}→{prediction}"


def write(results, folder):
    ages = results["ages"]
    accuracies = " and ".join(
        f"{one['accuracy']:.1%} after {epochs} epochs" for epochs, one in ages.items()
    )
    difference = max(one["difference"] for one in ages.values())
    setting = report.paragraph(f"""
        The paper's network: an LSTM of one layer of {N_UNITS} units over the letters of a name, and
        a linear layer, of which the last is explained, with damping {DAMPING}, for the predicted
        language. Trained by Adam on {results["n_rows"]:,} names of {results["n_classes"]}
        languages and {results["n_letters"]} letters; {results["n_queries"]:,} names are held out,
        15 % of each language, {results["n_repeated"]:,} of which the file repeats among the
        training rows. {accuracies} of them are classified as labelled; the paper's network has
        {PAPER_ACCURACY:.2%}. The training took {results["fit"]:.0f} s, and the explanations
        {" and ".join(f"{one['seconds']:.0f} s" for one in ages.values())}. The last layers are
        {" and ".join(f"{one['distance']:.1f}" for one in ages.values())} standard errors from the
        optimum of their softmax regressions (`distance_to_optimum_`): training was stopped. What
        `TorchClassifier(net, parameters="last_layer")` gives, and the softmax regression on the
        states of the LSTM, differ by at most {difference:.0e} of the largest influence.""")
    shown = "\n\n".join(
        f"{epochs} epochs:\n\n"
        + report.table(["", *(NAMES[method] for method in one["first"])], one["shown"])
        for epochs, one in ages.items()
    )
    headings = (
        "epochs",
        "method",
        "misclassified",
        "check",
        "labelled as predicted",
        "cardinality, top 1",
        "check",
        "top 5",
        "mean probability, top 1",
    )
    lines = [
        _cells(epochs, method, found, one["top_5"][method])
        for epochs, one in ages.items()
        for method, found in one["first"].items()
    ]
    return f"""## Table 3: surnames by a recurrent network

{setting}

The rows that explain "{QUERY}", with their language (and what is predicted, where it is another
one), and the network's probability of that language:

{shown}

Of the first rows of all held-out names: the share that the network misclassifies; the share whose
language is the one that is predicted for the query; the number of different rows; and the mean
probability of their own languages. "Check" is an independent computation, with a network of its
own.

{report.table(headings, lines)}
"""


def _cells(epochs, method, found, top_5):
    wrong, cardinality = CHECK.get(epochs, {}).get(method, (None, None))
    return (
        epochs,
        NAMES[method],
        f"{found.wrong:.1%}",
        "" if wrong is None else f"{wrong:.1%}",
        f"{found.own_language:.1%}",
        f"{found.rows.cardinality:,}",
        "" if cardinality is None else f"{cardinality:,}",
        f"{top_5:,}",
        f"{found.rows.mean:.3f}",
    )
