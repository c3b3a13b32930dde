"""Time and memory of explaining classifiers of sparse text, wider than it is tall.

Run ``python -m benchmarks.bench_text [--names PATH] [--rows N] [--single]`` from the top of a
checkout, where PATH is a CSV file with the columns ``surname`` and ``language``. Without it, random
words stand in. With ``--single``, what is explained are features of single precision.

The documents are surnames, the features their character n-grams (one to six letters, TF-IDF). Two
logistic regressions at C=1 are explained: Russian or not, and the language. Held-out names are
explained by the training names in all three criteria. Peak memory is that of a process of its own
that does nothing else, with the data.
"""

import argparse
import csv
import resource
import string

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

from ._measure import in_child, seconds

CRITERIA = ["influence", "theta_relative", "loss_relative"]
N_QUERIES = 30
N_SYNTHETIC = 20_000
SHOWN = 3


def read_names(path):
    """Return surnames and their languages."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [(row["surname"], row["language"]) for row in csv.DictReader(file)]
    return np.array(rows, object).T


def make_names(n_rows, n_languages=18):
    """Return random words, and the languages by whose letter frequencies they were drawn."""
    rng = np.random.default_rng(0)
    letters = np.array(list(string.ascii_lowercase))
    frequencies = rng.dirichlet(np.full(26, 0.5), size=n_languages)
    languages = rng.integers(n_languages, size=n_rows)
    words = [
        "".join(rng.choice(letters, rng.integers(4, 12), p=frequencies[language]))
        for language in languages
    ]
    return np.array(words, object), np.array([f"language {k}" for k in languages], object)


def explain(names, languages, binary, dtype):
    """Fit, explain, and return what was measured."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(names))
    train, query = order[N_QUERIES:], order[:N_QUERIES]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 6))
    X = vectorizer.fit_transform(names[train])
    target = languages == np.unique(languages)[-4] if binary else languages
    fit_time, model = seconds(LogisticRegression(max_iter=1000).fit, X, target[train])
    X = X.astype(dtype)
    # Of coupled outputs all denominators are found in one pass over the classes.
    criterion = "loss_relative" if binary else "theta_relative"
    prepare_time, explainer = seconds(
        lambda: RelatIFExplainer.from_fitted(
            model, X, target[train], criterion=criterion, verbose=True
        )
    )
    queries = vectorizer.transform(names[query]).astype(dtype)
    explain_time, found = seconds(lambda: explainer.explain(queries, criterion=CRITERIA))
    return {
        "shape": X.shape,
        "stored": X.nnz,
        "model": fit_time,
        "prepare": prepare_time,
        "explain": explain_time,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "solver": f"{explainer.solver_.name}: {explainer.solver_.reason}",
        "shown": [
            (names[row], {c: list(names[train][found[c].indices[i][:SHOWN]]) for c in CRITERIA})
            for i, row in enumerate(query[:SHOWN])
        ],
    }


def report(title, figures):
    """Print what was measured."""
    n_rows, n_features = figures["shape"]
    print(f"\n{title}: {n_rows:,} rows x {n_features:,} n-grams, {figures['stored']:,} stored")
    print(f"  solver       {figures['solver']}")
    print(f"  model fit    {figures['model']:8.1f} s")
    print(f"  from_fitted  {figures['prepare']:8.1f} s")
    print(f"  explain      {figures['explain']:8.1f} s   ({N_QUERIES} queries, three criteria)")
    print(f"  peak memory  {figures['memory']:8.2f} GiB")
    for name, rows in figures["shown"]:
        print(f"  {name}")
        for criterion, explained_by in rows.items():
            print(f"    {criterion:15s}{', '.join(explained_by)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", metavar="PATH", help="CSV file with surname and language")
    parser.add_argument("--rows", type=int, help="use so many names, drawn at random")
    parser.add_argument("--single", action="store_true", help="features in single precision")
    parser.add_argument("--only", choices=["binary", "languages"], help="one of the two models")
    options = parser.parse_args()
    names, languages = read_names(options.names) if options.names else make_names(N_SYNTHETIC)
    if options.rows:
        drawn = np.random.default_rng(1).permutation(len(names))[: options.rows]
        names, languages = names[drawn], languages[drawn]
    for kind, binary in {"binary": True, "languages": False}.items():
        if options.only in (None, kind):
            dtype = np.float32 if options.single else np.float64
            report(kind, in_child(explain, names, languages, binary, dtype))


if __name__ == "__main__":
    main()
