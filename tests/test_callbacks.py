"""scikit-learn's callbacks of ``fit``, from 1.9 on."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from tests import cases

callback = pytest.importorskip("sklearn.callback")


class Recorder:
    """Writes down which hook was called for which task."""

    def __init__(self):
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append(("setup", type(estimator).__name__))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.calls.append(("begin", context.task_name, None if X is None else X.shape))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None):
        self.calls.append(("end", context.task_name, None if X is None else X.shape))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", type(estimator).__name__))


class PropagatedRecorder(Recorder):
    """As Recorder; follows the estimators inside."""

    max_propagation_depth = None


def problem():
    return cases.noisy_classes(2)


def test_fit_reports_its_two_steps():
    X, y = problem()
    recorder = Recorder()
    RelatIFExplainer(LogisticRegression()).set_callbacks(recorder).fit(X, y)
    shape = X.shape
    assert recorder.calls == [
        ("setup", "RelatIFExplainer"),
        ("begin", "fit", shape),
        ("begin", "fit estimator", shape),
        ("end", "fit estimator", shape),
        ("begin", "factor curvature", shape),
        ("end", "factor curvature", shape),
        ("end", "fit", shape),
        ("teardown", "RelatIFExplainer"),
    ]


def test_callbacks_follow_the_estimator_inside():
    X, y = problem()
    recorder = PropagatedRecorder()
    model = make_pipeline(StandardScaler(), LogisticRegression(solver="lbfgs"))
    RelatIFExplainer(model).set_callbacks(recorder).fit(X, y)
    tasks = [name for kind, name, *_ in recorder.calls if kind == "begin"]
    inside = tasks[tasks.index("fit estimator") + 1 : tasks.index("factor curvature")]
    assert inside, "the pipeline and the regression report nothing"
    assert [kind for kind, *_ in recorder.calls].count("setup") == 1


def test_callbacks_change_nothing():
    X, y = problem()
    plain = RelatIFExplainer(LogisticRegression()).fit(X, y)
    followed = RelatIFExplainer(LogisticRegression()).set_callbacks(Recorder()).fit(X, y)
    np.testing.assert_array_equal(plain.pairwise_influence(X), followed.pairwise_influence(X))
    assert followed.get_params().keys() == plain.get_params().keys()
    clone(followed).fit(X, y)


def test_teardown_after_an_error():
    recorder = Recorder()
    explainer = RelatIFExplainer(LogisticRegression()).set_callbacks(recorder)
    with pytest.raises(ValueError, match="NaN"):
        explainer.fit(np.array([[np.nan], [1.0]]), [0, 1])
    assert recorder.calls[-1] == ("teardown", "RelatIFExplainer")


def test_search_and_pipeline_pass_their_callbacks_on():
    X, y = problem()
    recorder = PropagatedRecorder()
    explainer = RelatIFExplainer(LogisticRegression(), n_retrainings=4, random_state=0)
    pipeline = make_pipeline(StandardScaler(), explainer)
    search = GridSearchCV(pipeline, {"relatifexplainer__damping": [0.0, 0.1]}, cv=2)
    search.set_callbacks(recorder).fit(X, y)
    tasks = [name for kind, name, *_ in recorder.calls if kind == "begin"]
    # Two candidates on two folds each, and the refit of the best.
    assert tasks.count("factor curvature") == 5


def test_progress_bar(capsys):
    pytest.importorskip("rich")
    X, y = problem()
    explainer = RelatIFExplainer(LogisticRegression()).set_callbacks(callback.ProgressBar())
    explainer.fit(X, y)
    assert "RelatIFExplainer" in "".join(capsys.readouterr())
