"""Ridge regression in plain NumPy: gradients in memory, one factorisation, one product."""

import numpy as np
from scipy import linalg


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem):
        self.problem = problem
        self.model = problem.fitted_model()

    def matrices(self, criteria):
        X, y, X_query, y_query = self.problem[:4]
        x, query = (np.column_stack([rows, np.ones(len(rows))]) for rows in (X, X_query))
        hessian = x.T @ x / len(x)
        hessian[np.diag_indices(X.shape[1])] += float(self.problem.alpha) / len(x)
        gradients = x * (self.model.predict(X) - y)[:, None]
        asked = query * (self.model.predict(X_query) - y_query)[:, None]
        solved = linalg.cho_solve(linalg.cho_factor(hessian), asked.T)
        return {"influence": solved.T @ gradients.T}
