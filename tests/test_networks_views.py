"""What is made of the explanations of networks: audits, galleries, frames, indices."""

import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.serving import ExplanationIndex
from sklearn_relatif.utils._cells import Cells
from sklearn_relatif.utils._pictures import as_pictures

X, Y = load_digits(return_X_y=True)
X = X / 16
N_TRAIN, N_TEST = 300, 60
TRAIN, TEST = slice(0, N_TRAIN), slice(N_TRAIN, N_TRAIN + N_TEST)
PICTURES = X.reshape(-1, 8, 8)
#: Of three colours, as PyTorch has them.
COLOURED = np.stack([PICTURES, PICTURES**2, 1 - PICTURES], axis=1)


def trained(model, rows, labels):
    """A model whose training stops early, which scikit-learn warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows, labels)


def network():
    return MLPClassifier((8,), max_iter=60, random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return trained(network(), X[TRAIN], Y[TRAIN])


@pytest.fixture(scope="module")
def explainer(fitted):
    """Around an MLP that has stopped early."""
    return RelatIFExplainer.from_fitted(
        fitted, X[TRAIN], Y[TRAIN], curvature="gauss_newton", damping=0.01
    )


@pytest.fixture(scope="module")
def of_pictures(fitted):
    """The same of rows that are pictures, which a step lays flat."""
    flat = FunctionTransformer(lambda rows: rows.reshape(len(rows), -1))
    model = make_pipeline(flat.fit(PICTURES), fitted)
    return RelatIFExplainer.from_fitted(
        model, PICTURES[TRAIN], Y[TRAIN], curvature="gauss_newton", damping=0.01
    )


@pytest.fixture(scope="module")
def report(of_pictures):
    return of_pictures.audit(PICTURES[TEST], Y[TEST], X_train=PICTURES[TRAIN])


def test_rows_that_are_arrays_are_explained_as_flat_ones_are(explainer, of_pictures):
    found, expected = of_pictures.explain(PICTURES[TEST]), explainer.explain(X[TEST])
    assert_array_equal(found.indices, expected.indices)
    assert_allclose(
        of_pictures.pairwise_influence(PICTURES[TEST]), explainer.pairwise_influence(X[TEST])
    )
    assert_allclose(of_pictures.transform(PICTURES[TEST]), explainer.transform(X[TEST]))


def test_frames_have_a_column_for_each_number_of_a_row(of_pictures):
    pytest.importorskip("pandas")
    frame = of_pictures.explain(PICTURES[TEST]).frame(PICTURES[TRAIN], PICTURES[TEST])
    row, query = frame["position"].iloc[7], frame["query"].iloc[7]
    assert frame["row_2,5"].iloc[7] == PICTURES[TRAIN][row, 2, 5]
    assert frame["query_2,5"].iloc[7] == PICTURES[TEST][query, 2, 5]


def test_cells_of_rows_that_are_arrays():
    cells = Cells(COLOURED[:4])
    assert cells.row_shape == (3, 8, 8) and len(cells.names) == 192
    assert cells.value(2, "2,4,3") == COLOURED[2, 2, 4, 3]
    assert_array_equal(cells.values("0,1,2"), COLOURED[:4, 0, 1, 2])
    assert Cells(X[:4]).row_shape is None


def test_an_audit_of_a_network_tells_what_it_is_explained_by(explainer, report):
    assert explainer.distance_to_optimum_ > 0.3
    assert "explained_by" in report.model and "loo_loss" not in report.columns
    assert report.checked["a fit that is not at its optimum"].startswith("not checked")
    assert "tangent" in report.verdict() and "mislead" not in report.verdict()
    assert any("not linear in its parameters" in note for note in report.notes)
    assert report.model["n_features"] == 64 and report.model["n_parameters"] == 610


def test_an_audit_of_pictures_is_that_of_flat_rows_but_for_what_is_told_of_columns(
    explainer, report
):
    flat = explainer.audit(X[TEST], Y[TEST], X_train=X[TRAIN])
    for name, column in flat.columns.items():
        if column.dtype.kind == "f":
            assert_allclose(report.columns[name], column, rtol=1e-9)
        else:
            assert_array_equal(report.columns[name], column)
    differing = {name for name, found in flat.checked.items() if report.checked[name] != found}
    assert differing == {
        "columns that tell the target",
        "columns that name the rows",
        "numbers that outweigh all others of a column",
        "rows that are nearly there twice",
    }
    assert all("8 x 8 numbers" in report.checked[name] for name in differing)


def test_a_network_that_overflows_is_not_called_explained(fitted):
    from sklearn_relatif.audit.views import is_off_optimum

    assert is_off_optimum({"explained_by": "its tangent", "distance_to_optimum": np.nan})
    assert not is_off_optimum({"explained_by": "its tangent", "distance_to_optimum": 3.0})
    assert is_off_optimum({"distance_to_optimum": 3.0})


def test_copies_of_pictures_are_found():
    twice = np.r_[0, np.arange(N_TRAIN)]
    model = make_pipeline(FunctionTransformer(lambda rows: rows.reshape(len(rows), -1)), network())
    trained(model, PICTURES[twice], Y[twice])
    explainer = RelatIFExplainer.from_fitted(
        model, PICTURES[twice], Y[twice], curvature="gauss_newton", damping=0.01
    )
    report = explainer.audit(PICTURES[:5], Y[:5], X_train=PICTURES[twice])
    found = {finding.kind: finding for finding in report.findings}
    assert_array_equal(found["duplicates"].rows, [1])
    assert "in all numbers" in found["duplicates"].sentence
    assert found["duplicates_across_split"].value == 1


def test_a_page_draws_the_pictures_that_rows_are(report, tmp_path):
    report.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    n_explained = len(report.explained)
    assert page.count("data:image/png") > n_explained * 11
    assert page.count('class="pixels"') > 20
    assert 'data-cell="0,0"' not in page
    report.to_json(tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert "tangent" in told["model"]["explained_by"]
    assert "PNG" not in str(report) and report._repr_html_()


@pytest.mark.parametrize("shape", [(8, 8, 3), (3, 8, 8), (1, 8, 8), (8, 8, 1), (8, 8)])
def test_pictures_have_their_colours_first_or_last(shape):
    rows = np.arange(2 * np.prod(shape)).reshape(2, -1)
    pictures = as_pictures(rows, shape)
    assert pictures.shape == ((2, 8, 8, 3) if 3 in shape else (2, 8, 8))
    if shape == (3, 8, 8):
        assert_array_equal(pictures[1, :, :, 2], rows[1].reshape(shape)[2])


def test_galleries_of_colours(explainer):
    pytest.importorskip("matplotlib")
    from sklearn_relatif.plotting import GalleryDisplay

    found = explainer.explain(X[TEST][:2])
    of_arrays = GalleryDisplay.from_explanations(
        found, 4 * COLOURED[TRAIN] - 2, 4 * COLOURED[TEST][:2] - 2
    )
    drawn = np.asarray(of_arrays.pictures_[0].get_array())
    # Standardised colours are drawn on the scale of all of them.
    assert_allclose(drawn, np.moveaxis(COLOURED[TEST][0], 0, -1))
    flat = [rows.reshape(len(rows), -1) for rows in (COLOURED[TRAIN], COLOURED[TEST][:2])]
    of_flat = GalleryDisplay.from_explanations(found, *flat, image_shape=(3, 8, 8))
    assert_allclose(np.asarray(of_flat.pictures_[0].get_array()), drawn)
    with pytest.raises(ValueError, match=r"of 192 values is no picture"):
        GalleryDisplay.from_explanations(found, *flat)
    with pytest.raises(ValueError, match=r"of shape \(2, 8, 8\) is no picture"):
        GalleryDisplay.from_explanations(found, COLOURED[TRAIN][:, :2], COLOURED[TEST][:2, :2])


def test_an_index_finds_the_rows_that_explain(explainer):
    for criterion in ("influence", "theta_relative", "loss_relative"):
        index = ExplanationIndex(explainer, criterion=criterion)
        expected = explainer.explain(X[TEST], criterion=criterion)
        assert_array_equal(index.explain(X[TEST]).indices, expected.indices)


def test_a_network_has_no_compact_form(explainer):
    with pytest.raises(ValueError, match=r"610 numbers, and 300 rows would take 0\.7 MiB"):
        explainer.compact()


def test_nearest_pictures_are_those_of_the_pixels():
    of_arrays = NearestNeighborsExplainer().fit(COLOURED[TRAIN], Y[TRAIN])
    assert of_arrays.n_features_in_ == 192
    flat = NearestNeighborsExplainer().fit(COLOURED[TRAIN].reshape(N_TRAIN, -1), Y[TRAIN])
    found = of_arrays.explain(COLOURED[TEST])
    expected = flat.explain(COLOURED[TEST].reshape(N_TEST, -1))
    assert_array_equal(found.indices, expected.indices)


def test_a_network_behind_a_pipeline_is_audited_with_its_columns():
    rows, labels = load_breast_cancer(return_X_y=True)
    model = trained(make_pipeline(StandardScaler(), network()), rows[:400], labels[:400])
    explainer = RelatIFExplainer.from_fitted(
        model, rows[:400], labels[:400], curvature="gauss_newton", damping=0.01
    )
    report = explainer.audit(rows[400:], labels[400:], X_train=rows[:400])
    reasons = {name: found for name, found in report.checked.items() if "not checked" in found}
    assert set(reasons) == {
        "a fit that is not at its optimum",
        "single rows that predictions hang on",
        "groups of rows that the test loss hangs on",
    }
    # They are shares of a linear score.
    assert not report.contributions


def test_rows_that_are_scaled_otherwise_are_warned_of(fitted):
    """Those that are like its own are not."""
    params = {"curvature": "gauss_newton", "damping": 0.01}
    far = "may not be the rows that it was trained on"
    with pytest.warns(ConvergenceWarning, match=far):
        RelatIFExplainer.from_fitted(fitted, 16 * X[TRAIN], Y[TRAIN], **params)
    RelatIFExplainer.from_fitted(fitted, X[TRAIN][::-1], Y[TRAIN][::-1], **params)
