"""Table 3 in scikit-learn's terms: surnames, and the names that explain their languages."""

from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer

from .._measure import seconds
from . import data, report
from .influence_sets import influence_set
from .study import CRITERIA, DAMPING, NAMES, peak_memory, work

N_EXAMPLES = 5
#: Names of the table besides the paper's one, half of them misclassified.
N_SHOWN = 6
#: Rows of the table's cells.
N_IN_CELL = 4
QUERY = "Vasyukov"
SEED = 0


class Described(NamedTuple):
    """The rows that explain the queries.

    Attributes
    ----------
    top_1, top_5 : InfluenceSet
        Of the best, and of the best five of all queries.
    wrong : float
        Share of the latter that the model misclassifies.
    similarity : float
        Mean similarity of a query to its rows, as strings.
    """

    top_1: NamedTuple
    top_5: NamedTuple
    wrong: float
    similarity: float


def make_vectorizer():
    """One to three letters within words; rare trigrams left out, so that a factor is exact."""
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), min_df=50)


def fit(names, vectorizer, C=10.0):
    """Features of the training names, and multinomial logistic regression on them."""
    X = vectorizer.fit_transform(names.train)
    return X, LogisticRegression(C=C, max_iter=10_000).fit(X, names.y_train)


def explain(names, model, X, X_query):
    """Explain the predicted languages in all criteria, and by nearest neighbours.

    Single precision, as Table 1.
    """
    X, X_query = X.astype(np.float32), X_query.astype(np.float32)
    explainer = RelatIFExplainer.from_fitted(
        model, X, names.y_train, criterion="theta_relative", damping=DAMPING
    )
    explanations = explainer.explain(X_query, n_examples=N_EXAMPLES, criterion=CRITERIA)
    neighbors = NearestNeighborsExplainer().fit(X, names.y_train)
    nearest = neighbors.explain(X_query, n_examples=N_EXAMPLES)
    return explanations | {"nearest_neighbors": nearest}, explainer.solver_


def similarity(names, indices):
    """Mean of difflib's ratio of each held-out name and the names that explain it."""
    ratios = []
    for query, rows in zip(names.test, indices, strict=True):
        # SequenceMatcher keeps what it knows of the second string.
        matcher = SequenceMatcher(b=query.lower(), autojunk=False)
        for row in rows[rows >= 0]:
            matcher.set_seq1(names.train[row].lower())
            ratios.append(matcher.ratio())
    return float(np.mean(ratios))


def describe(names, explanations):
    """{method: Described} of {method: Explanation}."""
    rows = explanations["influence"].training_rows
    wrong = rows.predictions != rows.labels
    found = {}
    for method, one in explanations.items():
        chosen = np.unique(one.indices[one.indices >= 0])
        sets = [influence_set(one.indices[:, :k], rows.probabilities) for k in (1, N_EXAMPLES)]
        similar = similarity(names, one.indices)
        found[method] = Described(*sets, float(wrong[chosen].mean()), similar)
    return found


def draw_queries(names, predictions):
    """The paper's name if it is there, and names at random, half of them misclassified."""
    rng = np.random.default_rng(SEED)
    is_wrong = predictions != names.y_test
    half = N_SHOWN // 2
    drawn = [
        rng.choice(np.flatnonzero(kind), half, replace=False) for kind in (~is_wrong, is_wrong)
    ]
    return np.concatenate([np.flatnonzero(names.test == QUERY), *drawn])


def needed_flops(model, n_queries):
    """Flops of the exact method on features so sparse that products with them cost nothing.

    With P parameters: P^3 for the inverse of the Hessian and P^3 for its square, of whose blocks
    both norms of a row are quadratic forms, and 2 P^2 for each query.
    """
    P = (len(model.classes_) - 1) * (model.n_features_in_ + 1)
    return 2 * P**3 + 2 * n_queries * P**2


