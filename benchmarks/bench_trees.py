"""Boosted trees: which rows made the model say so, beside the methods of others.

Run ``python -m benchmarks.bench_trees [--tables FILE.csv:TARGET ...] [--tree-influence PYTHON]
[--only removals labels catboost sets]``. Needs LightGBM and pandas, CatBoost for its part, and a
checkout, whose ``tests`` it uses. The README of this folder says what is measured.
"""

import argparse
import time

import numpy as np

from sklearn_relatif import RelatIFExplainer

from .paper.influence_sets import SIZES, influence_sets
from .trees import rivals
from .trees.models import CatBoost, LightGBM, recursion
from .trees.protocol import FRACTIONS, Refits, correlations, found, planted, ranks, rises
from .trees.tables import split, tables

N_ROWS, N_QUERIES, N_SINGLE = 800, 10, 60
#: Held-out rows that judge whose labels are wrong.
N_JUDGES = 200
N_ROWS_OF_SETS, N_QUERIES_OF_SETS = 10_000, 2_000
#: Rows of tables with many classes, each of which has trees of its own.
N_ROWS_OF_MANY = 400
CRITERIA = ("influence", "theta_relative", "loss_relative")
BASELINE = "random rows"
#: With which all others are compared, query by query.
MEASURE = "structure"
PARTS = ("removals", "labels", "catboost", "sets")


def ours(model, case):
    """{method: Scores} of this package: its criteria, and leaf values without each row."""
    explainer = RelatIFExplainer.from_fitted(model, case.X, case.y)
    queries = case.X_query, case.y_query
    scores = {
        criterion: rivals.Scores(explainer.pairwise_influence(*queries, criterion=criterion))
        for criterion in CRITERIA
    }
    themselves = explainer.self_influence_
    scores["influence"] = scores["influence"]._replace(themselves=themselves)
    effects = np.asarray(explainer.removal_effect(*queries, order="structure"))
    return scores | {MEASURE: rivals.Scores(effects)}


def scores_by_all(library, model, case, python, seed, themselves=False):
    """{method: Scores} of a model of LightGBM.

    Those that ``tree-influence`` gives have what rows do for themselves only if that is asked.
    """
    boosted, query_leaves = recursion(library, model, case)
    eta_query = library.predictors(model, case.X_query)
    eta = library.predictors(model, case.X)
    scores = ours(model, case)
    if python:
        expected = model.booster_.predict(case.X_query, raw_score=True)
        scores |= rivals.of_package(python, case, expected, themselves)
    scores["LeafInfluence"] = rivals.leaf_influence(
        boosted, query_leaves, case.y_query, eta_query, eta
    )
    scores["LeafRefit"] = rivals.leaf_refit(boosted, query_leaves, case.y_query)
    scores["leaf proximity"] = rivals.leaf_proximity(
        boosted, query_leaves, case.y_query, eta_query[:, :1]
    )
    return scores | {BASELINE: at_random(case, seed)}


def at_random(case, seed):
    """What no method may be worse than."""
    random = np.random.RandomState(seed)
    shape = len(case.y_query), len(case.y)
    return rivals.Scores(random.normal(size=shape), random.normal(size=shape[1]))


def rows_of(y):
    """How many training rows are taken of a table."""
    is_many = not np.issubdtype(y.dtype, np.floating) and len(np.unique(y)) >= 5
    return N_ROWS_OF_MANY if is_many else N_ROWS


def removals(data, python, seed):
    """Rises of queries' losses without the rows that methods name, and single rows."""
    of_rises, of_single = {}, {}
    for name, (X, y) in data.items():
        start = time.perf_counter()
        case, library = split(X, y, rows_of(y), N_QUERIES, seed), LightGBM()
        model = library.fit(case.kind, case.X, case.y)
        scores = scores_by_all(library, model, case, python, seed)
        of_rises[name], of_single[name] = compared(library, model, case, scores, seed)
        seconds = time.perf_counter() - start
        print(f"{name}: {case.kind}, {len(case.y):,} rows, {seconds:.0f} s", flush=True)
    return of_rises, of_single


def compared(library, model, case, scores, seed):
    """{method: rises} and {method: Correlation} of {method: Scores}."""
    boosted, _ = recursion(library, model, case)
    refits = Refits(library, case, boosted.loss)
    of_queries = {method: of.queries for method, of in scores.items()}
    single = np.random.RandomState(seed).permutation(len(case.y))[:N_SINGLE]
    return rises(refits, of_queries), correlations(refits, of_queries, single)


def labels(data, python, seed):
    """{table: {"self-influence" or "harm": {method: Found}}} of planted errors."""
    of_tables = {}
    for name, (X, y) in data.items():
        case, is_wrong = planted(split(X, y, rows_of(y), N_JUDGES, seed), seed)
        library = LightGBM()
        model = library.fit(case.kind, case.X, case.y)
        scores = scores_by_all(library, model, case, python, seed, themselves=True)
        boosted, _ = recursion(library, model, case)
        losses = boosted.loss.loss(case.y, library.predictors(model, case.X))
        themselves = {
            method: of.themselves for method, of in scores.items() if of.themselves is not None
        }
        harms = {method: -of.queries.mean(axis=0) for method, of in scores.items()}
        of_tables[name] = {
            "self-influence": found(themselves | {"training loss": losses}, is_wrong),
            "harm": found(harms, is_wrong),
        }
        print(f"{name}: {is_wrong.sum()} errors", flush=True)
    return of_tables


