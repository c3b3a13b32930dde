"""Inverse curvatures by products alone: conjugate gradients and LiSSA.

Both solve for many right-hand sides at once and hold nothing of the size of the curvature. They
have no factor, so that the denominators of relative influence come from another curvature.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import blas
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ..utils._threads import for_each, n_blas_threads
from ._base import Curvature
from ._indefinite import refusal_by_products

#: A vector this many times longer than the gradient that LiSSA started from has diverged.
DIVERGED = 1e8
#: Relative error above which LiSSA is said not to have converged.
LISSA_TOLERANCE = 0.1
MAX_DEPTH = 5000
MIN_BATCH = 1000
#: Batches, and products with each, from which LiSSA learns how steep a batch can be.
TRIAL_BATCHES = 8
POWER_ITERATIONS = 10
#: How often LiSSA starts again with a larger scale.
MAX_RESCALINGS = 5


class _Iterative(Curvature):
    """A solver by iteration over the training rows, beside an approximation with a factor."""

    is_iterative = holds_rows = True
    approximation: Curvature

    @property
    def factored(self):
        """The approximation."""
        return self.approximation


class ToTolerance:
    """``M^-1 g`` by steps that end where the residual is small, in double precision.

    The residual is recomputed at the end, and what is left of it solved for again. It is measured
    with the diagonal of the curvature at 1, so that the units of the features make no difference.

    Parameters
    ----------
    total : CurvatureOperator
    tol : float
        Norm of the residual to arrive at, relative to that of the right-hand side.
    max_iter : int, default=1000
        Products with the data that each call of ``solve`` may take.
    """

    def __init__(self, total, tol, max_iter=1000):
        self.total = total
        self.tol = tol
        self.max_iter = max_iter
        self.dtype = total.objective.dtype
        diagonal = total.diagonal()
        self._inverse_diagonal = 1 / np.where(diagonal > 0, diagonal, 1)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params).

        Raises
        ------
        ValueError
            If the curvature turns out not to be positive definite.

        Warns
        -----
        ConvergenceWarning
            If a residual is above ``tol`` at the end.
        """
        total = self.held()
        parts = np.array_split(gradients, max(1, min(self.n_parts(len(gradients)), len(gradients))))
        found: list[tuple] = []
        for_each(lambda part: self._solve(total, part), parts, found.append)
        solutions, left, iterations = zip(*found, strict=True)
        self._report(np.concatenate(left), max(iterations))
        return np.concatenate(solutions).astype(gradients.dtype, copy=False)

    def _solve(self, total, gradients):
        """Solutions, their residuals relative to ``tol``, and how many steps were taken."""
        target = total.restrict(gradients.astype(np.float64, order="C"))
        goal = self.tol * self._sizes(target)
        solution = np.zeros_like(target)
        residual, left, iterations = target.copy(), self._sizes(target), 0
        live = np.flatnonzero(left > goal)
        while live.size and iterations < self.max_iter:
            most = self.max_iter - iterations
            step, used = self.descend(total, residual[live], goal[live], most)
            solution[live] += step
            iterations += used
            residual[live] = target[live] - total.multiply(solution[live])
            before, left[live] = left[live], self._sizes(residual[live])
            # Where rounding keeps the residual up, another round does not help.
            live = live[(left[live] > goal[live]) & (left[live] < 0.5 * before)]
        return solution, left / np.where(goal > 0, goal, 1), iterations

    def held(self):
        """The curvature, to be multiplied with many times, in several threads."""
        return self.total.held(np.float64)

    def n_parts(self, n_gradients):
        """Among how many the right-hand sides are shared out, each for one thread."""
        raise NotImplementedError

    def descend(self, total, residual, goal, max_iter):
        """Steps from 0 towards the solutions for some residuals, and how many were taken.

        ``residual`` may be overwritten.
        """
        raise NotImplementedError

    def check_bend(self, total, bend):
        """Raise a ValueError unless the forms of directions are positive."""
        if np.all(bend > 0):
            return
        if total.is_bent:
            raise ValueError(refusal_by_products(total))
        raise ValueError(
            "The curvature is not positive definite along a direction that conjugate "
            f"gradients took: its form there is {np.min(bend):.2g}. Set a positive damping "
            "(for example damping=1e-3), or fit the model with more regularisation."
        )

    def _sizes(self, residual):
        return np.sqrt(np.square(residual) @ self._inverse_diagonal)

    def _report(self, left, iterations):
        late = left > 1
        if late.any():
            warnings.warn(
                f"Conjugate gradients stopped after {iterations} iterations with a relative "
                f"residual of {self.tol * left.max():.1g}, for {late.sum()} of {len(late)} "
                f"right-hand sides above the tolerance of {self.tol:.1g}. A larger damping or a "
                "model with more regularisation converges faster.",
                ConvergenceWarning,
                stacklevel=3,
            )


