"""Fragility of conclusions: published examples, enumeration, planted outliers, and time on Adult.

Run ``python -m benchmarks.bench_fragility [--microcredit PATH] [--ruggedness PATH] [--adult PATH]
[--small]``. The README of this folder says where the tables come from and what is measured; parts
whose table is not given are left out. Needs pandas.
"""

import argparse
import time
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from benchmarks.bench_groups import adult, preprocessing
from sklearn_relatif import RelatIFExplainer

#: The t-statistic from which on a result is called significant.
SIGNIFICANT = norm.ppf(0.975)
#: Rows that Broderick, Giordano & Meager (2020) drop, in their table of the profit outcome, for
#: another sign, another significance, and a significant result of the other sign, with the
#: estimate without the first of these sets.
MICROCREDIT = {
    "BIH": ("Bosnia", (14, 1, 40), -2.226),
    "ETH": ("Ethiopia", (1, 45, 66), -0.053),
    "IND": ("India", (6, 1, 32), -0.501),
    "MEX": ("Mexico", (1, 14, 15), 0.398),
    "MON": ("Mongolia", (16, 2, 38), 0.021),
    "MOR": ("Morocco", (11, 2, 30), -0.569),
    "PHI": ("Philippines", (9, 4, 58), -4.014),
}
#: Rows that Kuschnig, Zens & Crespo Cuaresma (2021) remove until the effect of ruggedness in Africa
#: is not significant, has the other sign, and is significant with the other sign.
RUGGEDNESS = {
    "with all controls": (["rugged", "diamonds", "soil", "tropical", "dist_coast"], (2, 5, 11)),
    "with the coast only": (["rugged", "dist_coast"], (2, 7, 16)),
}
#: log temperature and log light of the stars of the cluster CYG OB1 (Rousseeuw & Leroy 1987, table
#: 3 of chapter 2), of which the 11th, 20th, 30th and 34th are giants.
STARS = """
4.37 5.23 4.56 5.74 4.26 4.93 4.56 5.74 4.30 5.19 4.46 5.46 3.84 4.65 4.57 5.27 4.26 5.57 4.37 5.12
3.49 5.73 4.43 5.45 4.48 5.42 4.01 4.05 4.29 4.26 4.42 4.58 4.23 3.94 4.42 4.18 4.23 4.18 3.49 5.89
4.29 4.38 4.29 4.22 4.42 4.42 4.49 4.85 4.38 5.02 4.42 4.66 4.29 4.66 4.38 4.90 4.22 4.39 3.48 6.05
4.38 4.42 4.56 5.10 4.45 5.22 3.49 6.29 4.23 4.34 4.62 5.62 4.53 5.10 4.45 5.22 4.53 5.18 4.43 5.57
4.38 4.62 4.45 5.06 4.50 5.34 4.45 5.34 4.55 5.54 4.45 4.98 4.42 4.50
"""
#: Columns of the Adult data, as they reach the models.
ADULT_COLUMNS = [
    "standardscaler__hours_per_week",
    "standardscaler__age",
    "onehotencoder__workclass_Private",
    "onehotencoder__race_White",
    "onehotencoder__native_country_Mexico",
    "onehotencoder__occupation_Armed-Forces",
]
#: Sizes of sets that are enumerated, and rows of the problems.
MOST_ENUMERATED, FEW_ROWS = 4, 25


def explained(model, X, y):
    """A fitted explainer."""
    return RelatIFExplainer(model, criterion="influence").fit(X, y)


# --- plain NumPy -----------------------------------------------------------------------------


def least_squares(X, y, kept):
    """Coefficient of the first column with an intercept, and its t-statistic, of the rows kept."""
    design = np.column_stack([X, np.ones(len(X))])[kept]
    inverse = np.linalg.inv(design.T @ design)
    coef = inverse @ design.T @ y[kept]
    errors = y[kept] - design @ coef
    variance = errors @ errors / (len(errors) - len(coef)) * inverse[0, 0]
    return coef[0], coef[0] / np.sqrt(variance)


def influences(X, y, kept):
    """What each row kept adds to the coefficient, to first order and exactly; 0 for others."""
    design = np.column_stack([X, np.ones(len(X))])
    inverse = np.linalg.inv(design[kept].T @ design[kept])
    errors = y - design @ (inverse @ design[kept].T @ y[kept])
    first = design @ inverse[0] * errors * kept
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    return first, first / np.where(kept, 1 - leverage, 1)


def most_influential(x, y):
    """The approximate most influential set of a coefficient: its size, and a refit without it."""
    kept = np.ones(len(y), bool)
    before = least_squares(x, y, kept)[0]
    influence = np.sign(before) * influences(x, y, kept)[0]
    order = np.argsort(-influence)
    size = 1 + np.flatnonzero(np.cumsum(influence[order]) > np.abs(before))[0]
    kept[order[:size]] = False
    return size, least_squares(x, y, kept)[0]


