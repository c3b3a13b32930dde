"""Worker processes give what one process gives, and data are sent to them once."""

import os
import pickle
import signal
import sys
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.utils import _distribution as _distribute
from sklearn_relatif.utils._distribution import Parcel, jobs, map_parts, part_slices
from sklearn_relatif.utils._threads import n_blas_threads
from tests import cases

N_WORKERS = 2
SIGNS = ("positive", "negative", "absolute")


@contextmanager
def local_cluster():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": N_WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        client.wait_for_workers(N_WORKERS)
        yield client


@pytest.fixture(scope="module")
def cluster():
    with local_cluster() as client:
        yield client


@pytest.fixture
def dask(cluster):
    with parallel_config(backend="dask", client=cluster):
        yield cluster


@pytest.fixture
def mortal():
    """Workers of which a test may kill some: others would have to wait until they are replaced."""
    with local_cluster() as client, parallel_config(backend="dask", client=client):
        yield


def text_like(rng):
    X = sparse.random(120, 300, 0.05, format="csr", random_state=rng)
    return X, np.arange(120) % 3


def problems():
    logistic = LogisticRegression(max_iter=2000, tol=1e-8)
    X, y = cases.breast_cancer()
    wine, kinds = cases.wine()
    words, topics = text_like(np.random.default_rng(0))
    return {
        "binary": (logistic, X, y, {}),
        "softmax": (logistic, wine, kinds, {}),
        "fisher": (logistic, wine, kinds, {"curvature": "fisher", "damping": 1e-3}),
        "empirical Fisher": (logistic, X, y, {"curvature": "empirical_fisher", "damping": 1e-3}),
        "single precision": (logistic, wine.astype(np.float32), kinds, {}),
        "squared hinge": (LinearSVC(random_state=0), wine, kinds, {}),
        "hinge": (LinearSVC(loss="hinge", max_iter=1_000_000, random_state=0), wine, kinds, {}),
        "lasso": (LinearSVC(penalty="l1", C=0.05, dual=False, random_state=0), X, y, {}),
        "kernel": (SVC(), wine, kinds, {}),
        "active set": (SVC(), X, y, {"curvature": "active_set"}),
        "sparse": (logistic, words, topics, {}),
        "sparse, woodbury": (logistic, words, topics == 0, {"solver": "woodbury"}),
        "conjugate gradients": (logistic, wine, kinds, {"solver": "cg"}),
    }


def assert_same(model, X, y, options, signs=("absolute",), **backend):
    """The explanations of some queries, by one process and by the workers of a backend."""
    model.fit(X, y)
    queries = X[:17]
    held = RelatIFExplainer.from_fitted(model, X, y, **options)
    with parallel_config(**backend):
        shared = RelatIFExplainer.from_fitted(model, X, y, **options)
        rtol = 1e-4 if held._study.objective.dtype == np.float32 else 1e-8
        for sign in signs:
            found = shared.explain(queries, sign=sign, criterion=cases.CRITERIA)
            with parallel_config(n_jobs=1):
                expected = held.explain(queries, sign=sign, criterion=cases.CRITERIA)
            for criterion in cases.CRITERIA:
                one, other = expected[criterion].scores, found[criterion].scores
                assert_allclose(other, one, rtol=rtol, atol=rtol * np.nanmax(np.abs(one)))
        matrices = shared.pairwise_influence(queries, criterion=cases.CRITERIA)
    for criterion, found in matrices.items():
        expected = held.pairwise_influence(queries, criterion=criterion)
        assert found.dtype == expected.dtype
        assert_allclose(found, expected, atol=rtol * np.abs(expected).max())
    assert_allclose(shared.scale_, held.scale_, rtol=rtol)


@pytest.mark.parametrize("name", list(problems()))
def test_a_cluster_gives_what_one_process_gives(cluster, name):
    assert_same(*problems()[name], SIGNS, backend="dask", client=cluster)


def test_processes_of_this_machine_give_what_one_process_gives():
    model, X, y, options = problems()["softmax"]
    assert_same(model, X, y, {**options, "n_jobs": N_WORKERS})


def test_a_backend_is_followed_only_as_far_as_n_jobs_says(cluster):
    with parallel_config(backend="dask", client=cluster):
        assert len(part_slices(10)) == N_WORKERS
        with jobs(1):
            assert len(part_slices(10)) == 1


def test_ray_gives_what_one_process_gives():
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        assert_same(*problems()["softmax"], backend="ray", n_jobs=N_WORKERS)
    finally:
        ray.shutdown()


# --- what is sent ------------------------------------------------------------------------------


def test_parcels_know_their_size():
    X, y = cases.breast_cancer()
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    rows, curvature = explainer._study.objective.rows, explainer._study.curvature
    vectors = rows.unit.nbytes + rows.norm.nbytes
    size = sys.getsizeof(Parcel(rows))
    assert X.nbytes + vectors < size < X.nbytes + vectors + 5_000
    assert sys.getsizeof(Parcel((rows, rows))) < size + 1_000
    assert sys.getsizeof(Parcel(curvature)) > 8 * rows.n_values**2
    csr = sparse.csr_array(X)
    assert sys.getsizeof(Parcel(csr)) > csr.data.nbytes + csr.indices.nbytes


