"""Explainers survive being saved, fail clearly across releases, and can be made compact."""

import importlib
import inspect
import io
import json
import pickle
import zipfile
from dataclasses import replace
from functools import partial

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from sklearn_relatif import CompactExplainer, RelatIFExplainer, trusted_types
from sklearn_relatif.adapters import MachineFits
from sklearn_relatif.explainers import _compact
from sklearn_relatif.jacobians import MappedFile, StoredRows
from tests import cases

SINGLE_PRECISION = 10 * np.finfo(np.float32).eps


def fitted(case):
    """An explainer of a kind, and some queries."""
    options = {}
    X, y = cases.breast_cancer()
    model = LogisticRegression(max_iter=1000)
    if case == "softmax":
        X, y = cases.digits(300)
    elif case == "sparse":
        X, y = cases.text()
    elif case == "sparse, row space":
        (X, y), options = cases.text(60), {"solver": "woodbury"}
    elif case == "pipeline":
        X, model = 50 * X + 1000, make_pipeline(StandardScaler(), model)
    elif case == "lasso":
        model = LinearSVC(penalty="l1", dual=False, C=0.05, random_state=0)
    elif case == "hinge":
        model = LinearSVC(loss="hinge", max_iter=1_000_000, random_state=0)
    elif case == "conjugate gradients":
        options = {"solver": "cg"}
    elif case in ("kernel", "followed removal"):
        model = SVC()
    elif case in ("active set", "several machines"):
        model, options = SVC(), {"curvature": "active_set"}
    elif case == "descent":
        model, options = SGDClassifier(loss="modified_huber", random_state=0), {"damping": 1e-3}
    elif case == "classes apart":
        model = OneVsRestClassifier(model)
    elif case in APPROXIMATE:
        options = {"solver": case, "damping": 1e-2, "random_state": 0}
    if case in ("several machines", "classes apart"):
        X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(model, **options).fit(X, y)
    if case == "followed removal":
        explainer.removal_effect(X[:2], y[:2], groups=np.arange(len(y)) % 40)
    return explainer, X[:20]


LINEAR = ["binary", "softmax", "sparse", "sparse, row space", "pipeline", "lasso", "hinge"]
UNCOMPACTABLE = ["conjugate gradients", "kernel", "active set"]
APPROXIMATE = ["lissa", "block_diagonal", "kfac", "ekfac"]
OTHERS = ["several machines", "followed removal", "descent", "classes apart", *APPROXIMATE]


def by_pickle(explainer, folder):
    return pickle.loads(pickle.dumps(explainer))


def by_joblib(explainer, folder):
    joblib.dump(explainer, folder / "explainer.joblib")
    return joblib.load(folder / "explainer.joblib")


def by_mapping(explainer, folder):
    joblib.dump(explainer, folder / "explainer.joblib")
    return joblib.load(folder / "explainer.joblib", mmap_mode="r")


def by_skops(explainer, folder):
    skops = pytest.importorskip("skops.io")
    return skops.loads(skops.dumps(explainer), trusted=trusted_types())


@pytest.mark.parametrize("reload", [by_pickle, by_joblib, by_mapping, by_skops])
@pytest.mark.parametrize("case", LINEAR + UNCOMPACTABLE)
def test_saved_explainer_explains_the_same(case, reload, tmp_path):
    explainer, X = fitted(case)
    loaded = reload(explainer, tmp_path)
    assert_array_equal(loaded.pairwise_influence(X), explainer.pairwise_influence(X))
    assert_array_equal(loaded.explain(X).indices, explainer.explain(X).indices)
    assert_array_equal(loaded.predict(X), explainer.predict(X))


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.parametrize("case", OTHERS)
def test_what_is_saved_is_trusted(case, tmp_path):
    explainer, X = fitted(case)
    loaded = by_skops(explainer, tmp_path)
    assert_array_equal(loaded.pairwise_influence(X), explainer.pairwise_influence(X))


def by_method(report, victim):
    """A dictionary whose key, the name of a file, is made by a report's `to_html`."""
    return {"made by": report.to_html}, crafted_key(victim)


def by_partial(report, victim):
    """The same by a function with some of its arguments."""
    return {"made by": partial(report.to_html, n_rows=1)}, crafted_key(victim)


def by_function(report, victim):
    """An object that is made by a function: here, the command line."""
    arguments = (["audit", "--test-size", "0", "--output", str(victim)],)
    return {"arguments": arguments}, crafted_call("sklearn_relatif.cli._command", "main")