def size_by_first_order(X, y, most):
    """Rows that go in the order of their influences on the coefficient until its sign changes."""
    kept = np.ones(len(y), bool)
    sign = np.sign(least_squares(X, y, kept)[0])
    order = np.argsort(-sign * influences(X, y, kept)[0])
    for size, row in enumerate(order[:most], 1):
        kept[row] = False
        if sign * least_squares(X, y, kept)[0] < 0:
            return size
    return np.inf


def size_one_by_one(X, y, most):
    """Rows that go one by one, each time the one that does most exactly, until then."""
    kept = np.ones(len(y), bool)
    sign = np.sign(least_squares(X, y, kept)[0])
    for size in range(1, most + 1):
        kept[np.argmax(np.where(kept, sign * influences(X, y, kept)[1], -np.inf))] = False
        if sign * least_squares(X, y, kept)[0] < 0:
            return size
    return np.inf


def enumerated(X, y, find, most):
    """The size of the smallest set without which a number is negative; infinite if there is none.

    ``find(design, y, weights)`` has the number of many fits at once, with weights 0 and 1.
    """
    design = np.column_stack([X, np.ones(len(X))])
    for size in range(1, most + 1):
        sets = np.array(list(combinations(range(len(y)), size)))
        weights = np.ones((len(sets), len(y)))
        np.put_along_axis(weights, sets, 0, axis=1)
        if (find(design, y, weights) < 0).any():
            return size
    return np.inf


def many_least_squares(design, y, weights):
    """First coefficients, (n_sets,), and their t-statistics."""
    inverse = np.linalg.inv(np.einsum("sn,ni,nj->sij", weights, design, design))
    coef = np.einsum("sij,sn,nj,n->si", inverse, weights, design, y, optimize=True)
    squares = (weights * (y - coef @ design.T) ** 2).sum(axis=1)
    freedom = weights.sum(axis=1) - design.shape[1]
    return coef[:, 0], coef[:, 0] / np.sqrt(squares / freedom * inverse[:, 0, 0])


def many_logistic(design, y, weights, C):
    """First coefficients of logistic regressions, (n_sets,), by Newton's method."""
    ridge = np.append(np.full(design.shape[1] - 1, 1 / C), 0)
    coef = np.zeros((len(weights), design.shape[1]))
    for _ in range(25):
        p = 1 / (1 + np.exp(-coef @ design.T))
        gradient = (weights * (p - y)) @ design + ridge * coef
        hessian = np.einsum("sn,ni,nj->sij", weights * p * (1 - p), design, design, optimize=True)
        coef = coef - np.linalg.solve(hessian + np.diag(ridge), gradient[..., None])[..., 0]
    assert np.abs(gradient).max() < 1e-8
    return coef[:, 0]


# --- published examples ----------------------------------------------------------------------


def microcredit(path):
    """Differences of means in seven trials: sets as published, and as found here."""
    table = pd.read_csv(path).dropna()
    print("| trial | rows | effect | published | the same by first order | found |")
    print("|---|--:|--:|---|---|---|")
    others, start = [], time.perf_counter()
    for site, (name, sizes, effect) in MICROCREDIT.items():
        rows = table[table["site"] == site]
        explainer = explained(LinearRegression(), rows[["D"]], rows["y"])
        sign = explainer.fragility("coef:D")
        own = most_influential(rows[["D"]].to_numpy(), rows["y"].to_numpy())
        print(
            f"| {name} | {len(rows):,} | {sign.value_before:.3f} | {sizes[0]}: {effect:.3f} "
            f"| {own[0]}: {own[1]:.3f} | {sign.size}: {sign.value_after:.3f} |"
        )
        side, found = np.sign(sign.value_before), []
        for threshold in side * SIGNIFICANT, -side * SIGNIFICANT:
            one = explainer.fragility("tstat:D", threshold=threshold)
            kept = ~np.isin(np.arange(len(rows)), one.positions)
            refit = least_squares(rows[["D"]].to_numpy(), rows["y"].to_numpy(), kept)[1]
            assert np.isclose(refit, one.value_after, rtol=1e-6)
            found.append(f"{one.size}: {one.value_after:.2f}")
        others.append(f"| {name} | {sizes[1]} | {found[0]} | {sizes[2]} | {found[1]} |")
    print("\n| trial | significance: published | found | both: published | found |")
    print("|---|--:|---|--:|---|")
    print("\n".join(others), f"\n\n{time.perf_counter() - start:.1f} s\n")


