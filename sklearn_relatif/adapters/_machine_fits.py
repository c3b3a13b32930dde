"""scikit-learn's own fits of a kernel machine, whose duals objectives ask for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

#: Machines that can be fitted again, by name.
MACHINES = {machine.__name__: machine for machine in (SVC, NuSVC, SVR, NuSVR, OneClassSVM)}


@dataclass(frozen=True)
class MachineFits:
    """Fits of a kernel machine.

    Attributes
    ----------
    name : str
        One of :data:`MACHINES`.
    parameters : dict of str to object
        No machine itself: what is read from a file of a stranger's must not bring what is called.
    """

    name: str
    parameters: dict[str, object]

    @property
    def kind(self):
        """The class of the machine."""
        return MACHINES[self.name]

    def dual(self, X, y, sample_weight):
        """The machine of some rows.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_rows, n_features)
            The Gram matrix for ``kernel="precomputed"``.
        y : ndarray of shape (n_rows,)
        sample_weight : ndarray of shape (n_rows,)

        Returns
        -------
        support : ndarray of int, shape (n_support,)
        coefficients : ndarray of shape (n_support, n_problems)
        intercept : ndarray of shape (n_problems,)
        """
        model = self.kind(**self.parameters).fit(X, y, sample_weight)
        return model.support_, problem_coefficients(model, y[model.support_]), model.intercept_


def problem_coefficients(estimator, support_class):
    """Coefficients by problem, shape (n_support, n_problems).

    Machines without classes have one. Of classifiers, ``dual_coef_`` has one row less than there
    are classes: a support vector of class i stores its coefficient in the problem against class j
    in row j - 1 if j > i, and in row j if not.
    """
    stored = estimator.dual_coef_
    stored = (stored.toarray() if sparse.issparse(stored) else stored).T
    if not is_classifier(estimator):
        return stored
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        return stored
    problems = list(combinations(range(n_classes), 2))
    coefficients = np.zeros((len(stored), len(problems)))
    for p, (i, j) in enumerate(problems):
        for own, other in ((i, j - 1), (j, i)):
            rows = support_class == own
            coefficients[rows, p] = stored[rows, other]
    return coefficients
