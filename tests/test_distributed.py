"""Worker processes give what one process gives, and data are sent to them once."""

import gc
import os
import pickle
import signal
import sys
import time
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
from sklearn_relatif.utils._distribution import (
    Parcel,
    WhileAlive,
    jobs,
    map_parts,
    part_slices,
)
from sklearn_relatif.utils._threads import n_blas_threads
from tests import cases

N_WORKERS = 2
SIGNS = ("positive", "negative", "absolute")


@contextmanager
def local_cluster(**options):
    distributed = pytest.importorskip("distributed")
    options |= {"n_workers": N_WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
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


class Traffic:
    """What a client sends, and what workers fetch from each other, since it was asked last."""

    def __init__(self, client, monkeypatch):
        kind = type(client)
        scatter, submit = kind.scatter, kind.submit
        self.client, self.scattered, self.submitted, self.n_fetched = client, [], [], 0

        def count_scattered(client, data, *args, **kwargs):
            self.scattered += [len(pickle.dumps(one)) for one in data]
            return scatter(client, data, *args, **kwargs)

        def count_submitted(client, function, *args, tasks, **kwargs):
            parcels = [it for _, given, _ in tasks for it in given if isinstance(it, Parcel)]
            self.submitted.append(sum(len(pickle.dumps(parcel)) for parcel in parcels))
            return submit(client, function, *args, tasks=tasks, **kwargs)

        monkeypatch.setattr(kind, "scatter", count_scattered)
        monkeypatch.setattr(kind, "submit", count_submitted)
        self.taken()

    def taken(self):
        """Bytes of each object put on a worker and of each task, and how often workers fetched."""
        fetched = sum(self.client.run(fetches).values())
        found = [*self.scattered], [*self.submitted], fetched - self.n_fetched
        self.scattered.clear()
        self.submitted.clear()
        self.n_fetched = fetched
        return found


def fetches(dask_worker):
    return dask_worker.state.transfer_incoming_count_total


def binary_problem(n_rows=4000, n_features=50):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_rows, n_features)), np.arange(n_rows) % 2
    return X, y, LogisticRegression().fit(X, y)


def test_nothing_is_sent_twice(dask, monkeypatch):
    X, y, model = binary_problem()
    vector, factor, small = y.nbytes, 8 * 51 * 51, 3_000
    traffic = Traffic(dask, monkeypatch)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    scattered, submitted, fetched = traffic.taken()
    # For each worker its part of the features, of the labels with the weights, of the unit
    # residuals and of their lengths; and the factor of the curvature.
    assert len(scattered) == 5 * N_WORKERS
    sizes = X.nbytes + 4 * vector + N_WORKERS * factor
    assert sizes < sum(scattered) < sizes + 5 * N_WORKERS * small
    assert max(submitted) < small
    assert fetched == 0
    batches = [X[start : start + 10] for start in range(0, 30, 10)]
    expected = []
    for queries, criterion in zip(batches, cases.CRITERIA, strict=True):
        expected.append(explainer.explain(queries, criterion=criterion))
        scattered, submitted, fetched = traffic.taken()
        # The queries, and what turns products into a criterion that was not asked for before.
        assert sum(scattered) < vector + N_WORKERS * (queries.nbytes + small)
        assert max(submitted) < small
        assert fetched == 0
    for queries, criterion, before in zip(batches, cases.CRITERIA, expected, strict=True):
        found = explainer.explain(queries, criterion=criterion)
        assert_array_equal(found.scores, before.scores)
        scattered, submitted, fetched = traffic.taken()
        assert len(scattered) == N_WORKERS
        assert sum(scattered) < N_WORKERS * (queries.nbytes + small)
        assert max(submitted) < small
        assert fetched == 0


def test_workers_let_go_of_what_is_gone_here(dask):
    X, y, model = binary_problem(400, 5)
    before = kept_by(dask)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    explainer.explain(X[:5])
    first = kept_by(dask)
    assert first > before
    for start in range(5, 30, 5):
        explainer.explain(X[start : start + 5])
        assert kept_by(dask) == first
    del explainer
    assert kept_by(dask) == before


def kept_by(client):
    """Objects that workers hold, once they have let go of what they were told to."""
    gc.collect()
    counts = []
    while len(counts) < 3 or len(set(counts[-3:])) > 1:
        time.sleep(0.05)
        counts.append(sum(client.run(n_held).values()))
    return counts[-1]


def n_held(dask_worker):
    return len(dask_worker.data)