class ConjugateGradients(ToTolerance, _Iterative):
    """``M^-1 g`` by preconditioned conjugate gradients.

    All right-hand sides share each product with the data, and leave when they have arrived.

    Parameters
    ----------
    total : CurvatureOperator
    approximation : Curvature
        The preconditioner.
    tol : float, default=1e-8
    max_iter : int, default=1000
        As of :class:`ToTolerance`.
    """

    def __init__(self, total, approximation, tol=1e-8, max_iter=1000):
        super().__init__(total, tol, max_iter)
        self.approximation = approximation

    def n_parts(self, n_gradients):
        """One a thread where features are sparse; dense ones BLAS multiplies in all threads."""
        return n_blas_threads() if self.total.is_sparse else 1

    def descend(self, total, residual, goal, max_iter):
        """Steps from 0 towards the solutions for some residuals, and how many were taken."""
        solution = np.zeros_like(residual)
        live = np.arange(len(residual))
        direction = self._precondition(residual)
        slope = _dot(residual, direction)
        used = 0
        while used < max_iter:
            used += 1
            product = total.multiply(direction)
            bend = _dot(direction, product)
            self.check_bend(total, bend)
            length = slope / bend
            for own in range(len(live)):
                add_multiple(residual[own], -length[own], product[own])
                add_multiple(solution[live[own]], length[own], direction[own])
            on_the_way = self._sizes(residual) > goal
            if not on_the_way.any():
                break
            if not on_the_way.all():
                live, goal = live[on_the_way], goal[on_the_way]
                residual, direction = residual[on_the_way], direction[on_the_way]
                slope = slope[on_the_way]
            preconditioned = self._precondition(residual)
            before, slope = slope, _dot(residual, preconditioned)
            for own, share in enumerate(slope / before):
                add_multiple(preconditioned[own], share, direction[own])
            direction = preconditioned
        return solution, used

    def _precondition(self, residual):
        own = self.approximation.solve(residual.astype(self.approximation.dtype))
        return own.astype(np.float64, order="C", copy=False)


