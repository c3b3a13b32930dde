"""statsmodels: the parameters' changes by one row, of an unpenalised binomial model.

They are corrected for leverage; taking that back and multiplying by the queries' gradients gives
the influence.
"""

import numpy as np
import statsmodels.api as sm
from scipy.special import expit


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem):
        if np.isfinite(problem.C):
            raise ValueError("statsmodels' GLMInfluence takes no penalty")
        X, y, queries = problem.X, problem.y, problem.X_query
        self.results = sm.GLM(y, X, sm.families.Binomial()).fit(tol=1e-12)
        residuals = expit(queries @ self.results.params) - problem.y_query
        self.query_gradients = residuals[:, np.newaxis] * queries

    def matrices(self, criteria):
        influence = self.results.get_influence(observed=True)
        changes = influence.d_params * (1 - influence.hat_matrix_diag)[:, np.newaxis]
        return {"influence": self.query_gradients @ changes.T}
