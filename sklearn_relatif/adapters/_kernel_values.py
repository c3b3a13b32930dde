"""Kernel machines without classes: SVR and NuSVR, and the OneClassSVM.

With ``f(x) = sum_j beta_j K(x_j, x) + b``, regression minimises ``norm(f)^2 / 2 + C sum_i s_i
max(0, |y_i - f(x_i)| - epsilon)``, so that its dual coefficients lie between ``-C s_i`` and
``C s_i`` [1]_. A NuSVR chooses epsilon too, at a price of ``C nu`` for each unit of weight [2]_.
The machine of one class minimises ``norm(f)^2 / 2 + sum_i s_i (max(0, -f(x_i)) + nu b)`` [3]_, in
which ``-b`` is the ``offset_`` of its scores.

References
----------
.. [1] A. J. Smola, B. Schoelkopf, "A tutorial on support vector regression", Statistics and
   Computing 14, 2004.
.. [2] B. Schoelkopf, A. J. Smola, R. C. Williamson, P. L. Bartlett, "New support vector
   algorithms", Neural Computation 12(5), 2000.
.. [3] B. Schoelkopf, J. C. Platt, J. Shawe-Taylor, A. J. Smola, R. C. Williamson, "Estimating the
   support of a high-dimensional distribution", Neural Computation 13(7), 2001.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..losses import EpsilonInsensitive, OneClassHinge
from ..objectives import BOUND
from ._kernel import KernelAdapter
from ._registry import register
from ._targets import NoTargets

#: Why a NuSVR cannot be followed.
MOVING_TUBE = (
    "Removal from a NuSVR is not followed on its active set, because the width of its tube moves "
    "with it; use order='retrain' or retrain_without, or an SVR."
)


class SVRAdapter(KernelAdapter):
    """SVR, whose queries enter by their epsilon-insensitive loss."""

    def reduce(self, model, X, y, sample_weight):
        loss = EpsilonInsensitive(model.epsilon)
        return self.machine(model, loss, X, y, sample_weight, C=float(model.C))


class NuSVRAdapter(KernelAdapter):
    """NuSVR. Its loss has the epsilon that the fit has chosen."""

    def reduce(self, model, X, y, sample_weight):
        strength = {"C": float(model.C), "budget": model.C * model.nu, "obstacle": MOVING_TUBE}
        objective = self.machine(model, EpsilonInsensitive(0.0), X, y, sample_weight, **strength)
        return replace(objective, loss=EpsilonInsensitive(chosen_epsilon(objective)))


class OneClassSVMAdapter(KernelAdapter):
    """OneClassSVM, whose queries enter by their decision value."""

    def reduce(self, model, X, y, sample_weight):
        return self.machine(model, OneClassHinge(), X, y, sample_weight, C=1.0, quota=model.nu)

    def targets(self, model):
        """It takes none."""
        return NoTargets()


def chosen_epsilon(objective) -> float:
    """Half the width of the tube of a NuSVR, which it does not tell.

    The rows whose coefficients are between their bounds lie on its ends. Where there are none, it
    is half way between those inside and those outside, as in libsvm.

    Parameters
    ----------
    objective : KernelObjective
    """
    error = np.abs(objective.y - objective.training_predictor[:, 0])
    share = np.zeros(objective.n_rows)
    share[objective.support] = np.abs(objective.dual_coef[:, 0])
    counts = objective.sample_weight > 0
    share[counts] /= objective.C * objective.sample_weight[counts]
    free = (share > BOUND) & (share < 1 - BOUND)
    if free.any():
        return float(error[free].mean())
    inside, outside = error[counts & (share <= BOUND)], error[share >= 1 - BOUND]
    ends = [inside.max(initial=0.0), outside.min(initial=np.inf)]
    return float(np.mean(ends)) if np.isfinite(ends[1]) else float(ends[0])


register("sklearn.svm.SVR", SVRAdapter())
register("sklearn.svm.NuSVR", NuSVRAdapter())
register("sklearn.svm.OneClassSVM", OneClassSVMAdapter())
