"""Modules of PyTorch, against autograd, finite differences, and the same models of scikit-learn."""

import copy
import pickle
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import block_diag
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of, reduce_estimator
from sklearn_relatif.curvature import prepare_curvature
from sklearn_relatif.jacobians import ModuleFunction, ModuleJacobian, parameter_names
from sklearn_relatif.networks import LastLayer, TorchClassifier, TorchRegressor
from sklearn_relatif.testing import check_adapter, check_curvature, check_jacobian
from tests import cases

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 (of torch)

#: Networks are explained where they are, which seldom is an optimum.
pytestmark = pytest.mark.filterwarnings("ignore:The model is not at the optimum")
RNG = np.random.default_rng(0)
ROWS = {
    "features": RNG.normal(size=(30, 4)),
    "pictures": RNG.normal(size=(30, 2, 5, 5)),
    "tokens": RNG.integers(0, 7, (30, 5)),
}
Y = np.arange(30) % 3
CRITERIA = ("influence", "theta_relative", "loss_relative")
DAMPED = {"curvature": "gauss_newton", "damping": 1e-2}
DAMPING = 0.1


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Of these small networks, as of the BLAS."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


class Dense(nn.Module):
    def __init__(self, n_outputs=3):
        super().__init__()
        self.hidden, self.last = nn.Linear(4, 6), nn.Linear(6, n_outputs)

    def forward(self, x):
        return self.last(self.hidden(x).tanh())


class Pictures(nn.Module):
    """With all that is different in training."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.drop, self.last = nn.Dropout(0.5), nn.Linear(3, 3)

    def forward(self, x):
        x = nn.functional.gelu(self.norm(self.conv(x)))
        return self.last(self.drop(x.mean((2, 3))))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(7, 4), nn.Linear(4, 3)

    def forward(self, tokens):
        return self.last(self.words(tokens).mean(1).tanh())


class Attention(nn.Module):
    """Whose inference is a fast path without derivatives."""

    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(7, 4), nn.Linear(4, 3)
        self.layer = nn.TransformerEncoderLayer(4, 2, 4, batch_first=True)

    def forward(self, tokens):
        return self.last(self.layer(self.words(tokens)).mean(1))


class Recurrent(nn.Module):
    """Which vmap does not take."""

    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(7, 3), nn.Linear(3, 3)
        self.layer = nn.LSTM(3, 3, batch_first=True)

    def forward(self, tokens):
        return self.last(self.layer(self.words(tokens))[0][:, -1])


class Tied(nn.Module):
    """Two layers of one weight, and one that takes no part."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.idle = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(2, 2)
        self.b.weight = self.a.weight
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.b(self.a(x).tanh()).tanh())


NETS = {
    "Dense": (Dense, "features"),
    "Pictures": (Pictures, "pictures"),
    "Tokens": (Tokens, "tokens"),
    "Attention": (Attention, "tokens"),
    "Recurrent": (Recurrent, "tokens"),
    "Tied": (Tied, "features"),
}
SLOW = {"Recurrent"}


