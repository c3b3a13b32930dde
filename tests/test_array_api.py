"""Arrays of other libraries: converted where they can be, refused where scikit-learn keeps them."""

import re
from contextlib import ExitStack

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from tests import cases

#: The only solver of ridge that scikit-learn dispatches.
MODEL = Ridge(solver="svd")
X, y = cases.noisy_classes(2)
X, y = X[:, 1:], X[:, 0] + y


@pytest.fixture(params=["array_api_strict", "torch"])
def asarray(request):
    return pytest.importorskip(request.param).asarray


@pytest.fixture
def dispatching(monkeypatch):
    # scikit-learn wants to know that SciPy dispatches too, which nothing here needs.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with ExitStack() as stack:
        try:
            stack.enter_context(config_context(array_api_dispatch=True))
        except ImportError as error:
            pytest.skip(f"no dispatch: {error}")
        yield


def test_they_are_converted(asarray):
    explainer = RelatIFExplainer(MODEL).fit(asarray(X), asarray(y), asarray(np.ones(len(y))))
    expected = RelatIFExplainer(MODEL).fit(X, y)
    assert_allclose(
        explainer.removal_effect(asarray(X[:3]), asarray(y[:3])),
        expected.removal_effect(X[:3], y[:3]),
    )
    assert_array_equal(explainer.explain(asarray(X[:3])).indices, expected.explain(X[:3]).indices)
    nearest = NearestNeighborsExplainer().fit(asarray(X)).explain(asarray(X[:3]))
    assert_array_equal(nearest.indices[:, 0], [0, 1, 2])


@pytest.mark.usefixtures("dispatching")
def test_they_are_refused_where_scikit_learn_keeps_them(asarray):
    library = re.escape(type(asarray(X)).__module__.partition(".")[0])
    explainer = RelatIFExplainer(MODEL).fit(X, y)
    nearest = NearestNeighborsExplainer().fit(X)
    A, b, weight = asarray(X), asarray(y), asarray(np.ones(len(y)))
    fitted = clone(MODEL).fit(X, y)
    for name, call in (
        ("X", lambda: RelatIFExplainer(MODEL).fit(A, b)),
        ("X", lambda: RelatIFExplainer(make_pipeline(MinMaxScaler(), MODEL)).fit(A, b)),
        ("y", lambda: RelatIFExplainer(MODEL).fit(X, b)),
        ("sample_weight", lambda: RelatIFExplainer(MODEL).fit(X, y, weight)),
        ("X", lambda: RelatIFExplainer.from_fitted(fitted, A, b)),
        ("X", lambda: explainer.explain(A)),
        ("X", lambda: explainer.pairwise_influence(A)),
        ("X", lambda: explainer.transform(A)),
        ("X", lambda: explainer.compact().explain(A)),
        ("X", lambda: explainer.removal_effect(A, b)),
        ("y", lambda: explainer.removal_effect(X, b)),
        ("X", lambda: NearestNeighborsExplainer().fit(A)),
        ("X", lambda: nearest.explain(A)),
    ):
        message = (
            rf"^{name} is an array of {library}, and explanations are computed with NumPy: pass "
            rf"np\.asarray\({name}\), or {name}\.cpu\(\)\.numpy\(\) from a GPU\.$"
        )
        with pytest.raises(TypeError, match=message):
            call()


def test_models_that_were_fitted_to_them_are_refused(asarray, dispatching):
    message = (
        r"^{} was fitted to arrays of \w+ \(\w+ is one\), and explanations are computed with "
        r"NumPy: fit it to np\.asarray\(X\), or X\.cpu\(\)\.numpy\(\) from a GPU\.$"
    )
    model = clone(MODEL).fit(asarray(X), asarray(y))
    with pytest.raises(TypeError, match=message.format("Ridge")):
        RelatIFExplainer.from_fitted(model, X, y)
    pipeline = make_pipeline(MinMaxScaler(), LogisticRegression())
    pipeline.fit(X, y > 0)
    pipeline[0].fit(asarray(X))
    with pytest.raises(TypeError, match=message.format("MinMaxScaler")):
        RelatIFExplainer.from_fitted(pipeline, X, y > 0)
    with config_context(array_api_dispatch=False), pytest.raises(TypeError, match="Ridge was"):
        RelatIFExplainer.from_fitted(model, X, y)


@pytest.mark.usefixtures("dispatching")
def test_numpy_sparse_frames_and_arrow_are_as_ever():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    from scipy import sparse

    expected = RelatIFExplainer(MODEL).fit(X, y).explain(X[:3]).indices
    for rows in (pd.DataFrame(X), X.tolist(), np.asfortranarray(X)):
        explainer = RelatIFExplainer(MODEL).fit(rows, pa.array(y))
        assert_array_equal(explainer.explain(rows[:3]).indices, expected)
    plain = Ridge(fit_intercept=False)
    explainer = RelatIFExplainer(plain).fit(sparse.csr_array(X), y)
    assert_array_equal(
        explainer.explain(sparse.csr_array(X)[:3]).indices,
        RelatIFExplainer(plain).fit(X, y).explain(X[:3]).indices,
    )