def crafted_call(module, name):
    def craft(state):
        return {
            "__class__": name,
            "__module__": module,
            "__loader__": "ConstructorFromReduceNode",
            "content": state["content"]["arguments"],
        }

    return craft


def crafted_key(name):
    def craft(state):
        number = {
            "__class__": "int",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "content": "0",
        }
        state["key_types"]["content"] = [state["content"]["made by"]]
        state["content"] = {str(name): number}
        return state

    return craft


def crafted_file(content, craft):
    """What skops saves of some content, with another description of what it is."""
    skops = pytest.importorskip("skops.io")
    with zipfile.ZipFile(io.BytesIO(skops.dumps(content))) as saved:
        files = {name: saved.read(name) for name in saved.namelist()}
    state = json.loads(files["schema.json"])
    about = {name: state[name] for name in ("protocol", "_skops_version")}
    files["schema.json"] = json.dumps(craft(state) | about)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as crafted:
        for name, bytes_of_file in files.items():
            crafted.writestr(name, bytes_of_file)
    return written.getvalue()


@pytest.mark.parametrize("attack", [by_method, by_partial, by_function])
def test_crafted_files_of_skops_write_nothing(attack, tmp_path):
    skops = pytest.importorskip("skops.io")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    data = crafted_file(*attack(fitted("binary")[0].audit(), victim))
    with pytest.raises(TypeError, match="Untrusted types"):
        skops.loads(data, trusted=trusted_types())
    assert victim.read_text() == "untouched"
    # The file is what it is taken for: whoever trusted all of it would lose theirs.
    skops.loads(data, trusted=skops.get_untrusted_types(data=data))
    assert victim.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_crafted_machines_fit_no_other_model(tmp_path):
    """Whose cache would be written to, or read by pickle from, any folder."""
    skops = pytest.importorskip("skops.io")
    X, y = cases.breast_cancer()
    objective = RelatIFExplainer(NuSVC()).fit(X[:100], y[:100])._study.objective
    caching = make_pipeline(StandardScaler(), LogisticRegression(), memory=str(tmp_path / "cache"))
    for fits in (
        caching,
        MachineFits("NuSVC", CalibratedClassifierCV(caching)),
        MachineFits("NuSVC", {"kernel": caching}),
    ):
        arguments = (replace(objective, fits=fits), "", None)
        call = crafted_call("sklearn_relatif.removal.active_set._machines", "RefittedMachine")
        data = crafted_file({"arguments": arguments}, call)
        with pytest.raises((AttributeError, TypeError, ValueError)):
            skops.loads(data, trusted=trusted_types())
        assert list(tmp_path.iterdir()) == []


def test_crafted_rows_open_no_file(tmp_path):
    skops = pytest.importorskip("skops.io")
    names = np.array([str(tmp_path / "opened")], object)
    arguments = (names, (HashingVectorizer(input="filename"),))
    call = crafted_call("sklearn_relatif.jacobians._stored", "StoredRows")
    data = crafted_file({"arguments": arguments}, call)
    with pytest.raises(TypeError, match="Untrusted types"):
        skops.loads(data, trusted=trusted_types())
    with pytest.raises(FileNotFoundError, match="opened"):
        skops.loads(data, trusted=skops.get_untrusted_types(data=data))


def test_only_types_of_data_are_trusted():
    for name in trusted_types():
        module, _, kind = name.rpartition(".")
        kind = getattr(importlib.import_module(module), kind)
        assert inspect.isclass(kind) and not issubclass(kind, partial)
        assert not hasattr(kind, "to_html") and kind not in (MappedFile, StoredRows)


def test_mapped_explainer_does_all_that_a_fitted_one_does(tmp_path):
    explainer, X = fitted("softmax")
    loaded = by_mapping(explainer, tmp_path)
    labels = explainer.predict(X)
    assert isinstance(loaded._study.objective.jacobian.X, np.memmap)
    assert_array_equal(loaded.leverage_, explainer.leverage_)
    assert_array_equal(loaded.removal_effect(X, labels), explainer.removal_effect(X, labels))
    (one,), (other,) = loaded.retrain_without([3]), explainer.retrain_without([3])
    assert_array_equal(one.coef_, other.coef_)


@pytest.mark.parametrize("reload", [by_pickle, by_skops])
@pytest.mark.parametrize("case", ["sigmoid", "softmax"])
def test_explainers_can_be_saved_after_they_bounded_removals(case, reload, tmp_path):
    explainer, X = fitted(case)
    asked = X[:3], explainer.predict(X[:3])
    expected = explainer.removal_effect(*asked, order="auto", return_bounds=True)
    loaded = reload(explainer, tmp_path)
    for found in (explainer, loaded):
        assert_array_equal(found.removal_effect(*asked, order="auto", return_bounds=True), expected)