def test_rows_are_sent_once_and_not_with_the_tasks(dask, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 50)), np.arange(4000) % 2
    model = LogisticRegression().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    scattered, submitted = [], []
    scatter, submit = type(dask).scatter, type(dask).submit

    def count_scattered(self, data, *args, **kwargs):
        scattered.append(len(pickle.dumps(data)))
        return scatter(self, data, *args, **kwargs)

    def count_submitted(self, function, *args, tasks, **kwargs):
        arguments = [(a, k) for _, a, k in tasks]
        is_local = [not isinstance(x, distributed.Future) for a, k in arguments for x in a]
        submitted.append(sum(is_local))
        return submit(self, function, *args, tasks=tasks, **kwargs)

    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(type(dask), "scatter", count_scattered)
    monkeypatch.setattr(type(dask), "submit", count_submitted)
    explainer.explain(X[:5])
    # A part of the rows for each worker, and what all of them need.
    assert len(scattered) == N_WORKERS + 1
    vectors = 3 * y.nbytes  # residuals, their lengths, and the factors of the criterion
    assert X.nbytes < sum(scattered) < X.nbytes + vectors + 50_000
    # What is left in a task is the function, not its data.
    assert submitted == [1] * N_WORKERS


def test_everything_is_fitted_again_on_workers(dask):
    X, y = cases.breast_cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    explainer = RelatIFExplainer(model).fit(X, y)
    groups = np.where(np.arange(len(X)) < 3, np.arange(len(X)), np.nan)
    asked = {"order": "retrain", "procedure": "all"}
    found = explainer.removal_effect(X[:5], y[:5], groups, **asked)
    with parallel_config(n_jobs=1):
        expected = explainer.set_params(n_jobs=1).removal_effect(X[:5], y[:5], groups, **asked)
    assert_allclose(found, expected, atol=1e-12)
    (model,) = explainer.set_params(n_jobs=None).retrain_without([3], procedure="all")
    assert model[0].n_samples_seen_ == len(X) - 1


def test_rows_of_a_file_are_not_sent(dask, monkeypatch, tmp_path):
    X, y = cases.breast_cancer()
    np.save(tmp_path / "X.npy", X)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    held = RelatIFExplainer.from_fitted(model, X, y, n_jobs=1)
    parcels = []

    def note_size(content):
        parcels.append(len(pickle.dumps(content)))
        return Parcel(content)

    monkeypatch.setattr(_distribute, "Parcel", note_size)
    mapped = RelatIFExplainer.from_fitted(model, np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    found = mapped.explain(X[:20])
    assert len(parcels) == 3 * (N_WORKERS + 1)
    assert sum(parcels) < X.nbytes
    assert_array_equal(found.indices, held.explain(X[:20]).indices)


def threads_of(part):
    return os.getpid(), n_blas_threads()


@pytest.mark.parametrize("backend", ["dask", "loky"])
def test_workers_do_not_oversubscribe_the_cores(request, backend):
    options = {"client": request.getfixturevalue("cluster")} if backend == "dask" else {}
    with parallel_config(backend=backend, n_jobs=N_WORKERS, **options):
        found = dict(map_parts(threads_of, [None] * N_WORKERS))
    assert os.getpid() not in found
    assert max(found.values()) * N_WORKERS <= max(joblib.cpu_count(), N_WORKERS)


def test_threads_are_no_workers():
    assert part_slices(10) == [slice(0, 10)]
    with parallel_config(backend="threading", n_jobs=N_WORKERS):
        assert part_slices(10) == [slice(0, 10)]


def test_parts_cover_the_rows():
    with parallel_config(n_jobs=3):
        assert part_slices(10) == [slice(0, 3), slice(3, 6), slice(6, 10)]
        assert part_slices(2) == [slice(0, 1), slice(1, 2)]
        assert part_slices(0) == [slice(0, 0)]


# --- a worker dies -----------------------------------------------------------------------------


def die_once(flag):
    """Kill the process that is the first to get here."""
    try:
        Path(flag).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def die_or_add(part, flag):
    die_once(flag)
    return part.sum()


class DeadlyKernel:
    """A linear kernel that kills the first worker process which evaluates it."""

    def __init__(self, flag):
        self.flag, self.main = flag, os.getpid()

    def __call__(self, a, b):
        if os.getpid() != self.main:
            die_once(self.flag)
        return a @ b.T


def test_data_that_are_lost_with_a_worker_are_sent_again(mortal, tmp_path):
    parts = [np.full(10_000, part) for part in range(4)]
    sums = map_parts(die_or_add, parts, tmp_path / "died")
    assert (tmp_path / "died").exists()
    assert_array_equal(sums, [0, 10_000, 20_000, 30_000])


def test_an_explanation_survives_the_death_of_a_worker(mortal, tmp_path):
    X, y = cases.wine()
    model = SVC(kernel=DeadlyKernel(tmp_path / "died")).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert not (tmp_path / "died").exists()
    found = explainer.explain(X)
    assert (tmp_path / "died").exists()
    with parallel_config(n_jobs=1):
        expected = explainer.explain(X)
    assert_array_equal(found.indices, expected.indices)
    assert_allclose(found.scores, expected.scores)


def test_losing_every_time_is_an_error(monkeypatch):
    calls = []

    def lose(self, tasks):
        calls.append(self)
        raise CancelledError

    monkeypatch.setattr(_distribute.Parallel, "__call__", lose)
    with pytest.raises(CancelledError):
        map_parts(len, [[1], [2]])
    assert len(calls) == _distribute.ATTEMPTS