def made(kind, *args, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = kind(*args).double()
        for name, buffer in net.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    return net.train()


def of_name(name):
    kind, rows = NETS[name]
    return made(kind), ROWS[rows]


def jacobian_of(net, X, parameters="all"):
    function = ModuleFunction.of(net, parameter_names(net, parameters))
    n_outputs = function.values(X[:1], 1).shape[1]
    return ModuleJacobian(function, X, np.eye(n_outputs), function.vector(), 7)


@pytest.mark.parametrize("name", sorted(set(NETS) - SLOW))
def test_jacobians_keep_their_promises(name):
    net, X = of_name(name)
    jacobian = jacobian_of(net, X[:12])
    check_jacobian(jacobian, jacobian.weights[None])


def test_modules_that_vmap_refuses_go_row_by_row():
    net, X = of_name("Recurrent")
    jacobian = jacobian_of(net, X[:6])
    with pytest.warns(UserWarning, match="row by row.*parameters='last_layer'"):
        check_jacobian(jacobian, jacobian.weights[None])


def test_gradients_are_those_of_autograd_one_row_at_a_time():
    for name in ("Pictures", "Tied"):
        net, X = of_name(name)
        residual = RNG.normal(size=(5, 3))
        found = jacobian_of(net, X).gradients(residual, slice(3, 8))
        net.eval()
        for row, pull, own in zip(X[3:8], residual, found, strict=True):
            net.zero_grad()
            (net(torch.tensor(row[None]))[0] * torch.tensor(pull)).sum().backward()
            expected = [
                (torch.zeros_like(p) if p.grad is None else p.grad).ravel()
                for p in net.parameters()
            ]
            assert_allclose(own, torch.cat(expected).numpy(), atol=1e-12)


def test_in_place_operations_and_branches():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(4, 3)

        def forward(self, x):
            given = self.last(x)
            if given.sum() > 0:
                given.mul_(2.0)
            return given.tanh()

    net = made(Branch)
    jacobian = jacobian_of(net, ROWS["features"][:4])
    with pytest.warns(UserWarning, match="row by row"):
        check_jacobian(jacobian[:1], jacobian.weights[None])


def test_the_same_network_as_in_scikit_learn():
    X, y = load_iris(return_X_y=True)
    X = X - X.mean(axis=0)
    mlp = MLPClassifier(5, activation="tanh", solver="lbfgs", max_iter=200, random_state=0)
    mlp.fit(X, y)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for layer, coef, intercept in zip(net[::2], mlp.coefs_, mlp.intercepts_, strict=True):
            layer.weight.copy_(torch.tensor(coef.T))
            layer.bias.copy_(torch.tensor(intercept))
    own = RelatIFExplainer.from_fitted(TorchClassifier(net), X, y, curvature="fisher", damping=1e-2)
    other = RelatIFExplainer.from_fitted(mlp, X, y, curvature="fisher", damping=1e-2)
    for criterion in CRITERIA:
        found, expected = (e.pairwise_influence(X[:9], criterion=criterion) for e in (own, other))
        assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())
    assert_allclose(own.predict_proba(X), other.predict_proba(X))


def trained(X, y, weight_decay, features, n_classes=3):
    """A linear layer at the optimum of torch's objective, by scikit-learn."""
    design = np.column_stack([features, np.ones(len(features))])

    def objective(w):
        w = w.reshape(n_classes, -1)
        value = -log_softmax(design @ w.T, axis=1)[np.arange(len(y)), y].mean()
        return value + weight_decay / 2 * (w**2).sum()

    found = minimize(objective, np.zeros(n_classes * design.shape[1]), tol=1e-12)
    return found.x.reshape(n_classes, -1)


@pytest.mark.parametrize("name", ["Dense", "Pictures", "Recurrent"])
def test_last_layer_is_the_softmax_regression_on_its_features(name):
    net, X = of_name(name)
    seen = {}
    net.eval().last.register_forward_hook(lambda layer, given, out: seen.update(x=given[0]))
    with torch.no_grad():
        net(torch.tensor(X))
    features = seen["x"].numpy()
    net.last._forward_hooks.clear()
    table = trained(X, Y, 0.01, features)
    with torch.no_grad():
        net.last.weight.copy_(torch.tensor(table[:, :-1]))
        net.last.bias.copy_(torch.tensor(table[:, -1]))
    model = TorchClassifier(net, weight_decay=0.01, parameters="last_layer")
    own = RelatIFExplainer.from_fitted(model, X, Y)
    strength = {"l2": 0.01 * len(Y), "l2_intercept": 0.01 * len(Y)}
    other = RelatIFExplainer.from_coefficients(table[:, :-1], table[:, -1], features, Y, **strength)
    assert own.distance_to_optimum_ < 1e-2
    for criterion in CRITERIA:
        found = own.pairwise_influence(X[:5], criterion=criterion)
        expected = other.pairwise_influence(features[:5], criterion=criterion)
        assert_allclose(found, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())
    assert_allclose(own.leverage_, other.leverage_, rtol=1e-8)
    assert own.removal_effect(X[:2], Y[:2], order="retrain").shape == (2, 30)


def test_removals_of_the_last_layer_take_their_share_of_the_weight_decay():
    net, X = of_name("Dense")
    model = TorchClassifier(net, weight_decay=0.05, parameters="last_layer").fit(X, Y)
    explainer = RelatIFExplainer.from_fitted(model, X, Y, damping=0.0)
    (without,) = explainer.retrain_without([[0, 1]])
    features = net.hidden(torch.tensor(X)).tanh().detach().numpy()
    kept = slice(2, None)
    expected = trained(X, Y[kept], 0.05, features[kept])
    found = adapter_of(model).parameters(without)
    assert_allclose(found, expected - expected.mean(axis=0), atol=1e-5)