def test_unfitted_explainer_can_be_saved(tmp_path):
    explainer = RelatIFExplainer(LogisticRegression(C=0.5), damping=0.1)
    for reload in (by_pickle, by_joblib):
        assert str(reload(explainer, tmp_path).get_params()) == str(explainer.get_params())


def test_patch_releases_share_saved_explainers(monkeypatch):
    explainer, X = fitted("binary")
    monkeypatch.setattr("sklearn_relatif.explainers._persistence.__version__", "3.7.1")
    saved = pickle.dumps(explainer)
    monkeypatch.setattr("sklearn_relatif.explainers._persistence.__version__", "3.7.2")
    assert_array_equal(pickle.loads(saved).explain(X).indices, explainer.explain(X).indices)


@pytest.mark.parametrize("reload", [by_pickle, by_joblib, by_skops])
@pytest.mark.parametrize("compact", [False, True])
def test_another_minor_release_fails_clearly(monkeypatch, tmp_path, reload, compact):
    explainer, _ = fitted("binary")
    explainer = explainer.compact() if compact else explainer
    saving = pickle.dumps if reload is by_pickle else None
    if reload is by_skops:
        saving = pytest.importorskip("skops.io").dumps
    monkeypatch.setattr("sklearn_relatif.explainers._persistence.__version__", "3.7.1")
    if saving is None:
        joblib.dump(explainer, tmp_path / "explainer.joblib")
    else:
        saved = saving(explainer)
    monkeypatch.setattr("sklearn_relatif.explainers._persistence.__version__", "3.8.0")
    with pytest.raises(ValueError, match=r"saved by sklearn_relatif 3\.7\.1 and cannot .* 3\.8\.0"):
        if reload is by_pickle:
            pickle.loads(saved)
        elif reload is by_joblib:
            joblib.load(tmp_path / "explainer.joblib")
        else:
            pytest.importorskip("skops.io").loads(saved, trusted=trusted_types())


def test_release_is_checked_before_its_classes_are_looked_up(monkeypatch):
    explainer, _ = fitted("binary")
    monkeypatch.setattr("sklearn_relatif.explainers._persistence.__version__", "3.7.1")
    saved = pickle.dumps(explainer)
    monkeypatch.setattr("sklearn_relatif.explainers._persistence.__version__", "3.8.0")
    monkeypatch.delattr("sklearn_relatif.objectives._linear.LinearObjective")
    with pytest.raises(ValueError, match="RelatIFExplainer"):
        pickle.loads(saved)


def test_state_of_an_unknown_release_is_refused():
    explainer, _ = fitted("binary")
    state = {k: v for k, v in explainer.__getstate__().items() if "version" not in k}
    with pytest.raises(ValueError, match="an unknown release"):
        explainer.__setstate__(state)


@pytest.mark.parametrize("case", LINEAR)
@pytest.mark.parametrize("sign", ["positive", "absolute"])
def test_compact_explainer_explains_by_the_same_rows(case, sign):
    explainer, X = fitted(case)
    compact = explainer.compact()
    expected = explainer.explain(X, sign=sign, criterion=cases.CRITERIA)
    found = compact.explain(X, sign=sign, criterion=cases.CRITERIA)
    for criterion in cases.CRITERIA:
        assert_array_equal(found[criterion].indices, expected[criterion].indices)
        error = cases.relative_error(
            compact.pairwise_influence(X, criterion=criterion),
            explainer.pairwise_influence(X, criterion=criterion),
        )
        assert error < SINGLE_PRECISION
    assert found["influence"].training_rows is explainer.training_rows_
    assert_array_equal(compact.classes_, explainer.classes_)


@pytest.mark.parametrize("case", LINEAR)
def test_compact_explainer_can_be_saved(case, tmp_path):
    explainer, X = fitted(case)
    compact = explainer.compact()
    for reload in (by_pickle, by_joblib, by_mapping, by_skops):
        loaded = reload(compact, tmp_path)
        assert isinstance(loaded, CompactExplainer)
        assert_array_equal(loaded.pairwise_influence(X), compact.pairwise_influence(X))


