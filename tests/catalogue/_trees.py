"""Models of trees, which are no optimum of one objective.

So they are not asked what others of the catalogue are: ``tests/test_forests.py`` and the tests of
boosting ask what is promised of them. Here they are for the tables of estimators.
"""

from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from tests.catalogue._case import Case

FOREST = {"n_estimators": 5, "min_samples_leaf": 5, "random_state": 0}
TREE = {"min_samples_leaf": 5, "random_state": 0}
BOOSTED = {"n_estimators": 5, "random_state": 0}
HISTOGRAMS = {"max_iter": 5, "min_samples_leaf": 5, "random_state": 0}

TREES = {
    type(model).__name__: Case(model, data)
    for model, data in (
        (RandomForestClassifier(**FOREST), "classes"),
        (RandomForestRegressor(**FOREST), "number"),
        (ExtraTreesClassifier(**FOREST), "classes"),
        (ExtraTreesRegressor(**FOREST), "number"),
        (DecisionTreeClassifier(**TREE), "classes"),
        (DecisionTreeRegressor(**TREE), "number"),
        (ExtraTreeClassifier(**TREE), "classes"),
        (ExtraTreeRegressor(**TREE), "number"),
        (GradientBoostingClassifier(**BOOSTED), "classes"),
        (GradientBoostingRegressor(**BOOSTED), "number"),
        (HistGradientBoostingClassifier(**HISTOGRAMS), "classes"),
        (HistGradientBoostingRegressor(**HISTOGRAMS), "number"),
    )
}
