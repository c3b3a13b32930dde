"""Training features that are stored give the same explanations, and stay where they are."""

import gc
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.jacobians import StoredRows, _stored
from tests import cases

PEAK_MEMORY = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))

"""
EXPLAIN_FROM_A_FILE = """
import sys
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn_relatif import RelatIFExplainer

X, y = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2])
model = LogisticRegression(tol=1e-6).fit(np.array(X[:5000]), y[:5000])
before = peak()
warnings.simplefilter("ignore")  # the model was fitted on some of the rows only
RelatIFExplainer.from_fitted(model, X, y).explain(np.array(X[:20]))
print(peak() - before)
"""


@pytest.fixture
def on_disk(tmp_path):
    def save(X, mode="r"):
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode=mode)

    return save


def models():
    return {
        "binary": (LogisticRegression(max_iter=1000), cases.breast_cancer),
        "softmax": (LogisticRegression(max_iter=1000), cases.wine),
        "lasso": (LinearSVC(penalty="l1", dual=False, C=0.05, random_state=0), cases.breast_cancer),
        "hinge": (LinearSVC(loss="hinge", max_iter=1_000_000, random_state=0), cases.wine),
        "kernel": (SVC(), cases.wine),
    }


@pytest.mark.parametrize("case", list(models()))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mapped_features_explain_as_those_in_memory(on_disk, monkeypatch, case, dtype):
    monkeypatch.setattr(_stored, "READ_BYTES", 2**12)
    model, data = models()[case]
    X, y = data()
    X = X.astype(dtype)
    model.fit(X, y)
    mapped = RelatIFExplainer.from_fitted(model, on_disk(X), y)
    held = RelatIFExplainer.from_fitted(model, X, y)
    rtol = 100 * np.finfo(dtype).eps
    for criterion in cases.CRITERIA:
        found = mapped.pairwise_influence(X[:20], criterion=criterion)
        expected = held.pairwise_influence(X[:20], criterion=criterion)
        assert found.dtype == expected.dtype
        assert_allclose(found, expected, atol=rtol * np.abs(expected).max())
    assert_array_equal(mapped.explain(on_disk(X)[:20]).indices, held.explain(X[:20]).indices)


class Sliceable:
    """Features that can only be sliced, or asked for rising positions; it notes what is read."""

    def __init__(self, X):
        self._X = X
        self.shape, self.dtype = X.shape, X.dtype
        self.most_rows = self.n_reads = 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice) or np.all(np.diff(rows) > 0)
        block = self._X[rows]
        self.most_rows = max(self.most_rows, len(block))
        self.n_reads += len(block)
        return block


@pytest.mark.parametrize("data", [cases.breast_cancer, cases.wine])
def test_how_often_stored_features_are_read(data):
    """Once for the checks, predictor, gradient, Hessian and scales each; then once to explain."""
    X, y = data()
    source = Sliceable(X)
    model = LogisticRegression(max_iter=5000).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, source, y, criterion="theta_relative")
    # A row tells the type of the features, and another one whether they are sparse.
    assert source.n_reads == 5 * len(X) + 2
    before = source.n_reads
    explainer.explain(X[:2], criterion=cases.CRITERIA, n_examples=1)
    assert source.n_reads < before + 1.1 * len(X)


def pipelines():
    logistic = LogisticRegression(max_iter=2000)
    selected = SelectKBest(k=5)
    return {
        "plain": logistic,
        "scaled": make_pipeline(StandardScaler(), logistic),
        "scaled in place": make_pipeline(StandardScaler(copy=False), logistic),
        "more columns": make_pipeline(
            StandardScaler(), PolynomialFeatures(2, include_bias=False), selected, logistic
        ),
        "frames": make_pipeline(StandardScaler().set_output(transform="pandas"), logistic),
        "hinge": make_pipeline(
            StandardScaler(), LinearSVC(loss="hinge", max_iter=1_000_000, random_state=0)
        ),
        "sgd hinge": SGDClassifier(tol=1e-6, max_iter=5000, alpha=0.01, random_state=0),
        "lasso": make_pipeline(
            StandardScaler(), LinearSVC(penalty="l1", dual=False, C=0.05, random_state=0)
        ),
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", list(pipelines()))
def test_sliceable_features_are_read_in_blocks(monkeypatch, name):
    monkeypatch.setattr(_stored, "READ_BYTES", 2**13)
    X, y = cases.breast_cancer()
    X, queries = X[:, :10], Sliceable(X[:30, :10])
    model = pipelines()[name].fit(X, y)
    held = RelatIFExplainer.from_fitted(model, X, y)
    source = Sliceable(X)
    with config_context(working_memory=0.08):
        explainer = RelatIFExplainer.from_fitted(model, source, y)
        found = explainer.explain(queries, criterion=cases.CRITERIA, n_examples=2)
    # Where the dual of a hinge is searched in steps, they end where its value is flat.
    close = pytest.approx(held.distance_to_optimum_, rel=1e-4 if name == "sgd hinge" else 1e-6)
    assert explainer.distance_to_optimum_ == close
    assert source.most_rows < len(X) / 2
    for criterion, expected in held.explain(X[:30], criterion=cases.CRITERIA, n_examples=2).items():
        assert_allclose(found[criterion].scores, expected.scores)


def test_what_transformers_make_sparse_is_held_sparse(monkeypatch):
    monkeypatch.setattr(_stored, "READ_BYTES", 2**13)
    X, y = cases.breast_cancer()
    model = make_pipeline(KBinsDiscretizer(strategy="uniform"), LogisticRegression()).fit(X, y)
    source = Sliceable(X)
    explainer = RelatIFExplainer.from_fitted(model, source, y)
    assert sparse.issparse(explainer._study.objective.jacobian.X)
    assert source.most_rows < len(X) / 2
    held = RelatIFExplainer.from_fitted(model, X, y)
    assert_array_equal(explainer.explain(source).indices, held.explain(X).indices)


def test_positions_slices_and_masks():
    X = np.arange(24.0).reshape(12, 2)
    rows = StoredRows(Sliceable(X))
    part = rows.part(slice(3, 10))
    assert part.shape == (7, 2) and len(rows[20:]) == 0
    assert_array_equal(part[:], X[3:10])
    assert_array_equal(part[1:3], X[4:6])
    assert_array_equal(part[::2], X[3:10:2])
    assert_array_equal(part[np.array([5, 0, 5])], X[[8, 3, 8]])
    assert_array_equal(part[[]], X[:0])
    assert_array_equal(part[np.arange(7) > 4], X[8:10])
    assert_array_equal(part.take_columns(np.array([1]))[:], X[3:10, 1:])
    assert part.astype(np.float32)[:2].dtype == np.float32


@pytest.mark.parametrize("view", [slice(None), slice(701, None), slice(3, 1500)])
def test_parts_of_a_file_pickle_as_its_name(on_disk, view):
    X = np.random.default_rng(0).normal(size=(2000, 30))
    part = StoredRows(on_disk(X)[view]).part(slice(100, 600))
    saved = pickle.dumps(part)
    assert len(saved) < 1000
    assert_array_equal(pickle.loads(saved)[:], X[view][100:600])
    assert_array_equal(part[::3], X[view][100:600:3])


def test_no_features_are_an_error():
    X, y = cases.breast_cancer()
    model = LogisticRegression(max_iter=1000).fit(X, y)
    with pytest.raises(ValueError, match="0 sample"):
        RelatIFExplainer.from_fitted(model, Sliceable(X[:0]), y[:0])


def test_retraining_reads_the_file(on_disk):
    X, y = cases.breast_cancer()
    model = LogisticRegression(max_iter=1000, tol=1e-8).fit(X, y)
    mapped = RelatIFExplainer.from_fitted(model, on_disk(X), y)
    held = RelatIFExplainer.from_fitted(model, X, y)
    assert_allclose(mapped.leverage_, held.leverage_)
    assert_allclose(mapped.removal_effect(X[:5]), held.removal_effect(X[:5]))
    (one,), (other,) = mapped.retrain_without([[3, 4]]), held.retrain_without([[3, 4]])
    assert_allclose(one.coef_, other.coef_, atol=1e-9)


def test_wide_features_are_reduced(on_disk):
    X, y = cases.digits(40)
    model = LogisticRegression().fit(X, y)
    mapped = RelatIFExplainer.from_fitted(model, on_disk(X), y, solver="woodbury")
    held = RelatIFExplainer.from_fitted(model, X, y, solver="woodbury")
    assert_array_equal(mapped.explain(X).indices, held.explain(X).indices)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_invalid_values_are_found_wherever_they_are(on_disk, monkeypatch, value):
    monkeypatch.setattr(_stored, "READ_BYTES", 2**12)
    X, y = cases.breast_cancer()
    model = LogisticRegression(max_iter=1000).fit(X, y)
    X[-1, -1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        RelatIFExplainer.from_fitted(model, on_disk(X), y)


def test_wrong_number_of_features_is_an_error(on_disk):
    X, y = cases.breast_cancer()
    model = LogisticRegression(max_iter=1000).fit(X, y)
    with pytest.raises(ValueError, match="29 features"):
        RelatIFExplainer.from_fitted(model, on_disk(X[:, 1:]), y)


def test_what_was_written_to_a_private_mapping_is_kept(on_disk):
    X, y = cases.breast_cancer()
    mapping = on_disk(np.zeros_like(X), mode="c")
    mapping[:] = X
    model = LogisticRegression(max_iter=1000).fit(X, y)
    RelatIFExplainer.from_fitted(model, mapping, y).explain(mapping)
    assert_array_equal(mapping, X)


def test_whole_numbers_are_converted(on_disk):
    X, y = cases.breast_cancer()
    X = np.round(10 * X).astype(np.int16)
    model = LogisticRegression(max_iter=5000).fit(X, y)
    mapped = RelatIFExplainer.from_fitted(model, on_disk(X), y)
    held = RelatIFExplainer.from_fitted(model, X, y)
    assert_array_equal(mapped.explain(X[:20]).indices, held.explain(X[:20]).indices)


def memory_of(script, *paths):
    """What a script, given some paths, says that it needed, in MB."""
    command = [sys.executable, "-c", PEAK_MEMORY + script, *map(str, paths)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


reads_peak_memory = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads peak memory from /proc"
)


@reads_peak_memory
def test_memory_does_not_hold_the_features(tmp_path):
    n_rows, n_features, n_parts = 500_000, 200, 10
    rng = np.random.default_rng(0)
    part = rng.standard_normal((n_rows // n_parts, n_features), dtype=np.float32)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n_rows, n_features))
    for start in range(0, n_rows, len(part)):
        X[start : start + len(part)] = part
    labels = part[:, 0] + rng.standard_normal(len(part)) > 0
    np.save(tmp_path / "y.npy", np.tile(labels, n_parts))
    # The file has 400 MB; blocks take up to 32 MB each, and vectors of n_rows 8 MB each.
    assert memory_of(EXPLAIN_FROM_A_FILE, tmp_path / "X.npy", tmp_path / "y.npy") < 300


def test_memory_does_not_grow_with_batches(on_disk):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 10), dtype=np.float32)
    y = X[:, 0] + rng.standard_normal(len(X)) > 0
    model = LogisticRegression().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, on_disk(X), y)
    held, peaks = [], []
    tracemalloc.start()
    try:
        for _ in range(5):
            tracemalloc.reset_peak()
            queries = rng.standard_normal((50, 10), dtype=np.float32)
            found = explainer.explain(queries, criterion=cases.CRITERIA)
            del queries, found
            gc.collect()
            current, peak = tracemalloc.get_traced_memory()
            held.append(current)
            peaks.append(peak)
    finally:
        tracemalloc.stop()
    # A number of single precision for each row would be 80,000 bytes. Threads differ in what they
    # hold at the same time.
    assert max(held[1:]) - min(held[1:]) < 20_000
    assert max(peaks[1:]) < 1.5 * peaks[0]


SCATTERED_ROWS_OF_A_FILE = """
import sys

import numpy as np
from sklearn_relatif.jacobians._stored import stored

X = np.load(sys.argv[1], mmap_mode="r")
rows, before = stored(X), peak()
read = rows[np.arange(0, len(X), len(X) // 3000)]
assert (read[:, 0] == np.arange(0, len(X), len(X) // 3000)).all()
print(peak() - before)
"""


@reads_peak_memory
def test_scattered_rows_do_not_bring_in_what_lies_around_them(tmp_path):
    """The system maps up to megabytes around each row that is read of a mapping."""
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (300_000, 200))
    X[:, 0] = np.arange(len(X))
    X.flush()
    # Of a file of 240 MB; the rows themselves have 2.4 MB.
    assert memory_of(SCATTERED_ROWS_OF_A_FILE, tmp_path / "X.npy") < 120
