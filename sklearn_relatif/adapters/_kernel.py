"""Reductions of kernel machines: SVC and NuSVC, one vs one.

A row's gradient lives in the feature space of the kernel, ``g_i = r_i ⊗ phi(x_i)``, and is
known by its inner products ``(r_i . r_j) K(x_i, x_j)`` alone. The hinge has no curvature, so
that the Hessian is ``I / (C S)`` (Appendix on support vector machines of Barshan, Brunet &
Dziugaite, 2020), and the unpenalised intercept is held fixed. Kernels are only ever computed
between queries and support vectors, in blocks.
"""

from __future__ import annotations

import numpy as np
from sklearn.svm import SVC, NuSVC

from ..jacobians import TrainingKernel, held
from ..losses import Hinge, OneVsOneHinge, binary_codebook
from ..objectives import KernelObjective, problem_coefficients, unfitted_machine
from ._penalties import class_weight_of_rows
from ._registry import reduce_estimator

KERNEL_MACHINES = (SVC, NuSVC)


def is_kernel_machine(estimator) -> bool:
    """Whether the gradients of an unwrapped estimator live in the feature space of a kernel."""
    return isinstance(estimator, KERNEL_MACHINES)


@reduce_estimator.register
def reduce_svc(estimator: SVC, X, y, sample_weight):
    """SVC of any kernel, one vs one."""
    by_class = class_weight_of_rows(estimator.class_weight, estimator.classes_, y, None)
    return _reduce(estimator, X, y, sample_weight, by_class, float(estimator.C))


@reduce_estimator.register
def reduce_nu_svc(estimator: NuSVC, X, y, sample_weight):
    """NuSVC of any kernel, one vs one; its scores leave the unknown factor C out.

    libsvm takes no notice of class weights here.
    """
    return _reduce(estimator, X, y, sample_weight, 1.0, None, estimator.nu)


def _reduce(estimator, X, y, sample_weight, by_class, C, nu=None):
    X = held(X).astype(np.float64, copy=False)
    support = _support_rows(estimator, sample_weight)
    kernel = TrainingKernel(estimator, X)
    refitted = unfitted_machine(estimator, kernel)
    if estimator.probability is True:
        refitted.set_params(probability=False)
    kind = SVC if nu is None else NuSVC
    parameters = {name: getattr(refitted, name) for name in kind().get_params()}
    return KernelObjective(
        loss=_one_vs_one_hinge(estimator),
        kernel=kernel,
        y=y,
        sample_weight=sample_weight * by_class,
        support=support,
        dual_coef=problem_coefficients(estimator, y[support]),
        intercept=estimator.intercept_,
        C=C,
        nu=nu,
        parameters=parameters,
    )


def _support_rows(estimator, sample_weight):
    """Positions of the support vectors among the training rows.

    libsvm drops the rows of weight 0, and scikit-learn's ``support_`` counts among the others
    (its pull request 27763). Where it predicts from a Gram matrix, that leads it to the wrong
    columns.
    """
    present = np.flatnonzero(sample_weight)
    n_rows, last = len(sample_weight), estimator.support_.max()
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
