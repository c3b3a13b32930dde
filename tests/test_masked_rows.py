"""Rows of the literature on outliers that hide one another, as sets that a conclusion rests on."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.statistics import MetricOn

#: D. M. Hawkins, D. Bradu, G. V. Kass (1984), "Location of several outliers in multiple-regression
#: data using elemental sets", Technometrics 26(3): x1, x2, x3 and y of 75 rows. The first ten are
#: outliers that take the fit to themselves, so that the next four, which are none, look like some.
HAWKINS = """
10.1 19.6 28.3 9.7 | 9.5 20.5 28.9 10.1 | 10.7 20.2 31 10.3 | 9.9 21.5 31.7 9.5
10.3 21.1 31.1 10 | 10.8 20.4 29.2 10 | 10.5 20.9 29.1 10.8 | 9.9 19.6 28.8 10.3 | 9.7 20.7 31 9.6
9.3 19.7 30.3 9.9 | 11 24 35 -0.2 | 12 23 37 -0.4 | 12 26 34 0.7 | 11 34 34 0.1 | 3.4 2.9 2.1 -0.4
3.1 2.2 0.3 0.6 | 0 1.6 0.2 -0.2 | 2.3 1.6 2 0 | 0.8 2.9 1.6 0.1 | 3.1 3.4 2.2 0.4
2.6 2.2 1.9 0.9 | 0.4 3.2 1.9 0.3 | 2 2.3 0.8 -0.8 | 1.3 2.3 0.5 0.7 | 1 0 0.4 -0.3
0.9 3.3 2.5 -0.8 | 3.3 2.5 2.9 -0.7 | 1.8 0.8 2 0.3 | 1.2 0.9 0.8 0.3 | 1.2 0.7 3.4 -0.3
3.1 1.4 1 0 | 0.5 2.4 0.3 -0.4 | 1.5 3.1 1.5 -0.6 | 0.4 0 0.7 -0.7 | 3.1 2.4 3 0.3
1.1 2.2 2.7 -1 | 0.1 3 2.6 -0.6 | 1.5 1.2 0.2 0.9 | 2.1 0 1.2 -0.7 | 0.5 2 1.2 -0.5
3.4 1.6 2.9 -0.1 | 0.3 1 2.7 -0.7 | 0.1 3.3 0.9 0.6 | 1.8 0.5 3.2 -0.7 | 1.9 0.1 0.6 -0.5
1.8 0.5 3 -0.4 | 3 0.1 0.8 -0.9 | 3.1 1.6 3 0.1 | 3.1 2.5 1.9 0.9 | 2.1 2.8 2.9 -0.4
2.3 1.5 0.4 0.7 | 3.3 0.6 1.2 -0.5 | 0.3 0.4 3.3 0.7 | 1.1 3 0.3 0.7 | 0.5 2.4 0.9 0
1.8 3.2 0.9 0.1 | 1.8 0.7 0.7 0.7 | 2.4 3.4 1.5 -0.1 | 1.6 2.1 3 -0.3 | 0.3 1.5 3.3 -0.9
0.4 3.4 3 -0.3 | 0.9 0.1 0.3 0.6 | 1.1 2.7 0.2 -0.3 | 2.8 3 2.9 -0.5 | 2 0.7 2.7 0.6
0.2 1.8 0.8 -0.9 | 1.6 2 1.2 -0.7 | 0.1 0 1.1 0.6 | 2 0.6 0.3 0.2 | 1 2.2 2.9 0.7
2.2 2.5 2.3 0.2 | 0.6 2 1.5 -0.2 | 0.3 1.7 2.2 0.4 | 0 2.2 1.6 -0.9 | 0.3 0.4 2.6 0.2
"""
#: A. S. Hadi, J. S. Simonoff (1993), "Procedures for the identification of multiple outliers in
#: linear models", JASA 88(424): x1, x2 and y of 25 rows. The first three are outliers.
HADI = """
15 15 34 | 14.95 14.95 33.9 | 14.9 14.9 33.8 | 13.7909 17.0999 32.6016 | 3.60424 3.00793 6.38553
6.3905 11.0249 16.1119 | 5.13756 9.11747 14.8969 | 6.98242 6.70008 14.0065
8.54968 6.58946 15.1297 | 9.41802 7.14941 17.9406 | 8.58942 3.39223 10.22806
2.32221 -0.115934 1.6473 | 14.3409 10.935 25.1874 | 8.08558 5.28895 13.764
9.38206 2.28385 11.9967 | 4.32664 3.50448 8.2127 | 12.7987 15.7696 28.0132
7.92987 13.8133 22.8697 | 2.26946 6.30972 7.15197 | 12.8386 5.66232 18.2589
3.66188 3.55028 7.09652 | 0.254591 0.230256 0.17605 | 3.91701 11.5185 15.8921
13.1687 9.82886 22.4458 | 0.953868 4.29971 4.65196
"""


def table_of(text):
    rows = np.array([row.split() for row in text.replace("\n", "|").strip("|").split("|")], float)
    return rows[:, :-1], rows[:, -1]


def positions_of(found):
    return sorted(found.positions.tolist())


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_ten_outliers_of_hawkins_bradu_and_kass_are_the_set_of_each_slope(column):
    X, y = table_of(HAWKINS)
    found = RelatIFExplainer(LinearRegression()).fit(X[:, [column]], y)
    found = found.fragility("coef:x0", threshold=0.05)
    assert positions_of(found) == list(range(10))
    assert found.value_before > 0.2 > 0.03 > found.value_after
    # All other sets of nine rows are ruled out for the first column, and of eight for others.
    assert found.lower_bound >= 9


def test_the_ten_outliers_are_why_the_four_good_rows_do_not_fit():
    X, y = table_of(HAWKINS)
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    of_good = MetricOn("mean_squared_error", X[10:14], y[10:14])
    found = explainer.fragility(of_good, threshold=1.0)
    assert positions_of(found) == list(range(10))
    assert found.value_before > 50 and found.value_after < 1


def test_the_three_outliers_of_hadi_and_simonoff_are_the_set_of_a_slope():
    X, y = table_of(HADI)
    clean = LinearRegression().fit(X[3:], y[3:]).coef_[0]
    found = RelatIFExplainer(LinearRegression()).fit(X, y).fragility("coef:x0", threshold=1.02)
    assert positions_of(found) == [0, 1, 2]
    assert found.is_minimal
    np.testing.assert_allclose(found.value_after, clean, rtol=1e-9)
    # Their influences alone do not lead that far.
    assert found.value_predicted > 1.04