def catboost(data, seed):
    """The same of removals for models of CatBoost, and its own ``get_object_importance``."""
    of_rises, of_single = {}, {}
    for name, (X, y) in data.items():
        case, library = split(X, y, rows_of(y), N_QUERIES, seed), CatBoost()
        if case.kind == "multiclass":
            continue
        model = library.fit(case.kind, case.X, case.y)
        scores = ours(model, case) | rivals.object_importances(model, case)
        scores[BASELINE] = at_random(case, seed)
        of_rises[name], of_single[name] = compared(library, model, case, scores, seed)
        print(f"{name}: {len(case.y):,} rows", flush=True)
    return of_rises, of_single


def sets(data, seed):
    """{table: {criterion: {size: InfluenceSet}}} of the classifiers."""
    of_tables = {}
    for name, (X, y) in data.items():
        case = split(X, y, N_ROWS_OF_SETS, N_QUERIES_OF_SETS, seed)
        if case.kind == "regression":
            continue
        model = LightGBM().fit(case.kind, case.X, case.y)
        explainer = RelatIFExplainer.from_fitted(model, case.X, case.y)
        explanations = explainer.explain(
            case.X_query, n_examples=max(SIZES), criterion=list(CRITERIA)
        )
        own = model.predict_proba(case.X)[np.arange(len(case.y)), case.y]
        title = f"{name}, {len(case.y):,} rows, {len(case.y_query):,} queries"
        of_tables[title] = influence_sets(explanations, own)
        print(title, flush=True)
    return of_tables


def table(cells, title, form):
    """Markdown: a method a line, a table a column; ``cells`` is {table: {method: number}}.

    Behind them the average rank of each method over the tables, and the best of a column is bold.
    """
    methods = list(next(iter(cells.values())))
    values = np.array([[of[method] for of in cells.values()] for method in methods])
    average = ranks(values).mean(axis=1)
    lines = [
        f"| {title} | {' | '.join(cells)} | average rank |",
        "|---|" + "--:|" * (len(cells) + 1),
    ]
    for method, row, rank in zip(methods, values, average, strict=True):
        shown = [
            f"**{form(value)}**" if form(value) == form(best) else form(value)
            for value, best in zip(row, values.max(axis=0), strict=True)
        ]
        lines.append(f"| {method} | {' | '.join(shown)} | {rank:.2f} |")
    return "\n".join(lines)


def removal_tables(of_rises, of_single):
    """The rise over all fractions, each fraction, ranks query by query, and single rows."""
    mean = {name: {m: np.nanmean(r) for m, r in of.items()} for name, of in of_rises.items()}
    yield table(mean, "rise of the loss", "{:.3f}".format)
    by_query = np.hstack(
        [[np.nanmean(rise, axis=1) for rise in of.values()] for of in of_rises.values()]
    )
    methods = list(next(iter(of_rises.values())))
    measured = by_query[methods.index(MEASURE)]
    lines = [
        f"| method | {' | '.join(f'{fraction:.1%}' for fraction in FRACTIONS)} "
        f"| average rank, query by query | better than {MEASURE} | worse |",
        "|---|" + "--:|" * (len(FRACTIONS) + 3),
    ]
    for method, of_queries, rank in zip(
        methods, by_query, ranks(by_query).mean(axis=1), strict=True
    ):
        over_tables = np.mean([np.nanmean(of[method], axis=0) for of in of_rises.values()], axis=0)
        cells = " | ".join(f"{value:.3f}" for value in over_tables)
        shares = [np.mean(of_queries > measured), np.mean(of_queries < measured)]
        compared_with = " | ".join(f"{share:.0%}" for share in shares)
        lines.append(f"| {method} | {cells} | {rank:.2f} | {compared_with} |")
    yield "\n".join(lines)
    for name in ("pearson", "spearman"):
        cells = {of: {m: getattr(c, name) for m, c in by.items()} for of, by in of_single.items()}
        yield table(cells, f"single rows, {name.title()}", "{:.2f}".format)


def label_tables(of_tables):
    """How well planted errors are found, by both rankings and both measures."""
    for ranking in ("self-influence", "harm"):
        for name in ("auc", "share"):
            cells = {
                of: {method: getattr(values, name) for method, values in by[ranking].items()}
                for of, by in of_tables.items()
            }
            yield table(cells, f"{ranking}, {name}", "{:.2f}".format)


def sets_table(of_tables):
    """How many different rows explain the queries, and the probabilities of their labels."""
    lines = [
        "| table | criterion | top 1: rows | probability | top 5: rows | probability |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, of in of_tables.items():
        for criterion, by_size in of.items():
            cells = [
                f"{s.cardinality:,} | {s.mean:.3f} ± {s.deviation:.3f}" for s in by_size.values()
            ]
            lines.append(f"| {name} | {criterion} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tables", nargs="+", default=[], metavar="FILE.csv:TARGET", help="beside those shipped"
    )
    parser.add_argument("--tree-influence", metavar="PYTHON", help="of an environment that has it")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seed", type=int, default=0, help="of the splits")
    arguments = parser.parse_args()
    data, python, seed = tables(arguments.tables), arguments.tree_influence, arguments.seed
    parts = {
        "removals": lambda: removal_tables(*removals(data, python, seed)),
        "labels": lambda: label_tables(labels(data, python, seed)),
        "catboost": lambda: removal_tables(*catboost(data, seed)),
        "sets": lambda: [sets_table(sets(data, seed))],
    }
    for part in arguments.only:
        print(f"\n## {part}\n", flush=True)
        for found_table in parts[part]():
            print(f"\n{found_table}", flush=True)


if __name__ == "__main__":
    main()