class Lissa(_Iterative):
    """``M^-1 g`` by the stochastic Neumann series of Agarwal, Bullins & Hazan (2017).

    As in Koh & Liang (2017), "Understanding black-box predictions via influence functions"::

        v_0 = g,    v_j+1 = g + (I - M_j / scale) v_j,    M^-1 g ≈ v_depth / scale,

    where each ``M_j`` is the curvature of a batch of rows drawn at random, the penalty and the
    damping included. The mean over ``repeats`` runs is returned.

    Parameters
    ----------
    total : CurvatureOperator
    approximation : Curvature
        One with a factor, by which the error of the solutions is judged.
    depth : int, default=None
        Steps of a run. None: ``5 scale`` over the penalty and damping of a coefficient, which is
        what shrinks the start to exp(-5) in the flattest directions, but at most 5,000.
    scale : float, default=None
        Above half the largest eigenvalue of any batch's curvature, or the series diverges. None:
        the largest eigenvalue of some batches, doubled for as long as the series diverges.
    batch : int, default=None
        Rows of a batch. None: 1,000, or a tenth of the rows if that is more.
    repeats : int, default=1
    random_state : int, RandomState instance or None, default=None
        Every call of ``solve`` draws the same batches.
    """

    def __init__(
        self, total, approximation, depth=None, scale=None, batch=None, repeats=1, random_state=None
    ):
        self.total = total
        self.approximation = approximation
        self.dtype = total.objective.dtype
        n_rows = total.objective.n_rows
        self.batch = min(n_rows, batch or max(MIN_BATCH, n_rows // 10))
        self.repeats = repeats
        self._depth = depth
        self._seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        self._may_rescale = scale is None
        self.scale = self._steepest_batch() if scale is None else scale

    @property
    def depth(self):
        """Steps of a run."""
        if self._depth is not None:
            return self._depth
        flattest = self.total.ridge.max()
        needed = 5 * self.scale / flattest if flattest > 0 else MAX_DEPTH
        return int(np.ceil(min(max(needed, 1), MAX_DEPTH)))

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params).

        Raises
        ------
        ValueError
            If the series diverges.

        Warns
        -----
        ConvergenceWarning
            If the error of a solution is above 0.1, in the norm of the curvature and relative
            to the solution: the influence of each row is off by up to that share of the largest
            that a row of its self-influence could have.
        """
        target = self.total.restrict(gradients)
        for _ in range(MAX_RESCALINGS if self._may_rescale else 1):
            solution = self._mean_of_runs(target)
            error = np.inf if solution is None else self._error(target, solution)
            # Not to have solved at all has an error of 1.
            if np.all(error <= 1):
                self._report(error)
                return solution
            if self._may_rescale:
                self.scale *= 2
        raise ValueError(
            f"LiSSA diverged with scale={self.scale:.3g}: a batch of {self.batch} rows is steeper "
            f"than that (about {self._steepest_batch():.3g}). Use a larger scale or batch, or "
            "solver='cg'."
        )

    def _mean_of_runs(self, target):
        """Mean of the runs; None if one diverges."""
        rng = np.random.RandomState(self._seed)
        mean = np.zeros_like(target)
        for _ in range(self.repeats):
            run = self._run(target, rng)
            if run is None:
                return None
            mean += run / self.repeats
        return mean / self.scale

    def _run(self, target, rng):
        limit = DIVERGED * _lengths(target)
        vectors = target.copy()
        for _ in range(self.depth):
            vectors += target - self._multiply_batch(vectors, rng) / self.scale
            if not np.all(_lengths(vectors) <= limit):
                return None
        return vectors

    def _multiply_batch(self, vectors, rng):
        """Product with the curvature of a random batch, which on the mean is that of all rows."""
        objective = self.total.objective
        rows = rng.choice(objective.n_rows, self.batch, replace=False)
        share = objective.n_rows / (self.batch * objective.total_weight)
        products = self.total.multiply_rows(vectors, rows) * vectors.dtype.type(share)
        return products + self.total.regularise(vectors)

    def _steepest_batch(self):
        """Largest eigenvalue of the curvature of some batches, by power iteration."""
        rng = np.random.RandomState(self._seed)
        start = rng.standard_normal((1, self.total.n_params)).astype(self.dtype)
        steepest = 0.0
        for _ in range(TRIAL_BATCHES):
            vector, seed = self.total.restrict(start), rng.randint(np.iinfo(np.int32).max)
            for _ in range(POWER_ITERATIONS):
                vector = vector / _lengths(vector)[:, None]
                vector = self._multiply_batch(vector, np.random.RandomState(seed))
            steepest = max(steepest, float(_lengths(vector)[0]))
        return steepest

    def _error(self, target, solution):
        """Errors of solutions, relative to these, in the norm of the approximation."""
        residual = target - self.total.multiply(solution)
        size = _lengths(self.approximation.whiten(target.copy()))
        return _lengths(self.approximation.whiten(residual)) / np.where(size > 0, size, 1)

    def _report(self, error):
        late = error > LISSA_TOLERANCE
        if late.any():
            warnings.warn(
                f"LiSSA stopped after {self.depth} steps with an error of about {error.max():.2g} "
                f"relative to the solution, for {late.sum()} of {len(late)} right-hand sides "
                f"above {LISSA_TOLERANCE:g}. A larger damping, depth, batch or number of repeats "
                "brings it closer; solver='cg' solves to a tolerance.",
                ConvergenceWarning,
                stacklevel=3,
            )


class SplitCurvature(_Iterative):
    """One curvature for the queries' solves, and another one for the rows' denominators.

    As in Appendix C of Barshan, Brunet & Dziugaite (2020), where each query's ``M^-1 g_t`` is
    solved for iteratively, and the denominators of all training rows come from a structured
    approximation that has a factor.

    Parameters
    ----------
    solver : ConjugateGradients or Lissa
    approximation : Curvature
        One with a factor.
    """

    def __init__(self, solver, approximation):
        self.solver = solver
        self.approximation = approximation
        self.dtype = approximation.dtype
        self.n_whitened = approximation.n_whitened

    def solve(self, gradients):
        """``M^-1 g`` for each row g, by the solver."""
        return self.solver.solve(gradients)

    def whiten(self, gradients):
        """``L^-1 g`` for each row g, by the approximation."""
        return self.approximation.whiten(gradients)

    def unwhiten(self, whitened):
        """``L^-T v`` for each row v, by the approximation."""
        return self.approximation.unwhiten(whitened)

    def lengths(self, rows, criterion):
        """Lengths of the whitened and of the solved unit gradients, by the approximation."""
        return self.approximation.lengths(rows, criterion)

    def quadratic_form(self, n_outputs):
        """A function of features x to the forms ``x^T [M^-1]_kl x``, by the approximation."""
        return self.approximation.quadratic_form(n_outputs)


def _lengths(vectors):
    return np.sqrt(_dot(vectors, vectors))


def add_multiple(vector, factor, other):
    """Add a multiple of another array to an array, in place and without temporaries.

    The numbers of both must lie one after the other.
    """
    blas.daxpy(other.ravel(), vector.reshape(-1), a=factor)


def _dot(a, b):
    return np.einsum("ij,ij->i", a, b)