def ruggedness(path):
    """The effect of ruggedness in Africa: sizes as published, and as found here."""
    table = pd.read_csv(path, encoding="latin-1").set_index("isocode")
    table["diamonds"] = table["gemstones"] / (table["land_area"] / 100)
    thresholds = SIGNIFICANT, 0, -SIGNIFICANT
    print("| model | countries | t | published | found | countries of the second |")
    print("|---|--:|--:|---|---|---|")
    start = time.perf_counter()
    for name, (columns, published) in RUGGEDNESS.items():
        rows = table[[*columns, "cont_africa", "rgdppc_2000"]].dropna()
        africa = rows["cont_africa"]
        in_africa = rows[columns].mul(africa, axis=0).add_suffix(" in Africa")
        X = pd.concat([rows[columns], africa, in_africa], axis=1)
        explainer = explained(LinearRegression(), X, np.log(rows["rgdppc_2000"]))
        found = [
            explainer.fragility("tstat:rugged in Africa:HC1", threshold=threshold)
            for threshold in thresholds
        ]
        print(
            f"| {name} | {len(rows)} | {found[0].value_before:.2f} "
            f"| {', '.join(map(str, published))} | {', '.join(str(one.size) for one in found)} "
            f"| {', '.join(found[1].rows)} |"
        )
    print(f"\n{time.perf_counter() - start:.1f} s\n")


def stars():
    """The slope of light on temperature, which four giants hide."""
    table = np.array(STARS.split(), float).reshape(-1, 2)
    X, y = table[:, :1], table[:, 1]
    explainer = explained(LinearRegression(), X, y)
    sizes = size_by_first_order(X, y, 20), size_one_by_one(X, y, 20)
    print(f"first order {sizes[0]} rows, one by one {sizes[1]}; {explainer.fragility('coef:x0')}")
    print(explainer.fragility("tstat:x0", threshold=2.0), "\n")


# --- random problems -------------------------------------------------------------------------


def random_problems(seed, n_problems):
    """Few rows with some outliers, and a coefficient that may be fragile."""
    for problem in range(n_problems):
        rng = np.random.default_rng([seed, problem])
        n_rows, n_columns = rng.integers(12, FEW_ROWS + 1), rng.integers(1, 4)
        X = rng.standard_t(3, size=(n_rows, n_columns))
        slope = rng.uniform(0, 1.2)
        yield rng, X, slope * X[:, 0] + rng.standard_t(2 + rng.integers(0, 8), size=n_rows)


