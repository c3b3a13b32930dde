"""Training features in a memory-mapped file give the same explanations, and stay in the file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.objectives import _stored
from tests import cases

EXPLAIN_FROM_A_FILE = """
import sys
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn_relatif import RelatIFExplainer


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))


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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc")
def test_memory_does_not_hold_the_features(tmp_path):
    n_rows, n_features, n_parts = 500_000, 200, 10
    rng = np.random.default_rng(0)
    part = rng.standard_normal((n_rows // n_parts, n_features), dtype=np.float32)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n_rows, n_features))
    for start in range(0, n_rows, len(part)):
        X[start : start + len(part)] = part
    labels = part[:, 0] + rng.standard_normal(len(part)) > 0
    np.save(tmp_path / "y.npy", np.tile(labels, n_parts))
    arguments = [EXPLAIN_FROM_A_FILE, str(tmp_path / "X.npy"), str(tmp_path / "y.npy")]
    done = subprocess.run(
        [sys.executable, "-c", *arguments], check=True, capture_output=True, text=True
    )
    # The file has 400 MB; blocks take up to 32 MB each, and vectors of n_rows 8 MB each.
    assert float(done.stdout) < 300
