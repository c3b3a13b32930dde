"""Effects of removals through everything that a fit does: the fast way beside refits.

Run ``python -m benchmarks.bench_procedure [--credit PATH] [--removals 100] [--only NAME]``, with a
table of the German credit data with a ``class`` column, which needs pandas. It is left out where no
path is given.

Each data set has a pipeline with a search for the penalty. Half of the rows that are removed, one
at a time, are those with the highest self-influence, half are drawn at random; queries are a third
of the rows, held out. **Refits** are ``removal_effect(order="retrain", procedure="all")``: the
whole fitted again by scikit-learn, and brought to its optimum. Beside them are the fast ways,
``order="newton"`` and ``order="first"`` with ``procedure="all"``, and ``procedure="model"``, which
holds preprocessing and penalty. Told are, over all pairs of query and removal,

- the **correlation** with the refits, and the **slope** of the refits on the estimate (1 is right,
  above 1 the estimate is too small), by least squares through 0;
- the **spread** of the refits over that of the estimate: how many times too small it is;
- the **time**, as a share of that of the refits;
- how many removals changed the choice, and what the ways say they did not do themselves.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer

GRID = np.logspace(-3, 3, 13)


def search(*steps, scoring=None, model=None):
    """A search for the penalty of a model behind some steps."""
    model = LogisticRegression(max_iter=2000) if model is None else model
    name = f"{type(model).__name__.lower()}__{'alpha' if isinstance(model, Ridge) else 'C'}"
    return GridSearchCV(make_pipeline(*steps, model), {name: GRID}, scoring=scoring)


def breast_cancer():
    return search(StandardScaler()), *load_breast_cancer(return_X_y=True)


def wine():
    model = search(StandardScaler(), PCA(5), scoring="neg_log_loss")
    return model, *load_wine(return_X_y=True)


def iris():
    X, y = load_iris(return_X_y=True)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    return search(SimpleImputer(), StandardScaler(), scoring="neg_log_loss"), X, y


def digits():
    X, y = load_digits(return_X_y=True)
    is_asked = np.isin(y, (3, 8))
    return search(MinMaxScaler(), scoring="neg_log_loss"), X[is_asked], y[is_asked]


def diabetes():
    model = search(StandardScaler(), scoring="neg_mean_squared_error", model=Ridge())
    return model, *load_diabetes(return_X_y=True)


def credit(path):
    import pandas as pd

    table = pd.read_csv(path)
    X, y = table.drop(columns="class"), (table["class"] == "bad").astype(int)
    texts = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
    numbers = [name for name in X if name not in texts]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((StandardScaler(), numbers), (encoder, texts))
    return search(columns, scoring="roc_auc"), X, y.to_numpy()


def removals(explainer, n_removals, seed=0):
    """A group for each of the rows to remove: half influential, half drawn."""
    n_rows, rng = len(explainer.self_influence_), np.random.default_rng(seed)
    n_removals = min(n_removals, n_rows // 2)
    influential = np.argsort(-explainer.self_influence_)[: n_removals // 2]
    others = np.setdiff1d(np.arange(n_rows), influential)
    rows = np.r_[influential, rng.choice(others, n_removals - len(influential), replace=False)]
    groups = np.full(n_rows, np.nan)
    groups[rows] = np.arange(len(rows))
    return groups


def timed(function, *arguments, **options):
    """Return how long a call takes, its result, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        result = function(*arguments, **options)
        seconds = time.perf_counter() - start
    said = {str(one.message) for one in caught if issubclass(one.category, UserWarning)}
    return seconds, result, {text for text in said if "everything again" in text}


def compared(name, estimate, truth):
    """Return a line that compares an estimate with refits."""
    flat, true = np.ravel(estimate), np.ravel(truth)
    correlation = np.corrcoef(flat, true)[0, 1]
    slope, spread = flat @ true / (flat @ flat), true.std() / flat.std()
    return f"  {name:24} correlation {correlation:6.3f}  slope {slope:6.3f}  spread {spread:6.3f}"


def measure(name, model, X, y, n_removals):
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=0)
    explainer = RelatIFExplainer(model, criterion="influence").fit(X, y)
    groups = removals(explainer, n_removals)

    def effect(**options):
        return timed(explainer.removal_effect, X_test, y_test, groups, **options)

    refits, (truth, parts), _ = effect(order="retrain", procedure="all", return_parts=True)
    print(f"\n{name}: {len(X)} rows, {parts.n_removals} removals, refits in {refits:.1f} s")
    print(f"  {parts}")
    for order, procedure in (("newton", "all"), ("first", "all"), ("newton", "model")):
        seconds, estimate, said = effect(order=order, procedure=procedure)
        line = compared(f"{order!r}, {procedure!r}", estimate, truth)
        print(f"{line}  {seconds:6.2f} s, {seconds / refits:.1%} of the refits")
        for text in said:
            print(f"    ({text})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cases = {case.__name__: case for case in (breast_cancer, wine, iris, digits, diabetes)}
    parser.add_argument("--credit", metavar="PATH", help="CSV file of the German credit data")
    parser.add_argument("--removals", type=int, default=100)
    parser.add_argument("--only", choices=[*cases, "credit"])
    options = parser.parse_args()
    if options.credit:
        cases["credit"] = lambda: credit(options.credit)
    for name, case in cases.items():
        if options.only in (None, name):
            measure(name, *case(), options.removals)


if __name__ == "__main__":
    main()