def test_compact_explainer_holds_no_features():
    rng = np.random.default_rng(0)
    n_rows, n_features = 5000, 40
    X = rng.normal(size=(n_rows, n_features))
    y = (X[:, 0] + rng.normal(size=n_rows) > 0).astype(int)
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    size = len(pickle.dumps(explainer.compact()))
    vectors = 80 * n_rows  # labels, predictions, probabilities, index, norms, scales, residuals
    assert size < 4 * n_rows * (n_features + 1) + vectors
    stored = io.BytesIO()
    pickle.dump(explainer.compact(), stored)
    assert X[17].tobytes() not in stored.getvalue()
    assert X[17].astype(np.float32).tobytes() not in stored.getvalue()


def test_compacting_leaves_the_explainer_as_it_was():
    explainer, X = fitted("softmax")
    before = explainer.pairwise_influence(X)
    explainer.compact()
    assert_array_equal(explainer.pairwise_influence(X), before)
    assert np.isfinite(explainer.leverage_).all()


def test_columns_that_depend_on_others_do_not_hurt():
    X, y = cases.breast_cancer()
    X = np.column_stack([X, X[:, 0], np.full(len(X), 3.0), np.zeros(len(X)), X[:, 1] - X[:, 2]])
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    found, expected = explainer.compact().explain(X[:20]), explainer.explain(X[:20])
    assert_array_equal(found.indices, expected.indices)


@pytest.mark.parametrize("case", UNCOMPACTABLE)
def test_compact_refuses_what_needs_the_training_rows(case):
    explainer, _ = fitted(case)
    with pytest.raises(ValueError, match=r"^compact\(\)"):
        explainer.compact()


def pixels(constant):
    """Digits with a column that is the same in all rows, besides those that are 0."""
    X, y = load_digits(return_X_y=True)
    return np.column_stack([X[:300] / 16, np.full(300, constant)]), y[:300]


def test_compact_softmax_keeps_a_quarter_of_the_factor():
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(*pixels(0.0))
    n_params = explainer._study.objective.rows.n_values
    whole, compact = len(pickle.dumps(explainer)), len(pickle.dumps(explainer.compact()))
    factor, rows = 8 * n_params**2, 8 * 300 * 66
    assert whole > factor + rows
    assert compact < factor / 4 + 1.5 * rows


@pytest.mark.parametrize("constant", [0.0, 3.0])
def test_compact_explains_queries_with_features_that_no_training_row_had(constant):
    X, y = pixels(constant)
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    queries = X[:20] + np.random.default_rng(0).normal(size=(20, X.shape[1]))
    rounding = np.sqrt(explainer._study.objective.rows.n_values) * np.finfo(np.float32).eps
    for criterion in cases.CRITERIA:
        expected = explainer.pairwise_influence(queries, criterion=criterion)
        found = explainer.compact().pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(found, expected) < rounding


@pytest.mark.parametrize("damping", [1e-10, 1e-8, 1e-6, 1e-3])
@pytest.mark.parametrize("curvature", ["hessian", "fisher", "empirical_fisher"])
def test_compact_scores_keep_five_digits(curvature, damping):
    """In double precision where single does not: for queries far from the training rows too."""
    X, y = cases.wine()
    model = LogisticRegression(max_iter=5000).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y, curvature=curvature, damping=damping)
    compact = explainer.compact()
    queries = np.vstack([X[:40], np.random.default_rng(0).normal(size=(20, X.shape[1]))])
    for criterion in cases.CRITERIA:
        expected = explainer.pairwise_influence(queries, criterion=criterion)
        found = compact.pairwise_influence(queries, criterion=criterion)
        largest = np.abs(expected).max(axis=1, keepdims=True)
        assert np.abs((found - expected) / largest).max() < 2e-5
    is_hard = curvature == "empirical_fisher" and damping < 1e-3
    kept = compact._attribution.objective.rows.jacobian.dtype
    assert kept == (np.float64 if is_hard else np.float32)


def test_compact_scores_of_numbers_keep_five_digits():
    """For queries in directions in which no training row goes, that next to no penalty holds."""
    rng = np.random.default_rng(0)
    X, y, X_new = rng.normal(size=(40, 60)), rng.normal(size=40), rng.normal(size=(5, 60))
    explainer = RelatIFExplainer(Ridge(alpha=1e-4)).fit(X, y)
    both = explainer.compact(), explainer
    found, expected = (own.pairwise_influence(X_new, y[:5]) for own in both)
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


def test_compact_refuses_what_no_precision_keeps(monkeypatch):
    monkeypatch.setattr(_compact, "TOLERATED", 0.0)
    X, y = cases.wine()
    explainer = RelatIFExplainer(LogisticRegression(max_iter=5000)).fit(X, y)
    with pytest.raises(ValueError, match=r"compact\(\) cannot keep the scores.*damping=1e-3"):
        explainer.compact()