def enumeration(n_problems):
    """How often the size that is found is that of the smallest of all sets."""
    print("| problems | statistic | smallest size found | sets of 1, 2, 3, 4 rows, and none | s |")
    print("|---|---|--:|---|--:|")

    def compared(problems, name, statistic, model, find):
        equal, sizes, seconds = 0, [], 0.0
        for X, y, threshold in problems:
            explainer = explained(model, X, y)
            start = time.perf_counter()
            found = explainer.fragility(statistic, threshold=threshold, max_rows=MOST_ENUMERATED)
            seconds += time.perf_counter() - start
            side = np.sign(found.value_before - threshold)
            truth = enumerated(
                X, y, lambda *fit, t=threshold, s=side: s * (find(*fit) - t), MOST_ENUMERATED
            )
            equal += (found.size or np.inf) == truth
            sizes.append(truth)
        counts = [sizes.count(size) for size in (1, 2, 3, 4, np.inf)]
        print(
            f"| {name} | {statistic} | {equal} of {len(sizes)} | {', '.join(map(str, counts))} "
            f"| {seconds:.1f} |"
        )

    real = [(X, y, 0.0) for _, X, y in random_problems(0, n_problems)]
    compared(
        real, "least squares", "coef:x0", LinearRegression(), lambda *f: many_least_squares(*f)[0]
    )
    real = [(X, y, 2.0) for _, X, y in random_problems(1, n_problems)]
    compared(
        real, "least squares", "tstat:x0", LinearRegression(), lambda *f: many_least_squares(*f)[1]
    )
    classes = [
        (X, (y + rng.logistic(size=len(y)) > 0).astype(int), 0.0)
        for rng, X, y in random_problems(2, n_problems // 4)
    ]
    # No set may leave one class alone.
    classes = [one for one in classes if np.bincount(one[1]).min() > MOST_ENUMERATED]
    model = LogisticRegression(C=1.0, tol=1e-10)
    compared(classes, "logistic", "coef:x0", model, lambda *f: many_logistic(*f, C=1.0))
    print()


def planted(kind, rng, n_rows, n_planted):
    """Rows of which the last decide the sign of the first coefficient, hiding one another."""
    X = rng.normal(size=(n_rows, 4))
    y = 0.3 * X[:, 0] + X[:, 1:].sum(axis=1) / 2 + rng.normal(size=n_rows)
    last = slice(n_rows - n_planted, None)
    if kind == "one cluster":  # Far away in one place, on another line.
        X[last, 0] = 8 + 0.1 * rng.normal(size=n_planted)
        y[last] = -1.2 * X[last, 0] * 8 / n_planted + 0.1 * rng.normal(size=n_planted)
    elif kind == "two clusters":  # The second shows only without the first.
        half = n_planted // 2
        far = np.r_[np.full(half, 6.0), np.full(n_planted - half, 9.0)]
        X[last, 0] = far + 0.1 * rng.normal(size=n_planted)
        y[last] = np.where(far < 7, -3.0, -9.0) + 0.1 * rng.normal(size=n_planted)
    else:  # A column that only these rows tell from the first one (Rubinstein & Hopkins 2025).
        X[:, 1] = 0.01 * rng.normal(size=n_rows)
        X[:, 0] = X[:, 1] / 0.01 + 0.1 * rng.normal(size=n_rows)
        y = 2 * X[:, 1] / 0.01 - X[:, 0] + 0.05 * rng.normal(size=n_rows)
        X[last, 1], X[last, 0], y[last] = 1.0, 0.1 * rng.normal(size=n_planted), 0.0
    return X, y


def masking(n_draws, n_rows):
    """Whether planted groups whose members hide one another are found."""
    print("| rows that hide one another | planted | first order | one by one | found | no larger |")
    print("|---|--:|--:|--:|--:|--:|")
    for kind in ["one cluster", "two clusters", "a direction of their own"]:
        for n_planted in [6, 12]:
            sizes = []
            for draw in range(n_draws):
                X, y = planted(kind, np.random.default_rng([draw, n_planted]), n_rows, n_planted)
                found = explained(LinearRegression(), X, y).fragility("coef:x0")
                by_others = size_by_first_order(X, y, n_rows // 2), size_one_by_one(X, y, 60)
                sizes.append((*by_others, found.size or np.inf))
            medians = np.median(sizes, axis=0)
            share = np.mean(np.array(sizes)[:, 2] <= n_planted)
            print(
                f"| {kind} | {n_planted} of {n_rows} | {medians[0]:g} | {medians[1]:g} "
                f"| {medians[2]:g} | {share:.0%} |"
            )
    print()


# --- time ------------------------------------------------------------------------------------


def size_by_influences(X, y, model, column):
    """How many rows it takes by the sum of their influences on a penalised logistic coefficient."""
    design = np.column_stack([X, np.ones(len(X))])
    p = 1 / (1 + np.exp(-(X @ model.coef_[0] + model.intercept_[0])))
    hessian = (design.T * (p * (1 - p))) @ design
    hessian[np.diag_indices(X.shape[1])] += 1 / model.C
    effects = (design @ np.linalg.inv(hessian)[column]) * (p - y)
    before = model.coef_[0, column]
    sums = np.cumsum(np.sort(np.sign(before) * effects))
    return 1 + int(np.argmax(sums < -abs(before)))


def adult_times(path):
    """Seconds for coefficients of the Adult data."""
    X, y = adult(path)
    X, _, y, _ = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
    for model in LogisticRegression(tol=1e-8, max_iter=10_000), LinearRegression():
        start = time.perf_counter()
        explainer = explained(make_pipeline(preprocessing(), model), X, y)
        fitted = explainer.estimator_[-1]
        names = list(explainer.estimator_[:-1].get_feature_names_out())
        seconds = time.perf_counter() - start
        print(f"{model}: {len(y):,} rows, {len(names)} columns; fit {seconds:.1f} s\n")
        print("| coefficient | before | influences alone | rows | share | after | s | CPU s |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        design = explainer.estimator_[:-1].transform(X)
        for name in ADULT_COLUMNS:
            start, started = time.perf_counter(), time.process_time()
            found = explainer.fragility(f"coef:{name}")
            seconds, busy = time.perf_counter() - start, time.process_time() - started
            after = f"{found.value_after:.4f}" if found.found else "none found"
            size, alone = f"{found.size:,}", "–"
            if isinstance(model, LogisticRegression):
                alone = f"{size_by_influences(design, y, fitted, names.index(name)):,}"
            print(
                f"| {name.partition('__')[2]} | {found.value_before:.4f} | {alone} | {size} "
                f"| {found.share:.2%} | {after} | {seconds:.1f} | {busy:.1f} |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--microcredit", metavar="PATH", help="csv file with y, D and site")
    parser.add_argument("--ruggedness", metavar="PATH", help="csv file of Nunn & Puga (2012)")
    parser.add_argument("--adult", metavar="PATH", help="csv file of the Adult data")
    parser.add_argument("--small", action="store_true", help="few problems and draws")
    options = parser.parse_args()
    stars()
    if options.microcredit:
        microcredit(options.microcredit)
    if options.ruggedness:
        ruggedness(options.ruggedness)
    enumeration(20 if options.small else 200)
    masking(3 if options.small else 20, 200 if options.small else 500)
    if options.adult:
        adult_times(options.adult)


if __name__ == "__main__":
    main()