def test_check_adapter():
    net, X = of_name("Dense")
    table = trained(X, Y, 0.05, net.hidden(torch.tensor(X)).tanh().detach().numpy())
    with torch.no_grad():
        net.last.weight.copy_(torch.tensor(table[:, :-1]))
        net.last.bias.copy_(torch.tensor(table[:, -1]))
    model = TorchClassifier(net, weight_decay=0.05, parameters="last_layer").fit(X, Y)
    check_adapter(adapter_of(model), model, X, Y)


def state_of(net):
    held = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    flags = [(own.training, *(p.requires_grad for p in own.parameters())) for own in net.modules()]
    grads = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    return held, flags, grads


def test_nothing_of_the_user_is_touched():
    net, X = of_name("Pictures")
    net.norm.eval()
    net.conv.weight.requires_grad_(False)
    net(torch.tensor(X)).sum().backward()
    before, chance, identity = state_of(net), torch.get_rng_state(), list(map(id, net.parameters()))
    model = TorchClassifier(net).fit(X, Y)
    explainer = RelatIFExplainer.from_fitted(model, X, Y, **DAMPED)
    explainer.explain(X[:2])
    explainer.pairwise_influence(X[:2])
    model.predict_proba(X)
    after = state_of(net)
    for name, tensor in before[0].items():
        assert torch.equal(tensor, after[0][name])
    assert before[1] == after[1]
    assert all(a is b or torch.equal(a, b) for a, b in zip(before[2], after[2], strict=True))
    assert torch.equal(chance, torch.get_rng_state())
    assert identity == list(map(id, net.parameters()))
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled() and torch.backends.mha.get_fastpath_enabled()
    n_frozen = net.conv.weight.numel()
    assert (
        explainer.transform(X[:1]).shape[1] == sum(p.numel() for p in net.parameters()) - n_frozen
    )


def test_fits_without_training():
    net, X = of_name("Dense")
    unfitted = TorchClassifier(net)
    with pytest.raises(NotFittedError):
        unfitted.predict(X)
    names = np.array(["a", "b", "c"])[Y]
    of_unfitted = RelatIFExplainer.from_fitted(unfitted, X, names, **DAMPED)
    assert not hasattr(unfitted, "classes_")
    fitted = RelatIFExplainer(unfitted, **DAMPED).fit(X, names)
    expected = of_unfitted.pairwise_influence(X[:3], names[:3])
    assert_array_equal(fitted.pairwise_influence(X[:3], names[:3]), expected)
    assert set(fitted.predict(X)) <= {"a", "b", "c"}
    assert clone(unfitted).module is not net
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.pairwise_influence(X[:3], names[:3]), expected)
    piped = make_pipeline(StandardScaler(), TorchClassifier(net)).fit(X, names)
    scaled = StandardScaler().fit_transform(X)
    found = RelatIFExplainer.from_fitted(piped, X, names, **DAMPED)
    other = RelatIFExplainer.from_fitted(unfitted, scaled, names, **DAMPED)
    assert_allclose(
        found.pairwise_influence(X[:3]), other.pairwise_influence(scaled[:3]), rtol=1e-9
    )


def test_weights_count_rows():
    net, X = of_name("Dense")
    weight = np.arange(30) % 3 + 0.0
    repeated = np.repeat(np.arange(30), weight.astype(int))
    model = TorchClassifier(net, weight_decay=0.1).fit(X, Y)
    found = RelatIFExplainer.from_fitted(model, X, Y, sample_weight=weight + 1, **DAMPED)
    assert_array_equal(found._study.objective.sample_weight, weight + 1)
    every = np.concatenate([np.arange(30), repeated])
    other = RelatIFExplainer.from_fitted(model, X[every], Y[every], **DAMPED)
    assert_allclose(
        found.pairwise_influence(X[:3]), other.pairwise_influence(X[:3])[:, :30], rtol=1e-7
    )


def objective_by_torch(loss, net, X, y, weight_decay):
    mean = loss(net(torch.tensor(X)), torch.tensor(y))
    return mean + weight_decay / 2 * sum((p**2).sum() for p in net.parameters())


