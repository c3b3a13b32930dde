"""Intervals of 95 % around what some rows show of all rows like them."""

from __future__ import annotations

import numpy as np

#: Standard errors on either side.
Z = 1.959963984540054


def of_share(share, n_rows):
    """The interval of Wilson around a share of rows.

    Parameters
    ----------
    share : float or ndarray
    n_rows : int or ndarray
        The rows that it is a share of.

    Returns
    -------
    low, high : float or ndarray

    Examples
    --------
    >>> from sklearn_relatif.audit._intervals import of_share
    >>> low, high = of_share(0.9, 100)
    >>> print(round(low, 3), round(high, 3))
    0.826 0.945
    """
    share, n_rows = np.asarray(share, np.float64), np.asarray(n_rows, np.float64)
    squeeze = 1 + Z**2 / n_rows
    middle = (share + Z**2 / (2 * n_rows)) / squeeze
    reach = Z / squeeze * np.sqrt(share * (1 - share) / n_rows + (Z / (2 * n_rows)) ** 2)
    # Exactly 0 and 1 at the ends, which rounding would pass.
    return np.maximum(middle - reach, 0), np.minimum(middle + reach, 1)


def mean_change(name, before, after):
    """The change of a mean over rows, with its interval, under three names.

    Parameters
    ----------
    name : str
    before, after : ndarray of shape (n_rows,)
        Of the same rows, whose differences vary less than they do.
    """
    difference = np.subtract(after, before, dtype=np.float64)
    low, high = of_mean(difference)
    return {name: difference.mean(), f"{name}_low": low, f"{name}_high": high}


def of_mean(values):
    """The normal interval around the mean of differences, one a row.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)

    Returns
    -------
    low, high : float
        NaN of fewer than two rows.
    """
    mean = np.mean(values)
    if len(values) < 2:
        return np.nan, np.nan
    reach = Z * np.std(values, ddof=1) / np.sqrt(len(values))
    return mean - reach, mean + reach
