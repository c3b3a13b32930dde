"""Lengths of the rows' gradients from quadratic forms of their features.

The gradient of a row is ``g = r ⊗ x~``, with one residual for each of K outputs. So

    |A g|^2 = sum_kl r_k r_l x~^T [A^T A]_kl x~

for a matrix A, and only the part of ``[A^T A]_kl`` that is symmetric counts, once for each pair of
outputs: with d columns, K (K + 1) / 2 forms of d^2 operations each. That is little more than half
of what a product of a triangle A with each gradient takes, K^2 d^2, and ``M^-1`` has as many forms
as its factor has.

What rounding makes of a form can be told. With ``D`` the lengths of the columns of A and with
``A = B D``, that is a few units of rounding times at most

    |g|^T |A|^T |A| |g|  <=  rho |D g|^2,    rho = max(|B|^T |B| 1),

since the largest eigenvalue of a matrix of positive numbers is at most its largest sum of a row.
Where that is not negligible beside the form, because most of it cancels, the row's gradient is
multiplied with A after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from scipy import sparse

from ..jacobians import Gradients, has_few_products, products_of_features, work_of_products
from ..objectives import mirror_lower
from ..utils._blocks import block_budget, row_blocks
from ..utils._threads import FEW_COLUMNS, for_each
from ._base import criterion_names, measured_part
from ._lapack import symmetric_from_triangle
from ._memory import Factor

#: Columns of the matrices that are multiplied together.
WIDTH = 32
#: Rows that a thread works on: few enough for their products to stay near.
ROWS_AT_ONCE = 256
#: Rows of a matrix that are looked at together.
STRIP = 256
#: How many units of rounding a form may be off, of the sum of the sizes in it: those of its terms
#: have any sign, and make up for one another.
ROUNDINGS = 10
#: Error of a squared length, relative to it, that is none.
NEGLIGIBLE = 1e-9
#: Operations of products in the time that one of the inverse takes.
INVERTING = 3
#: Matrices of the size of a factor that there are at a time, with the tables of the forms.
MATRICES = 3
#: Rows that are looked at beforehand, and the share of them that may be left to the factor.
TRIED, LEFT = 100, 0.1
#: Squares of columns' lengths that are far from the ends of the range of numbers, and squared
#: lengths of gradients beside which squares of features that vanish do not matter.
COLUMN_SQUARES = 1e-150, 1e150
LEAST_SQUARE = 1e-140


class PairForms:
    """``x^T [S]_kl x`` of rows x, for all pairs of outputs ``k >= l``.

    Parameters
    ----------
    strips : iterable of ndarray of shape (n_columns, (k + 1) * n_columns), for each output k
        The rows of the symmetric matrix S that belong to an output, up to its diagonal.
    n_outputs : int
    n_columns : int
    dtype : dtype
    """

    def __init__(self, strips: Iterable[np.ndarray], n_outputs, n_columns, dtype):
        self.n_outputs, self.n_pairs = n_outputs, n_outputs * (n_outputs + 1) // 2
        self.columns = list(row_blocks(n_columns, 1, WIDTH))
        #: Below the diagonal, with what is above it added: x does not tell them apart.
        self.tables = [
            np.empty((n_columns - own.start, self.n_pairs, own.stop - own.start), dtype)
            for own in self.columns
        ]
        first = 0
        for output, strip in enumerate(strips):
            pairs = slice(first, first := first + output + 1)
            cells = strip.reshape(n_columns, output + 1, n_columns)
            for own, table in zip(self.columns, self.tables, strict=True):
                table[:, pairs] = _folded(cells, own)

    def __call__(self, x):
        """The forms of some rows, shape (n, n_pairs), in the order of ``np.tril_indices``."""
        forms = np.zeros((len(x), self.n_pairs), x.dtype)
        for own, table in zip(self.columns, self.tables, strict=True):
            half = (x[:, own.start :] @ table.reshape(len(table), -1)).reshape(*forms.shape, -1)
            forms += np.matmul(half, x[:, own, None])[:, :, 0]
        return forms

    def by_outputs(self, x):
        """The same, shape (n, n_outputs, n_outputs)."""
        of_pairs = self(x)
        forms = np.empty((len(of_pairs), self.n_outputs, self.n_outputs), of_pairs.dtype)
        k, m = np.tril_indices(self.n_outputs)
        forms[:, k, m] = forms[:, m, k] = of_pairs
        return forms


class SparsePairForms(PairForms):
    """The same of the rows x of a CSR matrix: a product of their :func:`products_of_features`."""

    def __init__(self, strips: Iterable[np.ndarray], n_outputs, n_columns, dtype):
        self.n_outputs, self.n_pairs = n_outputs, n_outputs * (n_outputs + 1) // 2
        a, b = np.tril_indices(n_columns)
        self.table = np.empty((len(a), self.n_pairs), dtype)
        first = 0
        for output, strip in enumerate(strips):
            pairs = slice(first, first := first + output + 1)
            cells = strip.reshape(n_columns, output + 1, n_columns)
            # x does not tell what is above the diagonal from what is below.
            np.add(cells[a, :, b], cells[b, :, a], out=self.table[:, pairs])
        self.table[a == b] /= 2

    def __call__(self, x):
        """The forms of some rows, shape (n, n_pairs), in the order of ``np.tril_indices``."""
        products, size = products_of_features(x)
        return products @ self.table * size[:, None] * size[:, None]


def pair_forms(strips, n_outputs, jacobian, dtype):
    """The forms of the rows of a Jacobian, and a function of rows to the features for them."""
    if has_few_products(jacobian, n_outputs):
        return SparsePairForms(strips, n_outputs, jacobian.n_columns, dtype), jacobian.block
    return PairForms(strips, n_outputs, jacobian.n_columns, dtype), jacobian.dense_block


def inverse_of(factor):
    """``M^-1 = L^-T L^-1``, from ``L^-1`` in the lower triangle of a Fortran-ordered matrix."""
    inverse = symmetric_from_triangle(factor.copy(order="F"))
    mirror_lower(inverse)
    return inverse.T  # C-ordered.


def strips_of(matrix, n_outputs) -> Iterator[np.ndarray]:
    """The strips of a symmetric matrix, as :class:`PairForms` takes them."""
    for rows in row_blocks(len(matrix), 1, len(matrix) // n_outputs):
        yield matrix[rows, : rows.stop]


def _strips_of_square(matrix, n_outputs):
    """The same of ``matrix @ matrix``."""
    for rows in row_blocks(len(matrix), 1, len(matrix) // n_outputs):
        yield matrix[rows] @ matrix[:, : rows.stop]


def _folded(cells, own):
    """Some columns of cells from the diagonal on, each with its mirror image added to it."""
    folded = cells[own.start :, :, own] + cells[own, :, own.start :].transpose(2, 1, 0)
    size = own.stop - own.start
    folded[:size] *= (np.tri(size) - np.eye(size) / 2)[:, None]
    return folded


def lengths_of_part(rows, criterion, curvature):
    """What :func:`measured_part` returns, by forms where these take less time.

    Parameters
    ----------
    rows : Gradients
    criterion : {"theta_relative", "loss_relative"}
    curvature : CholeskyCurvature
        One that couples all parameters.
    """
    names, n_outputs = criterion_names(criterion), rows.unit.shape[1]
    if not _pay(rows, len(names)):
        return measured_part(rows, criterion, curvature)
    (factor,) = curvature.inverse_factors
    inverse = inverse_of(factor)
    # Those of the forms of L^-T L^-1, and of those of M^-1 M^-1.
    roundings = {"loss_relative": _Rounding(lambda own: _sizes_below(factor, own), len(factor))}
    strips = {"loss_relative": strips_of}
    if criterion == "theta_relative":
        roundings[criterion] = _Rounding(lambda own: np.abs(inverse[own]).T, len(inverse))
        strips[criterion] = _strips_of_square
    some = _some(rows, np.linspace(0, rows.n_rows - 1, TRIED).astype(int))
    found = measured_part(some, criterion, curvature)
    x = some.jacobian.dense_block(slice(None))
    are_sure = [roundings[name].allows(found[name] ** 2, x, some.unit) for name in names]
    if np.mean(are_sure) < 1 - LEFT:
        return measured_part(rows, criterion, curvature)
    scales = {
        name: _measured(strips[name](inverse, n_outputs), rows, roundings[name]) for name in names
    }
    left = np.flatnonzero(np.isnan(list(scales.values())).any(axis=0))
    if len(left):
        for name, lengths in measured_part(_some(rows, left), criterion, curvature).items():
            scales[name][left] = lengths
    return scales


def _sizes_below(factor, columns):
    """Sizes of some columns of a lower triangle, from its diagonal on."""
    sizes = np.abs(factor[columns.start :, columns])
    width = sizes.shape[1]
    sizes[:width] = np.tril(sizes[:width])
    return sizes


def _pay(rows, n_forms):
    """Whether forms take fewer operations than products of a triangle with each gradient.

    Where there are few columns, those run at a much better rate.
    """
    if rows.place is not None or rows.dtype != np.float64:
        return False
    jacobian, n_outputs = rows.jacobian, rows.unit.shape[1]
    n_pairs = n_outputs * (n_outputs + 1) / 2
    if has_few_products(jacobian, n_outputs):
        # Numbers, positions, and where they come from.
        values_of_row = n_pairs + 8 * jacobian.n_products
        of_row = work_of_products(jacobian, n_outputs)
    # There is a pass over the rows for each form.
    elif rows.is_dense and jacobian.n_columns > FEW_COLUMNS and jacobian.loads_views(rows.dtype):
        values_of_row = n_pairs * WIDTH
        of_row = n_pairs * jacobian.n_columns * (jacobian.n_columns + WIDTH)
    else:
        return False
    n_columns = jacobian.n_columns
    size = n_outputs * n_columns
    has_room = Factor(MATRICES, size).is_affordable
    if not has_room or values_of_row * ROWS_AT_ONCE * rows.dtype.itemsize > block_budget():
        return False
    # M^-1 and the half of its square.
    of_inverse = INVERTING * size**3 / 3 + (n_forms - 1) * size**2 * (size + n_columns)
    return rows.n_rows * n_forms * (size**2 - of_row) > 2 * of_inverse


def _some(rows, positions):
    return Gradients(rows.jacobian[positions], rows.unit[positions], rows.norm[positions])


def _measured(strips, rows, rounding):
    """Lengths of all gradients; NaN where rounding is not negligible."""
    n_outputs = rows.unit.shape[1]
    forms, block = pair_forms(strips, n_outputs, rows.jacobian, rows.dtype)
    k, m = np.tril_indices(n_outputs)
    times = np.where(k == m, 1, 2)
    lengths = np.empty(rows.n_rows, rows.dtype)

    def measure(some):
        x, unit = block(some), rows.unit[some]
        # Threads have settings of their own.
        with np.errstate(all="ignore"):
            squares = np.einsum("ni,ni->n", forms(x), unit[:, k] * unit[:, m] * times)
            is_sure = rounding.allows(squares, x, unit)
            lengths[some] = np.where(is_sure, np.sqrt(squares), np.nan)

    for_each(measure, list(row_blocks(rows.n_rows, 1, ROWS_AT_ONCE)))
    return lengths


class _Rounding:
    """What bounds the rounding of the forms of ``A^T A``.

    Parameters
    ----------
    sizes_of : callable
        Takes slices to the sizes of the numbers in these columns of A, from the row on that has
        the position of the first of them if A is a triangle.
    size : int
        Columns of A.
    """

    def __init__(self, sizes_of: Callable[[slice], np.ndarray], size):
        self.column_squares, scale = np.zeros(size), np.zeros(size)
        row_sums, sums = np.zeros(size), np.zeros(size)
        blocks = list(row_blocks(size, 1, STRIP))

        def sum_rows(own):
            sizes = sizes_of(own)
            squares = self.column_squares[own] = np.einsum("ij,ij->j", sizes, sizes)
            np.divide(1, np.sqrt(squares), out=scale[own], where=squares > 0)
            with np.errstate(all="ignore"):
                return sizes @ scale[own]

        def add(row_sums_of_block):
            row_sums[size - len(row_sums_of_block) :] += row_sums_of_block

        def sum_columns(own):
            sizes = sizes_of(own)
            with np.errstate(all="ignore"):
                sums[own] = scale[own] * (row_sums[size - len(sizes) :] @ sizes)

        for_each(sum_rows, blocks, add)
        for_each(sum_columns, blocks)
        present = self.column_squares[self.column_squares > 0]
        low, high = COLUMN_SQUARES
        is_in_range = bool(present.size) and low < present.min() and present.max() < high
        self.largest = sums.max() if is_in_range else np.inf

    def bound(self, x, unit):
        """How far forms of rows may be off, by their features and residuals, shape (n,)."""
        squares = x.multiply(x) if sparse.issparse(x) else x**2
        sizes = squares @ self.column_squares.reshape(-1, x.shape[1]).T
        units = ROUNDINGS * np.finfo(x.dtype).eps * self.largest
        return units * np.einsum("nk,nk->n", sizes, unit**2)

    def allows(self, squares, x, unit):
        """Whether that is negligible beside the forms, shape (n,)."""
        with np.errstate(all="ignore"):
            is_sure = self.bound(x, unit) <= NEGLIGIBLE * squares
        is_sure &= np.isfinite(squares) & (squares > LEAST_SQUARE)
        # Rows that take no part have no length.
        return is_sure | ~unit.any(axis=1)
