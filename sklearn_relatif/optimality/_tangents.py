"""How far a network is from where its gradient vanishes, at a cost that any size can bear.

Up to a thousand parameters the Gauss-Newton matrix is taken apart as the Hessian of a linear model
is. Beyond, it is taken with the damping of the explainer, and where that has a factor of it the
gradient costs one product. Otherwise Kronecker factors of the layers, or the diagonal, stand for
it. Eight random gradients, of the distribution that the model gives them, tell the effective number
of parameters.
"""

from __future__ import annotations

import numpy as np

from ..curvature import DiagonalCurvature, LayeredCurvature
from ..objectives import TangentOperator
from ..utils._arrays import on_host

#: Up to so many parameters, all eigenvalues are found.
FEW_PARAMETERS = 1000
#: Random gradients, and their seed.
N_PROBES = 8
SEED = 0
#: The curvatures that stand for the Gauss-Newton matrix.
GAUSS_NEWTON = ("gauss_newton", "fisher")


def squared_tangent_distance(objective, prepared, curvature, damping) -> tuple[float, float]:
    """The Newton decrement in effective rows, and the effective number of parameters.

    Parameters
    ----------
    objective : GaussNewtonObjective
    prepared : Prepared
    curvature : str
    damping : float
    """
    gradient = objective.gradient()
    if not np.isfinite(gradient).all():
        return np.nan, 1.0
    if objective.weights.size <= FEW_PARAMETERS:
        return objective.squared_distance()
    vectors = np.vstack([gradient, _random_gradients(objective)])
    forms = _forms(_standing_in(objective, prepared, curvature, damping), vectors)
    n_rows = objective.total_weight**2 / np.square(objective.sample_weight).sum()
    square = n_rows * forms[0] / objective.dispersion().mean()
    return float(square), float(forms[1:].mean())


def _standing_in(objective, prepared, curvature, damping):
    """What has a factor of the damped Gauss-Newton matrix, or is near it."""
    is_bent = curvature == "hessian" and objective.is_bent
    own = prepared.curvature.factored
    if own is not None and (curvature in GAUSS_NEWTON or (curvature == "hessian" and not is_bent)):
        return own
    total = TangentOperator(objective, "gauss_newton", damping)
    if objective.jacobian.layer_shapes and (damping > 0):
        return LayeredCurvature.of_layers(total, is_corrected=True)
    return DiagonalCurvature.of(total)


def _forms(curvature, vectors):
    """``g^T M^-1 g`` of some rows g."""
    whitened = on_host(curvature.whiten(vectors.astype(curvature.dtype)))
    return np.square(whitened, dtype=np.float64).sum(axis=1)


def _random_gradients(objective):
    """Gradients of independent rows with the covariance that the data's part of M has."""
    rng, found = np.random.default_rng(SEED), np.zeros((N_PROBES, objective.weights.size))
    for rows in objective.blocks(N_PROBES * objective.jacobian.n_between):
        drawn: np.ndarray = np.zeros((), objective.dtype)
        for root, sign in objective.roots("gauss_newton", rows):
            normal = rng.standard_normal((len(root), N_PROBES, 1)).astype(root.dtype)
            drawn = drawn + (sign > 0) * normal * root[:, None]
        found += on_host(
            objective.jacobian.adjoint(drawn.astype(objective.dtype, copy=False), rows)
        )
    return found / np.sqrt(objective.total_weight)
