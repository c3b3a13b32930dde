"""Losses of generalised linear models: a distribution of the target, and a link to its mean."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from ._base import Loss, polar
from ._link import ComplementaryLogLogLink, IdentityLink, Link, LogitLink, LogLink

#: Share of the Fisher weight below which a second derivative is the rounding of zero.
DERIVATIVE_ROUNDING = 10 * np.finfo(np.float64).eps


class Domain(NamedTuple):
    """Real numbers between two bounds.

    Attributes
    ----------
    low, high : float
    has_low, has_high : bool
        Whether the bounds are among them.
    """

    low: float = -np.inf
    high: float = np.inf
    has_low: bool = False
    has_high: bool = False

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Whether each value lies in it; NaN does nowhere."""
        above = values >= self.low if self.has_low else values > self.low
        below = values <= self.high if self.has_high else values < self.high
        inside: np.ndarray = above & below
        return inside

    def __str__(self) -> str:
        left, right = "[" if self.has_low else "(", "]" if self.has_high else ")"
        return f"{left}{self.low:g}, {self.high:g}{right}"


REAL, POSITIVE, NOT_NEGATIVE = Domain(), Domain(low=0), Domain(low=0, has_low=True)
SHARE = Domain(low=0, high=1, has_low=True, has_high=True)
#: Margins of targets at an end of the domain, which may grow for ever, and of those that pull both
#: ways, so that neither of their two can.
ZERO_OR_MORE = np.array([[[-1.0], [-1.0]], [[1.0], [-1.0]]])
ZERO_ONE_OR_BETWEEN = np.array([[[-1.0], [-1.0]], [[1.0], [1.0]], [[1.0], [-1.0]]])
#: How far from 0 and 1 the mean of a share is kept.
LEAST_SHARE = np.finfo(np.float64).eps


