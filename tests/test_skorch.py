"""Nets of skorch, against the same modules in the package's own wrapper, and against torch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of, reduce_estimator
from sklearn_relatif.networks import LastLayer, TorchClassifier, TorchRegressor

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")
from skorch import (  # noqa: E402
    NeuralNet,
    NeuralNetBinaryClassifier,
    NeuralNetClassifier,
    NeuralNetRegressor,
)
from skorch.dataset import Dataset, ValidSplit  # noqa: E402
from skorch.helper import predefined_split  # noqa: E402
from torch import nn  # noqa: E402

#: A few epochs lead to no optimum.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The model is not at the optimum", "ignore:The network is"
)
X, Y = load_iris(return_X_y=True)
X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
DAMPED = {"curvature": "gauss_newton", "damping": 1e-2}


class Net(nn.Module):
    def __init__(self, n_outputs=3, is_softmax=False):
        super().__init__()
        self.hidden, self.last = nn.Linear(4, 5), nn.Linear(5, n_outputs)
        self.is_softmax = is_softmax

    def forward(self, x):
        given = self.last(self.hidden(x).tanh())
        return given.softmax(-1) if self.is_softmax else given


@pytest.fixture(autouse=True)
def one_seed():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(n_threads)


def net(kind=NeuralNetClassifier, **params):
    given = {"max_epochs": 3, "lr": 0.1, "verbose": 0, "train_split": None}
    if kind is NeuralNetClassifier:
        given["criterion"] = nn.CrossEntropyLoss
    return kind(**{"module": Net, **given, **params})


def same_as_wrapped(found, model, weight_decay, rows=slice(None)):
    wrapped = TorchClassifier(model.module_, weight_decay=weight_decay)
    own = RelatIFExplainer.from_fitted(wrapped, X[rows], Y[rows], **DAMPED)
    expected = own.pairwise_influence(X[:4])
    scores = found.pairwise_influence(X[:4])
    held_out = np.delete(np.arange(len(X)), np.arange(len(X))[rows])
    assert_array_equal(scores[:, held_out], 0)
    assert_allclose(scores[:, rows], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss, nn.NLLLoss])
def test_classifiers(criterion):
    decay = {"optimizer__weight_decay": 0.01}
    is_softmax = criterion is nn.NLLLoss
    model = net(criterion=criterion, module__is_softmax=is_softmax, **decay)
    explainer = RelatIFExplainer(model, **DAMPED).fit(X, Y)
    trained = explainer.estimator_
    assert_array_equal(explainer.predict(X), trained.predict(X))
    trained.module_.is_softmax = False
    same_as_wrapped(explainer, trained, 0.01)
    assert not hasattr(model, "module_")


def test_rows_that_are_held_out_count_nothing():
    split = ValidSplit(5, stratified=True)  # The default.
    model = net(train_split=split).fit(X, Y)
    kept, _ = next(StratifiedKFold(5).split(X, Y))
    same_as_wrapped(RelatIFExplainer.from_fitted(model, X, Y, **DAMPED), model, 0.0, kept)
    model = net(train_split=ValidSplit(0.3, random_state=1)).fit(X, Y)
    kept, _ = next(ShuffleSplit(test_size=0.3, random_state=1).split(X, Y))
    objective = reduce_estimator(model, X, Y, np.ones(150))
    assert_array_equal(np.flatnonzero(objective.sample_weight), np.sort(kept))
    separate = net(train_split=predefined_split(Dataset(X[:9], Y[:9]))).fit(X, Y)
    assert reduce_estimator(separate, X, Y, np.ones(150)).sample_weight.all()
    model = net(train_split=ValidSplit(0.3)).fit(X, Y)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.warns(UserWarning, match="which ones cannot be told"):
        objective = reduce_estimator(model, X, Y, np.ones(150))
    assert objective.sample_weight.all()
    assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def gradient_by_torch(model, loss, decay):
    mean = loss(model.module_(torch.from_numpy(X)))
    penalty = sum(
        own * (p**2).sum() for own, p in zip(decay, model.module_.parameters(), strict=True)
    )
    grads = torch.autograd.grad(mean + penalty / 2, list(model.module_.parameters()))
    return torch.cat([grad.ravel() for grad in grads]).numpy()


REAL = np.column_stack([X[:, 0] + X[:, 1], X[:, 2]]).astype(np.float32)
COUNT = np.round(np.exp(X[:, :1]))
ENTROPY = nn.functional.cross_entropy
CASES = {
    "class weights": (
        net(criterion__weight=torch.tensor([1.0, 2.0, 0.5])),
        Y,
        lambda f: ENTROPY(f, torch.from_numpy(Y), torch.tensor([1.0, 2.0, 0.5])),
        1.0,
    ),
    "binary": (
        net(NeuralNetBinaryClassifier, module__n_outputs=1),
        (Y > 0).astype(np.float32),
        lambda f: nn.functional.binary_cross_entropy_with_logits(
            f[:, 0], torch.from_numpy((Y > 0).astype(np.float32))
        ),
        1.0,
    ),
    "two targets": (
        net(NeuralNetRegressor, module__n_outputs=2),
        REAL,
        lambda f: nn.functional.mse_loss(f, torch.from_numpy(REAL)),
        1.0,
    ),
    "one target": (
        net(NeuralNetRegressor, module__n_outputs=1),
        REAL[:, :1],
        lambda f: nn.functional.mse_loss(f, torch.from_numpy(REAL[:, :1])),
        0.5,
    ),
    "huber": (
        net(NeuralNetRegressor, module__n_outputs=1, criterion=nn.HuberLoss, criterion__delta=0.5),
        REAL[:, :1],
        lambda f: nn.functional.huber_loss(f, torch.from_numpy(REAL[:, :1]), delta=0.5),
        1.0,
    ),
    "counts": (
        net(NeuralNetRegressor, module__n_outputs=1, criterion=nn.PoissonNLLLoss),
        COUNT,
        lambda f: nn.functional.poisson_nll_loss(f, torch.from_numpy(COUNT)),
        1.0,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_objectives_have_the_gradient_of_torch(name):
    model, y, loss, factor = CASES[name]
    groups = [("hidden.*", {"weight_decay": 0.3}), ("last.weight", {"weight_decay": 0.1})]
    model = clone(model).set_params(optimizer__param_groups=groups, lr=0.01).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y, **DAMPED)
    decay = (0.3, 0.3, 0.1, 0.0)
    expected = factor * gradient_by_torch(model, loss, decay)
    found = reduce_estimator(model, X, explainer._study.objective.y, np.ones(150)).gradient()[0]
    assert_allclose(found, expected, atol=1e-5)
    assert np.isfinite(explainer.pairwise_influence(X[:2], y[:2])).all()
    assert explainer.explain(X[:2]).indices.shape == (2, 5)


def test_positive_weights_and_thresholds():
    y = (Y > 0).astype(np.float32)
    model = net(
        NeuralNetBinaryClassifier,
        module__n_outputs=1,
        criterion__pos_weight=torch.tensor(3.0),
        threshold=0.8,
        optimizer__weight_decay=0.1,
    ).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y, **DAMPED)
    assert_array_equal(explainer.explain(X).targets, model.predict(X))
    loss = nn.functional.binary_cross_entropy_with_logits
    expected = gradient_by_torch(
        model,
        lambda f: loss(f[:, 0], torch.from_numpy(y), pos_weight=torch.tensor(3.0)),
        (0.1,) * 4,
    )
    # The mean is over the rows, whatever they weigh.
    objective = reduce_estimator(model, X, (Y > 0).astype(int), np.ones(150))
    found = objective.gradient()[0] * objective.total_weight / 150
    assert_allclose(found, expected, atol=1e-5)


def test_pipelines_and_searches():
    decay = {"optimizer__weight_decay": 0.01}
    piped = make_pipeline(StandardScaler(), net(**decay))
    explainer = RelatIFExplainer(piped, **DAMPED).fit(X, Y)
    assert explainer.explain(X[:2]).indices.shape == (2, 5)
    search = GridSearchCV(net(**decay), {"lr": [0.1]}, cv=2)
    explainer = RelatIFExplainer(search, **DAMPED).fit(X, Y)
    same_as_wrapped(explainer, explainer.estimator_.best_estimator_, 0.01)


def test_last_layers():
    model = net(criterion=nn.NLLLoss, module__is_softmax=True, optimizer__weight_decay=0.1)
    explainer = RelatIFExplainer(LastLayer(model)).fit(X, Y)
    trained = explainer.estimator_.estimator_
    wrapped = TorchClassifier(trained.module_, weight_decay=0.1, parameters="last_layer")
    trained.module_.is_softmax = False
    own = RelatIFExplainer.from_fitted(wrapped, X, Y)
    scores, expected = (e.pairwise_influence(X[:3]) for e in (explainer, own))
    assert_allclose(scores, expected, atol=1e-3 * np.abs(expected).max())
    table = adapter_of(trained).parameters(trained)
    other = adapter_of(trained).restore(trained, table / 2)
    assert_allclose(adapter_of(other).parameters(other), table / 2)
    assert_allclose(adapter_of(trained).parameters(trained), table)
    (group,) = other.optimizer_.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in other.module_.parameters()}


class Own(NeuralNetClassifier):
    def get_loss(self, y_pred, y_true, *args, **kwargs):
        return super().get_loss(y_pred, y_true, *args, **kwargs) ** 2


def test_refusals():
    refused = [
        (net(criterion=nn.MultiMarginLoss), Y, "criterion=MultiMarginLoss.*NLLLoss"),
        (net(criterion__label_smoothing=0.1), Y, "label_smoothing=0.1"),
        (net(criterion__reduction="sum", lr=1e-4), Y, "reduction='mean'"),
        (net(criterion__ignore_index=2), Y, "ignore_index=2"),
        (net(Own, criterion=nn.CrossEntropyLoss), Y, "a get_loss of its own"),
        (net(), Y % 2 * 2, r"0, 1, \.\.\."),
        (net(), Y % 2, "gives 3 output"),
    ]
    for model, y, message in refused:
        with pytest.raises(ValueError, match=message):
            RelatIFExplainer.from_fitted(model.fit(X, y), X, y, **DAMPED)
    with pytest.raises(TypeError, match="NeuralNetBinaryClassifier and NeuralNetRegressor can"):
        RelatIFExplainer(NeuralNet(Net, nn.CrossEntropyLoss)).fit(X, Y)
    adamw = net(optimizer=torch.optim.AdamW, optimizer__weight_decay=0.1, lr=0.01).fit(X, Y)
    with pytest.warns(UserWarning, match="decoupled from the loss"):
        explainer = RelatIFExplainer.from_fitted(adamw, X, Y, **DAMPED)
    assert not explainer._study.objective.penalty.any()
    with pytest.raises(TypeError, match="X is a dict"):
        RelatIFExplainer.from_fitted(adamw, {"x": X}, Y)


class OutputsFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.hidden = nn.Linear(5, 2), nn.Linear(4, 5)

    def forward(self, x):
        return self.last(self.hidden(x).tanh())


def test_a_number_of_targets_that_the_parameters_do_not_tell():
    model = net(NeuralNetRegressor, module=OutputsFirst).fit(X, X[:, :2])
    with pytest.raises(ValueError, match=r"each of the 5 targets.*TorchRegressor\(net.module_\)"):
        RelatIFExplainer.from_fitted(model, X, X[:, :2], **DAMPED)
    wrapped = TorchRegressor(model.module_).fit(X, X[:, :2])
    explainer = RelatIFExplainer.from_fitted(wrapped, X, X[:, :2], **DAMPED)
    assert explainer.pairwise_influence(X[:3]).shape == (3, len(X))


def test_losses_of_targets_that_are_refused():
    options = {"module__n_outputs": 2, "criterion": nn.HuberLoss}
    two = net(NeuralNetRegressor, **options).fit(X, X[:, :2])
    with pytest.raises(ValueError, match="HuberLoss of 2 targets cannot be explained; MSELoss"):
        RelatIFExplainer.from_fitted(two, X, X[:, :2], **DAMPED)
    options = {"module__n_outputs": 1, "criterion": nn.PoissonNLLLoss}
    rates = net(NeuralNetRegressor, **options, lr=1e-3).fit(X, np.abs(X[:, :1]))
    rates.set_params(criterion__log_input=False).initialize_criterion()
    with pytest.raises(ValueError, match="log_input=False cannot be explained"):
        RelatIFExplainer.from_fitted(rates, X, np.abs(X[:, :1]), **DAMPED)


def test_refits_are_new_trainings_on_the_rows_that_are_left():
    model = net().fit(X, Y)
    adapter = adapter_of(model)
    (refit,) = adapter.refit(model, None, X, Y, None, [np.arange(4)])
    trained_on = refit.history[-1, "batches", :, "train_batch_size"]
    assert sum(trained_on) == len(X) - 4
    assert_allclose(adapter.scores(model, X), model.forward(X).detach().numpy(), atol=1e-6)
