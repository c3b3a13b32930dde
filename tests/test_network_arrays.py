"""Modules whose derivatives stay on a device, here PyTorch's arrays in this machine's memory."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.jacobians import ModuleFunction
from sklearn_relatif.networks import TorchClassifier, TorchRegressor
from sklearn_relatif.utils import _arrays
from sklearn_relatif.utils._arrays import Place, on_host
from tests import cases

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (of torch)

#: Networks are explained where they are, which seldom is an optimum.
pytestmark = pytest.mark.filterwarnings("ignore:The model is not at the optimum")
NUMBERS = ("self_influence_", "leverage_", "distance_to_optimum_")


@pytest.fixture
def on_device(monkeypatch):
    """Let modules keep their derivatives, as they do on a device."""
    tensor = torch.zeros(1)
    try:
        place = Place.of(tensor)
    except ImportError as error:
        pytest.skip(str(error))

    def switch():
        monkeypatch.setattr(ModuleFunction, "place", property(lambda _: place))

    return switch


def network(n_outputs, dtype):
    torch.manual_seed(0)
    layers = nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, n_outputs)
    return nn.Sequential(*layers).to(dtype)


def explained(model, X, y, kind, damping, **params):
    return RelatIFExplainer.from_fitted(model, X, y, curvature=kind, damping=damping, **params)


@pytest.mark.parametrize("kind", ["gauss_newton", "fisher", "empirical_fisher", "identity"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-3)])
def test_they_are_explained_as_by_numpy(kind, dtype, tolerance, on_device):
    X, y = cases.noisy_classes(3, n_rows=40)
    X = X.astype(dtype)
    model = TorchClassifier(network(3, getattr(torch, dtype)), weight_decay=1e-3).fit(X, y)
    numpy = explained(model, X, y, kind, 0.1)
    expected = {name: numpy.pairwise_influence(X[:7], criterion=name) for name in cases.CRITERIA}
    best = numpy.explain(X[:7], criterion=cases.CRITERIA, sign="absolute")
    vectors = numpy.transform(X[:3])
    effect = numpy.removal_effect(X[:3], y[:3], order="first")
    numbers = {name: getattr(numpy, name) for name in NUMBERS}
    on_device()
    own = explained(model, X, y, kind, 0.1)
    assert own._study.objective.place is not None
    assert isinstance(own._study.objective.rows.block(slice(2)), torch.Tensor)
    found = own.explain(X[:7], criterion=cases.CRITERIA, sign="absolute")
    for name in cases.CRITERIA:
        matrix = own.pairwise_influence(X[:7], criterion=name)
        size = np.abs(expected[name]).max()
        assert isinstance(matrix, np.ndarray)
        assert_allclose(matrix, expected[name], rtol=0, atol=tolerance * size)
        assert_allclose(found[name].scores, best[name].scores, rtol=0, atol=tolerance * size)
        if dtype == "float64":
            assert_array_equal(found[name].indices, best[name].indices)
    for name, number in numbers.items():
        assert_allclose(getattr(own, name), number, rtol=20 * tolerance)
    assert_allclose(on_host(own.transform(X[:3])), vectors, rtol=0, atol=100 * tolerance)
    found_effect = own.removal_effect(X[:3], y[:3], order="first")
    assert_allclose(found_effect, effect, rtol=0, atol=tolerance)


def test_models_without_rows_are_those_of_numpy(on_device):
    X, y = cases.noisy_classes(2, n_rows=30)
    target = X[:, 0] ** 2 + y
    model = TorchRegressor(network(1, torch.float64), weight_decay=1e-2).fit(X, target)
    groups = np.full(len(X), None)
    groups[:4] = ["A", "B"] * 2
    numpy = explained(model, X, target, "gauss_newton", 0.1)
    expected = numpy.removal_effect(X[:4], target[:4], groups, order="pbrf")
    on_device()
    own = explained(model, X, target, "gauss_newton", 0.1)
    effect = own.removal_effect(X[:4], target[:4], groups, order="pbrf")
    assert_allclose(effect, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_a_hessian_is_exact_or_refused_as_by_numpy(on_device):
    X, y = cases.noisy_classes(3, n_rows=40)
    model = TorchClassifier(network(3, torch.float64)).fit(X, y)
    expected = explained(model, X, y, "hessian", 5.0).self_influence_
    with pytest.raises(ValueError) as refused:
        explained(model, X, y, "hessian", 0.0)
    on_device()
    assert_allclose(explained(model, X, y, "hessian", 5.0).self_influence_, expected, rtol=1e-9)
    with pytest.raises(ValueError) as found:
        explained(model, X, y, "hessian", 0.0)
    assert str(found.value) == str(refused.value)
    with pytest.raises(ValueError, match=r"^solver='ekfac' is computed with NumPy"):
        explained(model, X, y, "gauss_newton", 0.1, solver="ekfac")


def test_blocks_are_as_large_as_a_device_has_room_for(monkeypatch):
    free = 2**40
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1)
    on_gpu = _arrays.Place("array_api_compat.torch", torch.device("cuda"))
    assert on_gpu.memory() == (free + 2, 2 * free)
    assert on_gpu.block_bytes() == _arrays.MOST_ON_DEVICE

    pool = SimpleNamespace(free_bytes=lambda: 5)
    cupy = SimpleNamespace(get_default_memory_pool=lambda: pool)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    device = SimpleNamespace(mem_info=(free, 2 * free))
    assert _arrays.Place("array_api_compat.cupy", device).memory() == (free + 5, 2 * free)


def test_arrays_of_other_libraries_need_their_common_functions(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(_arrays.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"scikit-learn 1.8 or later is needed"):
        _arrays.Place.of(torch.zeros(2))


def test_devices_without_double_precision_get_single(monkeypatch):
    monkeypatch.setattr(Place, "has_double", property(lambda _: False))
    place = Place.of(torch.zeros(1))
    assert place.widest == np.float32
    assert place.put(np.ones(2)).dtype == torch.float32
    assert place.zeros((2,), np.float64).dtype == torch.float32