LOSSES = {
    "cross_entropy": (nn.functional.cross_entropy, lambda n: Y, 3, 1.0),
    "binary_cross_entropy": (
        lambda f, y: nn.functional.binary_cross_entropy_with_logits(f[:, 0], y.double()),
        lambda n: Y % 2,
        1,
        1.0,
    ),
    "mse": (nn.functional.mse_loss, lambda n: RNG.normal(size=(30, 2)), 2, 1.0),
    "huber": (
        lambda f, y: nn.functional.huber_loss(f[:, 0], y),
        lambda n: 2 * RNG.normal(size=30),
        1,
        1.0,
    ),
    "poisson_nll": (
        lambda f, y: nn.functional.poisson_nll_loss(f[:, 0], y),
        lambda n: RNG.poisson(2.0, 30).astype(float),
        1,
        1.0,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_objectives_have_the_gradient_of_torch(name):
    loss, targets, n_outputs, _ = LOSSES[name]
    net, X, y = made(Dense, n_outputs), ROWS["features"], targets(30)
    kind = TorchClassifier if "entropy" in name else TorchRegressor
    model = kind(net, loss=name, weight_decay=0.2).fit(X, y)
    objective = reduce_estimator(model, X, y, np.ones(30))
    objective_by_torch(loss, net, X, y, 0.2).backward()
    expected = torch.cat([p.grad.ravel() for p in net.parameters()]).numpy()
    # Half a sum of squares is K / 2 times the mean of them.
    factor = n_outputs / 2 if name == "mse" else 1.0
    assert_allclose(objective.gradient()[0], factor * expected, atol=1e-10)
    predicted = model.predict(X)
    assert len(predicted) == 30
    explainer = RelatIFExplainer.from_fitted(model, X, y, **DAMPED)
    assert np.isfinite(explainer.pairwise_influence(X[:2], y[:2])).all()


def objective_of(net, X):
    """With weights, some of them zero, and a penalty."""
    model = TorchClassifier(net, weight_decay=0.1).fit(X, Y)
    return reduce_estimator(model, X, Y, cases.weights_with_zeros(len(X)))


@pytest.mark.parametrize("solver", ["cholesky", "cg", "block_diagonal", "lissa"])
@pytest.mark.parametrize("kind", ["gauss_newton", "fisher", "empirical_fisher", "identity"])
def test_curvatures(kind, solver):
    if solver == "lissa" and kind in ("fisher", "empirical_fisher"):
        pytest.skip("its thousands of products are those of cg")
    own = objective_of(*of_name("Pictures"))
    prepared = prepare_curvature(own, kind, DAMPING, solver, random_state=0)
    tolerance = {"cg": 1e-6, "lissa": 0.1}.get(solver)
    check_curvature(prepared.curvature, own, kind, DAMPING, tolerance=tolerance)


@pytest.mark.parametrize("solver", ["cholesky", "cg", "block_diagonal"])
def test_the_hessian_as_a_curvature(solver):
    own = objective_of(*of_name("Pictures"))
    damping = 0.5 - np.linalg.eigvalsh(own.hessian()[0])[0]
    prepared = prepare_curvature(own, "hessian", damping, solver)
    check_curvature(prepared.curvature, own, "hessian", damping, tolerance=1e-5)


def test_blocks_are_those_of_layers():
    """Weight and bias of a layer together, of all parameters and of some of them."""
    net, X = of_name("Pictures")
    sizes = {"conv": 3 * 2 * 9 + 3, "norm": 3 + 3, "last": 3 * 3 + 3}
    places = jacobian_of(net, X).parameter_blocks
    assert [own.stop - own.start for own in places] == list(sizes.values())
    assert jacobian_of(net, X, ["conv.bias", "last.weight"]).parameter_blocks == [
        slice(0, 3),
        slice(3, 12),
    ]
    own = objective_of(net, X)
    matrix = own.gauss_newton()[0] + DAMPING * np.eye(own.weights.size)
    blocks = block_diag(*(matrix[place, place] for place in places))
    gradients = own.rows.block(slice(0, len(X)))
    curvature = prepare_curvature(own, "gauss_newton", DAMPING, "block_diagonal").curvature
    expected = np.linalg.solve(blocks, gradients.T).T
    assert cases.relative_error(curvature.solve(gradients.copy()), expected) < 1e-10
    # The denominators of conjugate gradients are those of the blocks.
    iterative = prepare_curvature(own, "gauss_newton", DAMPING, "cg").curvature
    found = iterative.lengths(own.rows, "theta_relative")["theta_relative"]
    assert_allclose(found, np.linalg.norm(expected, axis=1), atol=1e-10)


def test_kronecker_factors_are_of_dense_layers():
    for solver in ("kfac", "ekfac"):
        with pytest.raises(ValueError, match="not known to be dense ones"):
            prepare_curvature(objective_of(*of_name("Pictures")), "gauss_newton", DAMPING, solver)


def test_logarithms_of_probabilities_are_as_good_as_logits():
    net, X = of_name("Dense")
    other = nn.Sequential(net, nn.LogSoftmax(dim=1))
    a, b = (
        RelatIFExplainer.from_fitted(TorchClassifier(own), X, Y, **DAMPED) for own in (net, other)
    )
    assert_allclose(a.pairwise_influence(X[:3]), b.pairwise_influence(X[:3]), rtol=1e-7)
    with pytest.warns(UserWarning, match="look like probabilities"):
        TorchClassifier(nn.Sequential(net, nn.Softmax(dim=1))).fit(X, Y)


def test_tensors_and_precisions():
    net, X = of_name("Dense")
    single = copy.deepcopy(net).float()
    expected = RelatIFExplainer.from_fitted(TorchClassifier(net), X, Y, **DAMPED)
    expected = expected.pairwise_influence(X[:3])
    tensor = torch.tensor(X, requires_grad=True)
    found = RelatIFExplainer.from_fitted(TorchClassifier(net), tensor, Y, **DAMPED)
    assert_allclose(found.pairwise_influence(tensor[:3]), expected, rtol=1e-12)
    found = RelatIFExplainer.from_fitted(TorchClassifier(single), X, Y, **DAMPED)
    scores = found.pairwise_influence(X[:3])
    assert scores.dtype == np.float32
    assert_allclose(scores, expected, atol=1e-4 * np.abs(expected).max())
    with torch.inference_mode(), torch.autocast("cpu"):
        again = RelatIFExplainer.from_fitted(TorchClassifier(single), X, Y, **DAMPED)
        assert_array_equal(again.pairwise_influence(X[:3]), scores)


def test_named_parameters():
    net, X = of_name("Tied")
    model = TorchClassifier(net, parameters=["b.weight", "last.bias"])
    explainer = RelatIFExplainer.from_fitted(model, X, Y, **DAMPED)
    assert explainer.transform(X[:1]).shape == (1, 16 + 3)
    for parameters in ("last", ["nothing"], [], None, 3):
        with pytest.raises(ValueError, match=r"last_layer.*a\.weight"):
            TorchClassifier(net, parameters=parameters).fit(X, Y)


class Shared(nn.Module):
    """What a row gives depends on the others."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(x - x.mean(0))


class Chance(Shared):
    def forward(self, x):
        return self.last(nn.functional.dropout(x))


class Two(Shared):
    def forward(self, x):
        return self.last(x), x


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_refusals():
    net, X = of_name("Dense")
    other = made(Dense, 1)
    frozen = copy.deepcopy(net).requires_grad_(False)
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    refused = [
        (TorchClassifier(Dense), X, Y, TypeError, "not a class"),
        (TorchClassifier("net"), X, Y, TypeError, "torch.nn.Module"),
        (TorchClassifier(net, loss="hinge"), X, Y, ValueError, "loss must be one of"),
        (TorchClassifier(net, weight_decay=-1), X, Y, ValueError, "weight_decay"),
        (TorchClassifier(net, batch_size=0), X, Y, ValueError, "batch_size"),
        (TorchClassifier(net, device="moon"), X, Y, ValueError, "device='moon'"),
        (TorchClassifier(frozen), X, Y, ValueError, "requires_grad=True"),
        (TorchClassifier(copy.deepcopy(net).half()), X, Y, ValueError, "module.float"),
        (TorchClassifier(net), X, Y % 2, ValueError, "3 output.*2 class"),
        (TorchClassifier(other), X, Y, ValueError, "1 output"),
        (TorchClassifier(net), X[:, :3], Y, ValueError, "cannot be multiplied|entry a row"),
        (TorchClassifier(net), np.where(X > 1, np.nan, X), Y, ValueError, "NaN"),
        (TorchClassifier(net), X.astype(str), Y, ValueError, "X must hold numbers"),
        (TorchClassifier(net), X[:0], Y[:0], ValueError, "0 sample"),
        (TorchClassifier(net), sparse.csr_array(X), Y, TypeError, "toarray"),
        (TorchClassifier(net), X[0], Y, ValueError, "2D array"),
        (TorchClassifier(net), X, Y + 0.5, ValueError, "label type|Unknown"),
        (TorchClassifier(made(Two)), X, Y, ValueError, "entry a row"),
        (TorchClassifier(net), X.astype(int), Y, ValueError, r"entry a row.*astype\('float32'\)"),
        (TorchClassifier(made(Tokens)), X, Y, ValueError, r"tokens.*astype\(int\)"),
        (TorchClassifier(net), pairs, Y, TypeError, r"TensorDataset: gather .* torch.stack"),
        (TorchClassifier(net), torch.empty(30, 4, device="meta"), Y, ValueError, "no numbers"),
        (TorchClassifier(net, device="meta"), X, Y, ValueError, "device='meta' cannot"),
        (TorchClassifier(copy.deepcopy(net).to("meta")), X, Y, ValueError, "hidden.weight .*meta"),
        (TorchClassifier(nn.LazyLinear(3)), X, Y, ValueError, "weight of the module has no"),
        (TorchClassifier(nn.DataParallel(net)), X, Y, TypeError, "pass module.module"),
        (TorchRegressor(net), X, Y + 0.0, ValueError, "3 output.*1 target"),
        (TorchRegressor(net, loss="huber"), X, np.eye(30)[:, :3], ValueError, "one target"),
    ]
    for model, rows, y, kind, message in refused:
        with pytest.raises(kind, match=message):
            model.fit(rows, y)
    for kind, parameters in product((Shared, Chance), ("all", "last_layer")):
        model = TorchClassifier(made(kind), parameters=parameters)
        with pytest.raises(ValueError, match="other rows of its batch, or on chance"):
            RelatIFExplainer.from_fitted(model, X, Y, **DAMPED)
    with pytest.raises(TypeError, match=r"TorchClassifier\(module, loss=\.\.\.\)"):
        RelatIFExplainer.from_fitted(net, X, Y)
    swapped = made(Tied)
    swapped.extra = nn.Linear(3, 3).double()
    with pytest.raises(ValueError, match="does not make its outputs"):
        model = TorchClassifier(swapped, parameters="last_layer")
        RelatIFExplainer.from_fitted(model, X, Y)


@pytest.mark.filterwarnings("ignore:The network is")
def test_rows_for_which_there_are_other_outputs_than_in_the_fit():
    pointwise = nn.Sequential(nn.Linear(4, 3), nn.Flatten()).double()
    explainer = RelatIFExplainer.from_fitted(
        TorchClassifier(pointwise), ROWS["features"], Y, **DAMPED
    )
    with pytest.raises(ValueError, match=r"gives 6 output\(s\) for rows of shape \(2, 4\)"):
        explainer.explain(ROWS["features"].reshape(15, 2, 4))


class Scaled(nn.Module):
    """Of pictures as bytes, or scaled."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(12, 3)

    def forward(self, x):
        return self.last((x / 255 if x.dtype == torch.uint8 else x).float().flatten(1))


@pytest.mark.filterwarnings("ignore:The network is")
def test_bytes_stay_bytes():
    net = made(Scaled).float()
    bytes_ = RNG.integers(0, 256, (30, 3, 2, 2)).astype(np.uint8)
    scaled = (bytes_ / 255).astype(np.float32)
    found, expected = (
        RelatIFExplainer.from_fitted(TorchClassifier(net), X, Y, **DAMPED).pairwise_influence(X[:3])
        for X in (bytes_, scaled)
    )
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_probabilities_are_no_logits():
    rows, y = np.tile(ROWS["features"], (4, 1)), np.tile(Y > 0, 4)
    net = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()).double()
    with pytest.warns(UserWarning, match="takes logits: leave the sigmoid at its end out"):
        TorchClassifier(net, loss="binary_cross_entropy").fit(rows, y)
    TorchClassifier(net[0], loss="binary_cross_entropy").fit(rows, y)


def test_halves_are_taken_in_the_precision_of_the_module():
    net = made(Dense).float()
    X = torch.from_numpy(ROWS["features"]).bfloat16()
    model = TorchClassifier(net).fit(X, Y)
    assert_array_equal(model.decision_function(X), model.decision_function(X.float().numpy()))


def test_wrapped_by_its_last_layer():
    net, X = of_name("Dense")
    model = TorchClassifier(net, weight_decay=0.1).fit(X, Y)
    whole = RelatIFExplainer.from_fitted(LastLayer.from_fitted(model), X, Y)
    own = TorchClassifier(net, weight_decay=0.1, parameters="last_layer")
    expected = RelatIFExplainer.from_fitted(own, X, Y).pairwise_influence(X[:3])
    assert_allclose(whole.pairwise_influence(X[:3]), expected, rtol=1e-9)


def test_two_outputs_are_the_logistic_regression():
    X, y = ROWS["features"], Y % 2
    logistic = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(X, y)
    net = nn.Linear(4, 2, bias=False).double()
    with torch.no_grad():
        net.weight.copy_(torch.tensor(np.vstack([-logistic.coef_, logistic.coef_]) / 2))
    # With half of the weights in either row, the penalty of both is half of that of one.
    model = TorchClassifier(net, weight_decay=2.0 / 30, parameters="last_layer")
    own = RelatIFExplainer.from_fitted(model, X, y)
    other = RelatIFExplainer.from_fitted(logistic, X, y)
    assert own.distance_to_optimum_ < 1e-3
    assert_allclose(own.pairwise_influence(X[:4]), other.pairwise_influence(X[:4]), rtol=1e-6)
    assert_allclose(own.decision_function(X), other.decision_function(X))


class Sum(nn.Module):
    """Of any number of columns."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.weight * x.sum(1)


def test_is_an_estimator_of_scikit_learn():
    refused = dict.fromkeys(
        ["check_regressors_train", "check_regressor_multioutput"], "Fitting trains nothing."
    )
    # So is a deep copy of a module before any fit.
    refused["check_estimators_overwrite_params"] = "A module's hash is not that of its copy."
    check_estimator(TorchRegressor(Sum()), expected_failed_checks=refused, on_skip=None)


def test_on_a_device_blocks_stay_there(monkeypatch):
    """With the processor for a device, from which nothing is handed over by chance."""
    net, X = of_name("Pictures")
    model = TorchClassifier(net, weight_decay=0.1)
    host = RelatIFExplainer.from_fitted(model, X, Y, **DAMPED)
    expected = {name: host.pairwise_influence(X[:4], criterion=name) for name in CRITERIA}
    indices, lengths, leverage = host.explain(X[:4]).indices, host.self_influence_, host.leverage_
    monkeypatch.setattr(ModuleFunction, "is_on_host", False)
    function = ModuleFunction.of(net, parameter_names(net))
    jacobian = ModuleJacobian(function, X, np.eye(3), function.vector(), 7)
    assert isinstance(jacobian.gradients(np.ones((2, 3)), slice(2)), torch.Tensor)
    device = RelatIFExplainer.from_fitted(model, torch.tensor(X), Y, **DAMPED)
    for name in CRITERIA:
        found = device.pairwise_influence(X[:4], criterion=name)
        assert isinstance(found, np.ndarray)
        assert_allclose(found, expected[name], atol=1e-9 * np.abs(expected[name]).max())
    assert_array_equal(device.explain(X[:4]).indices, indices)
    assert_allclose(device.self_influence_, lengths, rtol=1e-8)
    assert_allclose(device.leverage_, leverage, rtol=1e-8)


def test_single_precision_that_spoils_solutions_gives_way_to_double():
    X, y = load_iris(return_X_y=True)
    torch.manual_seed(0)
    narrow = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    wide = copy.deepcopy(narrow).double()
    options = {"curvature": "gauss_newton", "damping": 1e-5}
    single, double = (
        RelatIFExplainer.from_fitted(TorchClassifier(own, weight_decay=1e-5), rows, y, **options)
        for own, rows in ((narrow, X.astype(np.float32)), (wide, X))
    )
    assert "double precision" in single.solver_.reason
    expected = double.pairwise_influence(X[::10])
    assert_allclose(
        single.pairwise_influence(X[::10]), expected, atol=1e-6 * np.abs(expected).max()
    )
