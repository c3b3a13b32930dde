"""The tables of estimators in README.md and the documentation are what trying them gives."""

import importlib.util
from pathlib import Path

import pytest
import sklearn
from sklearn.pipeline import Pipeline
from sklearn.utils.fixes import parse_version

from sklearn_relatif.adapters import _registry
from tests.catalogue import CASES, TREES

SCRIPT = Path(__file__).parent.parent / "docs" / "estimators.py"
specification = importlib.util.spec_from_file_location("estimators", SCRIPT)
estimators = importlib.util.module_from_spec(specification)
specification.loader.exec_module(estimators)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"),
    reason="Older releases tell less of what estimators take.",
)
@pytest.mark.filterwarnings("ignore")
def test_the_tables_are_up_to_date():
    table = estimators.table()
    assert table.count("\n") >= 45 + 2
    for page in estimators.PAGES:
        assert estimators.written(page) == table, "run python docs/estimators.py"


def test_every_registered_estimator_of_scikit_learn_is_in_the_catalogue():
    names = {name.rpartition(".")[2] for name in _registry._adapters if name.startswith("sklearn.")}
    names = {name for name in names if not name.startswith("_")}
    cases = [*CASES.values(), *TREES.values()]
    assert names <= {type(case.estimator).__name__ for case in cases} - {Pipeline.__name__}