def run(study):
    before = peak_memory()
    names = data.surnames(study.names_path, held_out=[QUERY])
    vectorizer = make_vectorizer()
    fit_seconds, (X, model) = seconds(fit, names, vectorizer)
    X_query = vectorizer.transform(names.test)
    explain_seconds, (explanations, solver) = seconds(explain, names, model, X, X_query)
    memory = peak_memory() - before
    predictions = model.predict(X_query)
    queries = draw_queries(names, predictions)
    return {
        "shape": X.shape,
        "n_classes": len(model.classes_),
        "n_queries": len(names.test),
        "C": model.C,
        "accuracy": float(np.mean(predictions == names.y_test)),
        "fit": fit_seconds,
        "memory": memory,
        "work": work(explain_seconds, needed_flops(model, len(names.test))),
        "solver": solver.name,
        "described": describe(names, explanations),
        "shown": [_line(names, explanations, predictions, query) for query in queries],
    }


def _line(names, explanations, predictions, query):
    """A query and the names that explain it, as cells of a table."""
    explained = predictions[query]
    rows = explanations["influence"].training_rows
    cells = [f"**{_caption(names.test[query], names.y_test[query], explained)}**"]
    for one in explanations.values():
        found = one.indices[query, :N_IN_CELL]
        cells.append(
            ", ".join(
                _caption(names.train[row], rows.labels[row], rows.predictions[row], explained)
                for row in found[found >= 0]
            )
        )
    return cells


def _caption(name, label, prediction, explained=None):
    """A name and, unless both are what is explained, its language and what is predicted."""
    if label == prediction:
        return name if label == explained else f"{name} ({label})"
    return f"{name} ({label}→{prediction})"


def write(results, folder):
    n_rows, n_features = results["shape"]
    shown = report.table(
        ["held-out name", *(NAMES[method] for method in results["described"])], results["shown"]
    )
    rows = [
        (
            NAMES[method],
            f"{one.top_1.cardinality:,}",
            f"{one.top_5.cardinality:,}",
            f"{one.top_1.mean:.3f}",
            f"{one.top_5.mean:.3f}",
            f"{one.wrong:.1%}",
            f"{one.similarity:.3f}",
        )
        for method, one in results["described"].items()
    ]
    headings = (
        "method",
        "cardinality, top 1",
        "top 5",
        "mean probability, top 1",
        "top 5",
        "misclassified",
        "similarity",
    )
    n_parameters = (results["n_classes"] - 1) * (n_features + 1)
    setting = report.paragraph(f"""
        The paper explains the last layer of a recurrent network that tells the language of a
        surname. Here multinomial logistic regression (C = {results["C"]:g}) tells
        it from TF-IDF of n-grams of one to three letters: {n_rows:,} different pairs of name and
        language, {n_features:,} n-grams, {results["n_classes"]} languages. N-grams of fewer than 50
        names are left out, so that the exact factor (solver "{results["solver"]}") of
        {n_parameters:,} parameters fits in memory; all n-grams of up to three letters are about
        nine times as many. {results["n_queries"]:,} names are held out, {results["accuracy"]:.1%}
        of them classified as labelled. All are explained, with damping {DAMPING}, in
        {results["work"].seconds:.0f} s; the fit took {results["fit"]:.0f} s, and both
        {results["memory"] / 1e9:.1f} GB above the process before.""")
    return f"""## Table 3: surnames

{setting}

The best {N_IN_CELL} rows of "{QUERY}", of {N_SHOWN // 2} random names that are classified as
labelled, and of {N_SHOWN // 2} that are not. The predicted language is explained; a row's own
language stands behind it where it is another one, or is not what the model predicts (after the
arrow):

{shown}

Over all held-out names: the number of different rows among the best and the best five; the model's
mean probability of these rows' own languages; and, of the best five, the share that is
misclassified, and the mean similarity of row and query (`difflib`'s ratio, from 0 to 1).

{report.table(headings, rows)}
"""
