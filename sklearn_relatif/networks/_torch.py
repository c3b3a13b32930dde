"""Trained modules of PyTorch as estimators: what they predict, and by which loss they learned."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..jacobians import ModuleFunction, last_linear, module_rows, parameter_names
from ..utils._validation import (
    check_choice,
    check_non_negative,
    check_positive_int,
    check_sample_weight,
    check_training_labels,
    label_array,
)

CLASS_LOSSES = ("cross_entropy", "binary_cross_entropy")
TARGET_LOSSES = ("mse", "huber", "poisson_nll")
#: Rows that a module is applied to in order to see whether it fits.
FEW = 100


class TorchModel(BaseEstimator):
    """A trained module, which fitting leaves as it is; see :class:`TorchClassifier`."""

    losses: tuple[str, ...] = ()

    def __init__(
        self,
        module: Any,
        *,
        loss: str,
        weight_decay: float = 0.0,
        parameters: Any = "all",
        device: Any = None,
        batch_size: int = 1000,
    ) -> None:
        self.module = module
        self.loss = loss
        self.weight_decay = weight_decay
        self.parameters = parameters
        self.device = device
        self.batch_size = batch_size

    def rows(self, X: Any) -> Any:
        """Rows as the module takes them, checked against those of ``fit``.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray or tensor on a device, of shape (n_rows, ...)
        """
        check_is_fitted(self)
        found = module_rows(X)
        if _are_columns(found):
            validate_data(self, X, reset=False, skip_check_array=True)
        return found

    def outputs(self, X: Any) -> np.ndarray:
        """What the module gives for rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
        """
        X = self.rows(X)
        return self._applied(X)

    def _applied(self, X: Any) -> np.ndarray:
        function = ModuleFunction.of(self.module, device=self.device)
        return function.values(X, self.batch_size)

    def _begin_fit(self, X: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray]:
        """Checked labels, and what the module gives for the first rows."""
        self._check_params()
        check_training_labels(y)
        rows, labels = module_rows(X), label_array(y)
        check_consistent_length(rows, labels)
        check_sample_weight(sample_weight, len(rows))
        if _are_columns(rows):
            validate_data(self, X, skip_check_array=True)
        return labels, self._applied(rows[:FEW])

    def _check_params(self) -> None:
        _check_module(self.module)
        check_choice("loss", self.loss, self.losses)
        check_non_negative("weight_decay", self.weight_decay)
        check_positive_int("batch_size", self.batch_size)
        _check_device(self.device)
        if isinstance(self.parameters, str) and self.parameters == "last_layer":
            last_linear(self.module)
        else:
            parameter_names(self.module, self.parameters)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class TorchClassifier(ClassifierMixin, TorchModel):
    """A trained module of PyTorch as a classifier that can be explained.

    Fitting trains nothing: it learns the classes, which the outputs of the module stand for in
    their sorted order, and checks that the module fits the data. The module is used in evaluation
    mode, on a copy: its parameters, buffers, gradients and flags stay as they are.

    Parameters
    ----------
    module : torch.nn.Module
        Trained. It takes a batch of rows, of any shape that the entries of X have (features,
        pictures, sequences of tokens), and gives a vector of outputs for each.
    loss : {"cross_entropy", "binary_cross_entropy"}, default="cross_entropy"
        What the mean of over the rows was minimised. "cross_entropy" takes an output a class,
        logits as of ``CrossEntropyLoss`` or logarithms of probabilities as of ``NLLLoss``.
        "binary_cross_entropy" takes one logit, of the second of two classes, as
        ``BCEWithLogitsLoss`` does.
    weight_decay : float, default=0.0
        As of the optimisers of PyTorch: ``weight_decay / 2`` times the sum of the squares of the
        explained parameters, biases included, was added to the mean loss. The decoupled decay of
        AdamW is no such penalty.
    parameters : {"all", "last_layer"} or sequence of str, default="all"
        What training rows are taken to have an influence on. "all": whatever has
        ``requires_grad``. "last_layer": the last ``torch.nn.Linear``, which must make the outputs;
        it is a linear model of what the layers before it make of a row, which hold as they are.
        Otherwise names as of ``module.named_parameters()``.
    device : torch.device or str, default=None
        Where a copy of the module computes. None: where the module is.
    batch_size : int, default=1000
        Rows at once, where only outputs are computed. Derivatives take as many as the
        ``working_memory`` of scikit-learn has room for.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    n_features_in_ : int
        Number of features, where X is a table of numbers that need not be whole.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the training data had any.

    See Also
    --------
    TorchRegressor : The same for targets that are numbers.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.networks import TorchClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = X.astype("float32")
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> optimizer = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=1e-3)
    >>> for _ in range(300):
    ...     optimizer.zero_grad()
    ...     logits = net(torch.from_numpy(X))
    ...     torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)).backward()
    ...     _ = optimizer.step()
    >>> model = TorchClassifier(net, weight_decay=1e-3)
    >>> explainer = RelatIFExplainer.from_fitted(
    ...     model, X, y, curvature="gauss_newton", damping=1e-2
    ... )
    >>> explainer.explain(X[[0, 70]], n_examples=3).indices.shape
    (2, 3)
    """

    losses = CLASS_LOSSES
    classes_: np.ndarray

    def __init__(
        self,
        module: Any,
        *,
        loss: str = "cross_entropy",
        weight_decay: float = 0.0,
        parameters: Any = "all",
        device: Any = None,
        batch_size: int = 1000,
    ) -> None:
        super().__init__(
            module,
            loss=loss,
            weight_decay=weight_decay,
            parameters=parameters,
            device=device,
            batch_size=batch_size,
        )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TorchClassifier:
        """Learn the classes; the module was trained before, and stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            The rows that the module was trained on.
        y : array-like of shape (n_rows,)
            Their labels.
        sample_weight : array-like of shape (n_rows,), default=None
            What each row counted in the mean of the losses.

        Returns
        -------
        TorchClassifier

        Raises
        ------
        ValueError
            If a parameter is invalid, or the module does not fit the data.
        """
        labels, given = self._begin_fit(X, y, sample_weight)
        n_outputs = given.shape[1]
        labels = column_or_1d(labels, warn=True)
        check_classification_targets(labels)
        classes = np.unique(labels)
        n_wanted = len(classes) if self.loss == "cross_entropy" else 1
        if len(classes) < 2 or n_outputs != n_wanted or (n_wanted == 1 and len(classes) != 2):
            takes = "an output a class" if self.loss == "cross_entropy" else "one, of two classes"
            raise ValueError(
                f"The module has {n_outputs} output(s), and y has {len(classes)} class(es), "
                f"{classes[:10].tolist()}: loss={self.loss!r} takes {takes}, in their sorted order."
            )
        end = _probabilities(given)
        if end is not None:
            takes = "logits or logarithms of probabilities" if n_outputs > 1 else "logits"
            warnings.warn(
                f"The outputs of the module look like probabilities, and loss={self.loss!r} takes "
                f"{takes}: leave the {end} at its end out.",
                UserWarning,
                stacklevel=2,
            )
        self.classes_ = classes
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Outputs of the module.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or (n_rows,) of two classes
            Of two outputs, how much higher the second one is.
        """
        scores = self.outputs(X)
        if scores.shape[1] == 2:
            return scores[:, 1] - scores[:, 0]
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        scores = self.outputs(X)
        if scores.shape[1] > 1:
            return softmax(scores, axis=1)
        return np.hstack([expit(-scores), expit(scores)])

    def predict(self, X: Any) -> np.ndarray:
        """Predicted classes.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        scores = self.outputs(X)
        is_one = scores.shape[1] == 1
        return self.classes_[(scores[:, 0] > 0).astype(int) if is_one else scores.argmax(axis=1)]


class TorchRegressor(RegressorMixin, TorchModel):
    """A trained module of PyTorch as a regressor that can be explained.

    Fitting trains nothing: it learns how many targets there are, and checks that the module fits
    the data. All else is as of :class:`TorchClassifier`.

    Parameters
    ----------
    module : torch.nn.Module
        Trained. It gives an output a target.
    loss : {"mse", "huber", "poisson_nll"}, default="mse"
        What the mean of over the rows was minimised, as ``MSELoss``, ``HuberLoss`` and
        ``PoissonNLLLoss`` have it. "huber" (its ``delta`` is 1) and "poisson_nll" (the output is
        the logarithm of the mean) take one target. "mse" is the mean over the K targets of
        a row, without the half that all regressors have here: influences are those of
        ``sum_k e_k^2 / 2``, which is K / 2 times the mean, and the penalty grows with it to
        ``weight_decay * K / 2``, so that the optimum stays where it is.
    weight_decay : float, default=0.0
    parameters : {"all", "last_layer"} or sequence of str, default="all"
    device : torch.device or str, default=None
    batch_size : int, default=1000
        All as of :class:`TorchClassifier`.

    Attributes
    ----------
    n_targets_ : int
    n_features_in_ : int
        Number of features, where X is a table of numbers that need not be whole.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the training data had any.

    See Also
    --------
    TorchClassifier : The same for classes.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_relatif.networks import TorchRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = torch.nn.Sequential(torch.nn.Linear(10, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    >>> TorchRegressor(net).fit(X, y).predict(X).shape
    (442,)
    """

    losses = TARGET_LOSSES
    n_targets_: int

    def __init__(
        self,
        module: Any,
        *,
        loss: str = "mse",
        weight_decay: float = 0.0,
        parameters: Any = "all",
        device: Any = None,
        batch_size: int = 1000,
    ) -> None:
        super().__init__(
            module,
            loss=loss,
            weight_decay=weight_decay,
            parameters=parameters,
            device=device,
            batch_size=batch_size,
        )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TorchRegressor:
        """Learn how many targets there are; the module was trained before, and stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            The rows that the module was trained on.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Their targets.
        sample_weight : array-like of shape (n_rows,), default=None
            What each row counted in the mean of the losses.

        Returns
        -------
        TorchRegressor

        Raises
        ------
        ValueError
            If a parameter is invalid, or the module does not fit the data.
        """
        targets, given = self._begin_fit(X, y, sample_weight)
        n_outputs = given.shape[1]
        n_targets = 1 if targets.ndim == 1 else int(np.prod(targets.shape[1:]))
        if n_targets != n_outputs or (n_targets > 1 and self.loss != "mse"):
            takes = "one each" if self.loss == "mse" else "one target, and one output"
            raise ValueError(
                f"The module has {n_outputs} output(s), and y has {n_targets} target(s) a row: "
                f"loss={self.loss!r} takes {takes}."
            )
        self.n_targets_ = n_targets
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows,), or (n_rows, n_targets) of several
        """
        values = self.outputs(X)
        values = np.exp(values) if self.loss == "poisson_nll" else values
        return values[:, 0] if values.shape[1] == 1 else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.loss == "mse"
        return tags


def _are_columns(X: Any) -> bool:
    """Whether rows are features, one a column: sequences of tokens are whole numbers."""
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f"


def _probabilities(given: np.ndarray) -> str | None:
    """What seems to have made probabilities of logits, if anything."""
    if (given < 0).any():
        return None
    if given.shape[1] > 1:
        return "softmax" if np.allclose(given.sum(axis=1), 1) else None
    # Logits of so many rows that are all from 0 to 1 would say the same of all.
    return "sigmoid" if len(given) == FEW and (given <= 1).all() else None


def _check_module(module: Any) -> None:
    """Raise an error if there is no PyTorch, or this is no module of it."""
    torch = _torch()
    if isinstance(module, type) or not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module that was trained, not a class; got {module!r}."
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(
            "module is compiled to TorchScript, of which torch.func finds no derivatives: pass the "
            "module that it was made of."
        )
    if isinstance(module, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
        raise TypeError(f"module is wrapped in {type(module).__name__}: pass module.module.")
    for name, own in [*module.named_parameters(), *module.named_buffers()]:
        if torch.nn.parameter.is_lazy(own):
            raise ValueError(
                f"{name} of the module has no numbers yet: apply the module to some rows, and "
                "train it."
            )
        if own.is_meta:
            raise ValueError(
                f"{name} of the module is on the device 'meta', which has shapes and no numbers: "
                "load the trained parameters first."
            )


def _check_device(device: Any) -> None:
    if device is not None:
        try:
            if _torch().empty(0, device=device).is_meta:
                raise RuntimeError("it has shapes and no numbers")
        except (RuntimeError, TypeError, AssertionError) as error:
            raise ValueError(f"device={device!r} cannot be used: {error}") from error


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'Modules of PyTorch need PyTorch: pip install "sklearn-relatif[torch]".'
        ) from error
    return torch