class UnitDeviance(Loss):
    """Half the unit deviance of one real target, in a link.

    With the mean ``mu(eta)`` and the variance ``V(mu)`` that the distribution has::

        residual            (mu - y) mu' / V
        Fisher weight       mu'^2 / V
        second derivative   mu'^2 / V - (mu - y) (V' (mu' / V)^2 - mu'' / V)

    The last two are the same where the link is canonical. Subclasses give ``V``, its derivative,
    and half the unit deviance, whose derivative in the mean is ``(mu - y) / V``.

    A target of NaN asks for the prediction itself: the loss is ``-mu`` then, so that what
    supports it is what raises the prediction. All is computed in double precision. Where the link
    leads to a mean that the distribution does not have, nothing is a number, and queries are
    refused.

    Parameters
    ----------
    link : Link

    Attributes
    ----------
    targets, means : Domain
        Those that the distribution has.
    """

    n_outputs = 1
    has_fisher = True
    has_dispersion = True
    targets: Domain = REAL
    means: Domain = REAL

    def __init__(self, link: Link) -> None:
        self.link = link
        self.furthest = link.furthest

    @abstractmethod
    def variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance of the target, up to a factor, by its mean."""

    @abstractmethod
    def variance_slope(self, mean: np.ndarray) -> np.ndarray:
        """Derivative of the variance with respect to the mean."""

    @abstractmethod
    def half_deviance(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Half the unit deviance, elementwise."""

    def _moments(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, its derivative with respect to ``eta``, and variance, in the shape of ``eta``."""
        eta = eta.astype(np.float64)
        mean = self.link.inverse(eta)
        mean = np.where(self.means.contains(mean), mean, np.nan)
        return mean, self.link.slope(eta), self.variance(mean)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        mean = self._moments(eta)[0][:, 0]
        value: np.ndarray = np.where(np.isnan(y), -mean, self.half_deviance(y, mean))
        return value.astype(eta.dtype)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, 1)."""
        return self._residual(y, eta).astype(eta.dtype)

    def _residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        mean, slope, variance = self._moments(eta)
        y = y[:, None]
        residual: np.ndarray = np.where(np.isnan(y), -1.0, (mean - y) / variance) * slope
        return residual

    def value_terms(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Those, and the target times the logarithm of itself over the mean, (n,)."""
        own = (1 + np.nan_to_num(np.abs(y))) * (4 + np.abs(np.log(np.abs(y) + (y == 0))))
        terms: np.ndarray = super().value_terms(y, eta) + np.nan_to_num(own)
        return terms + (1 + np.nan_to_num(np.abs(y))) * np.abs(eta[:, 0])

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, 1) of the residual, also where float32 has no such norm."""
        norm, unit = polar(self._residual(y, eta))
        return norm.astype(eta.dtype), unit.astype(eta.dtype)

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm and unit vector of the gradient of a query, which must have a mean."""
        n_outside = np.count_nonzero(np.isnan(self._moments(eta)[0]))
        if n_outside:
            raise ValueError(
                f"The model predicts a mean outside of {self.means} for {n_outside} of "
                f"{len(eta)} rows, where its deviance does not exist: leave them out. A log link "
                "has no such rows."
            )
        return super().query_direction(y, eta)

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, 1)."""
        mean, slope, variance = self._moments(eta)
        y, bend = y[:, None], self.link.bend(eta.astype(np.float64))
        weight = slope**2 / variance
        excess = self.variance_slope(mean) * (slope / variance) ** 2 - bend / variance
        # Linear in y: what does not depend on y must not cancel with what does.
        whole = weight - mean * excess + y * excess
        whole = np.where(np.abs(whole) > DERIVATIVE_ROUNDING * weight, whole, 0.0)
        second: np.ndarray = np.where(np.isnan(y), -bend, whole)
        return second.astype(eta.dtype)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """E[residual^2] under the model, shape (n, 1)."""
        _, slope, variance = self._moments(eta)
        return (slope**2 / variance).astype(eta.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Predicted means, shape (n,)."""
        return self.link.inverse(eta.astype(np.float64))[:, 0].astype(eta.dtype)


class TweedieDeviance(UnitDeviance):
    """Half the unit deviance of a variance ``mu^p`` (Jørgensen, 1987).

    With the limits at p = 1 and p = 2 it is::

        y^(2-p) / ((1-p) (2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p)

    Parameters
    ----------
    power : float
        ``p``: 0 of the normal distribution, 1 of Poisson's, between 1 and 2 of compound Poisson
        distributions, 2 of the gamma and 3 of the inverse Gaussian distribution.
    link : Link
    """

    def __init__(self, power: float, link: Link) -> None:
        super().__init__(link)
        self.power, self.has_dispersion = power, power != 1
        self.means = REAL if power == 0 else POSITIVE
        self.targets = REAL if power <= 0 else NOT_NEGATIVE if power < 2 else POSITIVE
        is_convex = {LogLink: 1 <= power <= 2, IdentityLink: power in (0, 1)}
        self.is_convex = is_convex.get(type(link), False)
        if isinstance(link, LogLink) and self.is_convex:
            # (p-1) y exp((1-p) eta) + (2-p) exp((2-p) eta), whose terms are not negative.
            self.concordance = max(power - 1, 2 - power)
        elif isinstance(link, IdentityLink) and power == 0:
            self.concordance = 0.0

    def endless_margins(self) -> list[tuple[list[int], np.ndarray]]:
        """Targets of 0 pull towards a mean of 0, which a log link never reaches; others stay."""
        has_zeros = isinstance(self.link, LogLink) and 1 <= self.power < 2
        return [([0], ZERO_OR_MORE)] if has_zeros else []

    def margin_classes(self, y: np.ndarray) -> np.ndarray:
        """0 for targets of 0, and 1 for others."""
        return (y > 0).astype(np.intp)

    def value_terms(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Those, over what a power divides them by, (n,)."""
        divisor = abs((1 - self.power) * (2 - self.power))
        return super().value_terms(y, eta) / (divisor if 0 < divisor < 1 else 1)

    def variance(self, mean: np.ndarray) -> np.ndarray:
        variance: np.ndarray = mean**self.power
        return variance

    def variance_slope(self, mean: np.ndarray) -> np.ndarray:
        slope: np.ndarray = self.power * mean ** (self.power - 1)
        return slope

    def half_deviance(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        p = self.power
        deviance: np.ndarray
        if p == 0:
            deviance = (y - mean) ** 2 / 2
        elif p == 1:
            deviance = xlogy(y, y / mean) - y + mean
        elif p == 2:
            deviance = np.log(mean / y) + y / mean - 1
        else:
            own = np.maximum(y, 0) ** (2 - p) / (1 - p)
            deviance = (own + mean ** (2 - p)) / (2 - p) - y * mean ** (1 - p) / (1 - p)
        return deviance


class PoissonDeviance(TweedieDeviance):
    """``y log(y / mu) - y + mu``."""

    def __init__(self, link: Link) -> None:
        super().__init__(1, link)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        # A mean of 0 is that of leaves whose counts are all 0.
        is_zero = self.link.inverse(eta.astype(np.float64))[:, 0] == 0
        value: np.ndarray = super().value(y, eta)
        value[is_zero] = np.where(y[is_zero] > 0, np.inf, 0)
        return value


class BinomialDeviance(UnitDeviance):
    """``y log(y / mu) + (1 - y) log((1 - y) / (1 - mu))`` of a share y, such as one of trials.

    Their number is a weight of the row.

    Parameters
    ----------
    link : Link
    """

    targets = means = SHARE
    has_dispersion = False

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.is_convex = isinstance(link, (LogitLink, ComplementaryLogLogLink))
        if isinstance(link, LogitLink):
            self.concordance = 1.0

    def endless_margins(self) -> list[tuple[list[int], np.ndarray]]:
        """Targets of 0 and 1 pull towards means that these links never reach; others stay."""
        if not self.is_convex:
            return []
        return [([0], ZERO_ONE_OR_BETWEEN)]

    def margin_classes(self, y: np.ndarray) -> np.ndarray:
        """0 and 1 for these targets, and 2 for those between."""
        return np.where((y > 0) & (y < 1), 2, y).astype(np.intp)

    def _moments(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean, slope, _ = super()._moments(eta)
        mean = np.clip(mean, LEAST_SHARE, 1 - LEAST_SHARE)
        return mean, slope, self.variance(mean)

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean * (1 - mean)

    def variance_slope(self, mean: np.ndarray) -> np.ndarray:
        return 1 - 2 * mean

    def half_deviance(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        deviance: np.ndarray = xlogy(y, y / mean) + xlogy(1 - y, (1 - y) / (1 - mean))
        return deviance


class NegativeBinomialDeviance(UnitDeviance):
    """Half the unit deviance of a variance ``mu + alpha mu^2``.

    ``y log(y / mu) - (y + 1 / alpha) log((1 + alpha y) / (1 + alpha mu))``

    Parameters
    ----------
    alpha : float
    link : Link
    """

    targets, means = NOT_NEGATIVE, POSITIVE
    has_dispersion = False

    def __init__(self, alpha: float, link: Link) -> None:
        super().__init__(link)
        self.alpha = alpha
        self.is_convex = isinstance(link, LogLink)
        if self.is_convex:  # The bend of a logarithm of odds, times y + 1 / alpha.
            self.concordance = 1.0

    def endless_margins(self) -> list[tuple[list[int], np.ndarray]]:
        """Those of counts, in a log link."""
        return [([0], ZERO_OR_MORE)] if isinstance(self.link, LogLink) else []

    def margin_classes(self, y: np.ndarray) -> np.ndarray:
        """0 for targets of 0, and 1 for others."""
        return (y > 0).astype(np.intp)

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean + self.alpha * mean**2

    def variance_slope(self, mean: np.ndarray) -> np.ndarray:
        return 1 + 2 * self.alpha * mean

    def half_deviance(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        ratio = np.log1p(self.alpha * y) - np.log1p(self.alpha * mean)
        deviance: np.ndarray = xlogy(y, y / mean) - (y + 1 / self.alpha) * ratio
        return deviance
