"""Kernel machines of any kernel, and of these the classifiers SVC and NuSVC, one vs one.

A row's gradient lives in the feature space of the kernel, ``g_i = r_i ⊗ phi(x_i)``, and is
known by its inner products ``(r_i . r_j) K(x_i, x_j)`` alone. The hinge has no curvature, so
that the Hessian is ``I / (C S)`` (Appendix on support vector machines of Barshan, Brunet &
Dziugaite, 2020), and the unpenalised intercept is held fixed. Kernels are only ever computed
between queries and support vectors, in blocks.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.utils.parallel import Parallel, delayed

from ..jacobians import TrainingKernel, held
from ..losses import Hinge, OneVsOneHinge, binary_codebook
from ..objectives import KernelObjective
from ._base import Adapter
from ._class_weight import class_weight_of_rows
from ._machine_fits import MACHINES, MachineFits, problem_coefficients
from ._registry import register

#: Tolerance of machines that are fitted again. libsvm holds kernels in single precision.
TIGHT = 1e-9
#: Steps of libsvm after which such a fit ends with a warning.
MAX_STEPS = 10**7
#: Difference of the same row computed twice, relative to the largest number of a column.
SAME = 1e-6
#: Why a NuSVC cannot be followed.
UNKNOWN_BOUNDS = (
    "Removal from a NuSVC is not followed on its active set, because its bounds move with it; use "
    "order='retrain' or retrain_without, or an SVC."
)


class KernelAdapter(Adapter):
    """What machines have in common. They are fitted again by themselves: their parameters lie in
    the feature space."""

    embedding_obstacle = (
        "its gradients live in the feature space of a kernel. Use explain or pairwise_influence; "
        "or fit a LinearSVC on an explicit feature map, such as "
        "sklearn.kernel_approximation.Nystroem."
    )

    def machine(self, model, loss, X, y, sample_weight, **strength):
        """The objective of a machine.

        Parameters
        ----------
        model : fitted estimator
        loss : Loss
            One that has hinges.
        X, y : as :meth:`reduce` takes them
        sample_weight : ndarray of shape (n_rows,)
            Effective weights.
        **strength
            ``C``, ``nu`` and what else a :class:`KernelObjective` may have.
        """
        X = held(X).astype(np.float64, copy=False)
        support = _support_rows(model, sample_weight)
        kernel = TrainingKernel(model, X)
        return KernelObjective(
            loss=loss,
            kernel=kernel,
            y=y,
            sample_weight=sample_weight,
            support=support,
            dual_coef=problem_coefficients(model, y[support]),
            intercept=model.intercept_,
            fits=_fits(model, kernel),
            **strength,
        )

    def removal_changes_objective(self, model):
        is_scaled = model.gamma == "scale" and model.kernel in ("rbf", "poly", "sigmoid")
        return is_scaled or super().removal_changes_objective(model)

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Fits on the rows that are left, with the kernel and the weights held as they are."""
        unfitted, weight = _unfitted(model, objective.kernel), objective.sample_weight
        counted = np.flatnonzero(weight)
        return Parallel(n_jobs=n_jobs)(
            delayed(_fit_rows)(clone(unfitted), X, y, weight, np.setdiff1d(counted, rows))
            for rows in removals
        )

    def holds_other_rows(self, model, X, sample_weight):
        """Whether its support vectors are other rows than those that it says it has chosen."""
        if not model.support_vectors_.shape[0]:
            return False
        # libsvm counts the rows that have a weight.
        counted = np.arange(X.shape[0]) if sample_weight is None else np.flatnonzero(sample_weight)
        own, kept = X[counted[model.support_]], model.support_vectors_
        own, kept = (m.toarray() if sparse.issparse(m) else m for m in (own, kept))
        if own.shape != kept.shape:
            return False
        return bool((np.abs(own - kept) > SAME * np.abs(kept).max(axis=0)).any())


class SVCAdapter(KernelAdapter):
    """SVC, one vs one."""

    def reduce(self, model, X, y, sample_weight):
        by_class = class_weight_of_rows(model.class_weight, model.classes_, y, None)
        weight = sample_weight * by_class
        return self.machine(model, _one_vs_one_hinge(model), X, y, weight, C=float(model.C))


class NuSVCAdapter(KernelAdapter):
    """NuSVC. Its scores leave the unknown factor C out, and its bounds move with every removal."""

    def reduce(self, model, X, y, sample_weight):
        """libsvm takes no notice of class weights here."""
        bounds = {"C": None, "nu": model.nu, "obstacle": UNKNOWN_BOUNDS}
        return self.machine(model, _one_vs_one_hinge(model), X, y, sample_weight, **bounds)


def _support_rows(estimator, sample_weight):
    """Positions of the support vectors among the training rows.

    libsvm drops the rows of weight 0, and scikit-learn's ``support_`` counts among the others
    (its pull request 27763). Where it predicts from a Gram matrix, that leads it to the wrong
    columns.
    """
    present = np.flatnonzero(sample_weight)
    n_rows, last = len(sample_weight), estimator.support_.max(initial=-1)
    if last < 0:
        raise ValueError(
            f"The model has no support vectors: all training rows (n_samples={n_rows}) lie inside "
            "the tube of width epsilon, so that none has an influence. Fit it with a smaller "
            "epsilon."
        )
    if last >= len(present):
        raise ValueError(
            f"X has {len(present)} rows of positive weight, but the model has a support vector "
            f"at row {last}. Pass the rows and weights that the model was fitted on."
        )
    computes_kernel = callable(estimator.kernel) or estimator.kernel == "precomputed"
    if len(present) < n_rows and computes_kernel:
        raise ValueError(
            f"{type(estimator).__name__} predicts wrongly when its kernel is precomputed or a "
            "function and rows have sample_weight 0. Leave these "
            f"{n_rows - len(present)} rows out of X, y and sample_weight."
        )
    return present[estimator.support_]


def _one_vs_one_hinge(estimator):
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        return Hinge(binary_codebook())
    return OneVsOneHinge(n_classes, estimator.break_ties)


def _unfitted(estimator, kernel):
    """An unfitted estimator of the same kernel and bounds on any of the weighted rows."""
    # A tolerance below the rounding of a large kernel would keep it going for ever.
    held_fixed = {"tol": min(estimator.tol, TIGHT), "max_iter": MAX_STEPS, **kernel.parameters}
    if is_classifier(estimator):
        held_fixed["class_weight"] = None
    return clone(estimator).set_params(**held_fixed)


def _fits(estimator, kernel):
    """Such fits of a machine of scikit-learn's own, for its dual alone."""
    unfitted = _unfitted(estimator, kernel)
    if is_classifier(estimator) and unfitted.probability is True:
        unfitted.set_params(probability=False)
    name = next(kind.__name__ for kind in type(estimator).__mro__ if kind in MACHINES.values())
    own = {parameter: getattr(unfitted, parameter) for parameter in MACHINES[name]().get_params()}
    return MachineFits(name, own)


def _fit_rows(model, X, y, weight, rows):
    features = X[np.ix_(rows, rows)] if model.kernel == "precomputed" else X[rows]
    targets = None if y is None else y[rows]
    return model.fit(features, targets, sample_weight=weight[rows])


register("sklearn.svm.SVC", SVCAdapter())
register("sklearn.svm.NuSVC", NuSVCAdapter())