def test_another_fit_of_the_same_array_is_sent_anew(dask):
    """Arrays may be changed in their place, and are not told by their address."""
    X, y, model = binary_problem(400, 5)
    RelatIFExplainer.from_fitted(model, X, y).explain(X[:5])
    X += X**2
    y[:] = y[::-1].copy()
    model.fit(X, y)
    found = RelatIFExplainer.from_fitted(model, X, y).explain(X[:5])
    expected = RelatIFExplainer.from_fitted(model, X, y, n_jobs=1).explain(X[:5])
    assert_array_equal(found.indices, expected.indices)
    assert_allclose(found.scores, expected.scores)


def test_workers_in_this_process_keep_nothing():
    """They would keep the data themselves, which then would never be gone."""
    with local_cluster(processes=False) as client, parallel_config(backend="dask", client=client):
        X, y, model = binary_problem(400, 5)
        before = kept_by(client)
        explainer = RelatIFExplainer.from_fitted(model, X, y)
        found = explainer.explain(X[:5])
        with parallel_config(n_jobs=1):
            assert_array_equal(found.indices, explainer.explain(X[:5]).indices)
        del explainer
        assert kept_by(client) == before


def test_clients_that_are_closed_are_let_go_of(cluster):
    X, y, model = binary_problem(400, 5)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    expected, clients = explainer.explain(X[:5]), []
    for _ in range(3):
        with type(cluster)(cluster.cluster) as client, parallel_config("dask", client=client):
            assert_allclose(explainer.explain(X[:5]).scores, expected.scores)
            clients.append(client)
    held = list(_distribute._SENT)
    assert clients[-1] in held
    assert clients[0] not in held and clients[1] not in held


@pytest.mark.parametrize("error", [OSError, KeyError])
def test_a_worker_that_is_gone_when_data_are_sent_to_it(dask, monkeypatch, error):
    X, y, model = binary_problem(400, 5)
    scatter, failures = dask.scatter, [error("gone")]

    def fail_once(*arguments, **options):
        if failures:
            raise failures.pop()
        return scatter(*arguments, **options)

    monkeypatch.setattr(dask, "scatter", fail_once)
    found = RelatIFExplainer.from_fitted(model, X, y).explain(X[:5])
    assert not failures
    expected = RelatIFExplainer.from_fitted(model, X, y, n_jobs=1).explain(X[:5])
    assert_allclose(found.scores, expected.scores)


def test_values_belong_to_objects_and_not_to_what_equals_them():
    values, one, other = WhileAlive(), np.zeros(3), np.zeros(3)
    values.keep([one, other], "both")
    values.keep([one], "one")
    assert values.get([one, other]) == "both"
    assert values.get([other, one]) is None
    assert values.get([np.zeros(3)], "none") == "none"
    del other
    values.keep([one], "again")
    assert len(values._values) == 1 and values.get([one]) == "again"
    del one
    assert not values._values


def test_a_single_process_has_no_use_for_what_workers_hold():
    with pytest.raises(CancelledError):
        _distribute._on_part(len, 1, "a name of data on a worker")


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
    X, y, model = binary_problem()
    np.save(tmp_path / "X.npy", X)
    held = RelatIFExplainer.from_fitted(model, X, y, n_jobs=1)
    traffic = Traffic(dask, monkeypatch)
    mapped = RelatIFExplainer.from_fitted(model, np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    found = [mapped.explain(X[start : start + 20]) for start in range(0, 60, 20)]
    scattered, submitted, fetched = traffic.taken()
    assert sum(scattered) + sum(submitted) < X.nbytes / 4
    assert fetched == 0
    for start, explanation in zip(range(0, 60, 20), found, strict=True):
        expected = held.explain(X[start : start + 20])
        assert_array_equal(explanation.indices, expected.indices)
        assert_allclose(explanation.scores, expected.scores)


def threads_of(part):
    return os.getpid(), n_blas_threads()


@pytest.mark.parametrize("backend", ["dask", "loky"])
def test_workers_do_not_oversubscribe_the_cores(request, backend):
    options = {"client": request.getfixturevalue("cluster")} if backend == "dask" else {}
    with parallel_config(backend=backend, n_jobs=N_WORKERS, **options):
        found = dict(map_parts(threads_of, [(None,)] * N_WORKERS))
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
    (numbers,) = part
    return numbers.sum()


class DeadlyKernel:
    """A linear kernel that kills the first worker process which evaluates it."""

    def __init__(self, flag):
        self.flag, self.main = flag, os.getpid()

    def __call__(self, a, b):
        if os.getpid() != self.main:
            die_once(self.flag)
        return a @ b.T


def test_data_that_are_lost_with_a_worker_are_sent_again(mortal, tmp_path):
    parts = [(np.full(10_000, part),) for part in range(4)]
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
        map_parts(len, [(1,), (2,)])
    assert len(calls) == _distribute.ATTEMPTS
