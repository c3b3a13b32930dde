"""The examples run, save only what they are asked to, and print what is true."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

pd = pytest.importorskip("pandas")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CREDIT = EXAMPLES / "data" / "german_credit.csv"
CENSUS = EXAMPLES / "data" / "adult_sample.csv.gz"
#: What each example writes unless told where to.
PICTURES = ["audit_credit.py", "census_income.py", "decisions.py", "grid_search_damping.py"]
REPORTS = ["recidivism.py", "text_sms.py"]


@pytest.fixture(autouse=True)
def pyplot():
    pytest.importorskip("matplotlib").use("agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    yield plt
    plt.close("all")


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run an example as a script in an empty folder; return its names and its output."""

    def run_example(name, *arguments):
        monkeypatch.setattr(sys, "argv", [str(EXAMPLES / name), *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        names = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        printed, complaints = capsys.readouterr()
        assert complaints == ""
        return names, printed

    return run_example


@pytest.mark.parametrize(
    "path", sorted((EXAMPLES / "tutorials").glob("*.py")), ids=lambda p: p.stem
)
def test_tutorials_run_and_leave_nothing(run, tmp_path, path):
    run(f"tutorials/{path.name}")
    assert list(tmp_path.iterdir()) == []


def test_quickstart_saves_nothing_unless_asked(run, tmp_path):
    _, printed = run("quickstart.py")
    assert list(tmp_path.iterdir()) == []
    assert max(map(len, printed.splitlines())) <= 100


def test_trees_find_the_lost_decimal_point(run, tmp_path):
    names, printed = run("trees.py")
    assert list(tmp_path.iterdir()) == []
    mistaken = names["mistaken"]
    assert names["y_train"][mistaken] == 840 and names["y"][mistaken] == 84
    assert f"Where the audit says to look first:\n\n  row {mistaken}: Its target 840" in printed
    for name, explainer in names["explainers"].items():
        said = explainer.predict(names["query"])[0]
        assert f"{name}: {said:.1f} = {said:.1f} = 0.02" in " ".join(printed.split())
        alone = names["changes"][name, 1]
        rows = names["y_train"].index != mistaken
        refit = clone(names["models"][name]).fit(names["X_train"][rows], names["y_train"][rows])
        if name == "boosting":  # A forest fitted to fewer rows draws others.
            change = refit.predict(names["query"])[0] - said
            assert alone["retrain"] == pytest.approx(change, abs=1e-6)
        assert 0 > alone["first"] > alone["structure"] > alone["retrain"]
    leaves = names["near"].estimator_.apply(names["X_train"])
    own = names["near"].estimator_.apply(names["query"])
    shares = np.sort(np.mean(leaves == own, axis=1))[::-1]
    np.testing.assert_allclose(1 + names["found"].scores[0], shares[:5])


@pytest.mark.parametrize("name", [*PICTURES, *REPORTS])
def test_writes_where_it_is_and_says_so(run, tmp_path, pyplot, name):
    kind = "Picture" if name in PICTURES else "Report"
    target = Path(name).stem + (".png" if name in PICTURES else ".html")
    _, printed = run(name)
    assert printed.splitlines()[-1] == f"{kind}: {target}"
    assert [path.name for path in tmp_path.iterdir()] == [target]
    check_written(tmp_path / target, pyplot)


@pytest.mark.parametrize("name", ["quickstart.py", "audit_credit.py", "recidivism.py", "trees.py"])
def test_writes_where_it_is_told_to(run, tmp_path, pyplot, name):
    is_report = name in (*REPORTS, "trees.py")
    target = tmp_path / ("elsewhere.html" if is_report else "elsewhere.png")
    _, printed = run(name, "--output", target)
    assert printed.count(f"{target}\n") == 1
    assert list(tmp_path.iterdir()) == [target]
    check_written(target, pyplot)


def check_written(path, pyplot):
    if path.suffix == ".html":
        assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
        return
    pixels = pyplot.imread(path)[..., :3].reshape(-1, 3)
    # More than an empty page: the colours of what is drawn, beside ink and paper.
    assert len(np.unique(pixels, axis=0)) > 3


def test_quickstart_finds_the_same_rows_by_cosine(run):
    names, printed = run("quickstart.py")
    np.testing.assert_array_equal(names["neighbors"], names["both"]["loss_relative"].indices)
    assert printed.rstrip().endswith("100.0%")


def test_quickstart_shows_the_rows_of_the_frame(run):
    names, printed = run("quickstart.py")
    shown = printed[printed.index("The query, and under it") :]
    for row in [names["query"].index[0], *names["frame"]["row"]]:
        radius = names["X"].loc[row, "mean radius"]
        assert f"\n{row:<5}" in shown and f"{radius:.2f}" in shown


def test_audit_explains_the_most_certain_refusal(run):
    names, printed = run("audit_credit.py")
    applicants = pd.read_csv(CREDIT)
    outcome = applicants.pop("class")
    train, test, outcome_train, _ = names["train_test_split"](
        applicants, outcome, test_size=0.2, stratify=outcome, random_state=0
    )
    model = names["credit_model"]().fit(train, outcome_train)
    p_bad = pd.Series(model.predict_proba(test)[:, 0], index=test.index)
    assert f"Applicant {p_bad.idxmax()} is refused: p(bad) = {p_bad.max():.2f}" in printed


def test_audit_takes_another_copy_of_the_data(run, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(CREDIT.read_bytes())
    assert run("audit_credit.py", "--data", copy)[1] == run("audit_credit.py")[1]


def test_audit_counts_first_cases_right(run, capsys):
    names, _ = run("audit_credit.py")
    X_train = pd.read_csv(CREDIT).drop(columns="class").iloc[:4]
    first = {
        name: pd.DataFrame(
            {
                "row": rows,
                "query": [0, 1, 2, 3],
                "label": ["bad", "good", "bad", "bad"],
                "target": ["bad", "good", "good", "bad"],
                "probability": [0.5, 0.25, 0.5, 0.5],
            }
        )
        for name, rows in {"IF": [2, 3, 2, 2], "RelatIF": [0, 1, 2, 3]}.items()
    }
    names["print_first_cases"](first, X_train, X_train)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:3] == ["IF", "2", "0.38"] and lines[1][-1] == "75%"
    # Every case is its own explanation here, so that all 20 columns agree.
    assert lines[2][:2] == ["RelatIF", "4"] and float(lines[2][3]) == 20
    names["print_hubs"](first, X_train)
    hub = capsys.readouterr().out.splitlines()[1].split()
    assert hub[0] == "2" and hub[-2:] == ["3", "1"]


def test_census_check_is_that_of_refits_on_other_people(run):
    names, printed = run("census_income.py")
    people = names["read_people"](CENSUS)
    strata = names["strata"]
    train, rest = names["train_test_split"](
        people, test_size=0.5, stratify=strata(people), random_state=0
    )
    _, check = names["train_test_split"](rest, test_size=0.5, stratify=strata(rest), random_state=0)
    model = names["income_model"]().fit(train.drop(columns="income"), train["income"])
    gap = names["gap"](model, check)
    table = printed[printed.index("Retrained without") :].splitlines()
    before, after = (line.split() for line in (table[3], table[9]))
    assert before[0] == "0.0%" and float(before[2]) == pytest.approx(gap, abs=6e-4)
    # What the example is there to show: the gap shrinks for people who chose no rows.
    assert abs(float(after[2])) < 0.5 * float(before[2])


def test_census_takes_the_names_of_openml(run, tmp_path):
    people = pd.read_csv(CENSUS)
    people = people.rename(columns=lambda name: name.replace("_", "-"))
    people.rename(columns={"income": "class"}).to_csv(tmp_path / "adult.csv", index=False)
    printed = run("census_income.py", "--data", tmp_path / "adult.csv")[1]
    assert printed == run("census_income.py")[1]


def test_census_sample_is_as_its_readme_says(run):
    names, _ = run("census_income.py")
    people = names["read_people"](CENSUS)
    assert len(people) == 6000
    assert people["occupation"].isna().any()
    assert CENSUS.stat().st_size < 200_000


def test_decisions_are_those_of_refits(run):
    names, printed = run("decisions.py")
    X, progress = names["load_diabetes"](return_X_y=True, as_frame=True, scaled=False)
    y = np.where(progress > 150, "severe", "mild")
    X, _, y, _ = names["train_test_split"](X, y, stratify=y, random_state=0)
    search = names["searched_model"]().fit(X, y)
    scaler, model = (step for _, step in search.best_estimator_.steps)

    def effects_without(patients):
        kept = ~X.index.isin(patients)
        refit = clone(model).set_params(tol=1e-10).fit(scaler.transform(X[kept]), y[kept])
        return dict(zip(X.columns, refit.coef_[0], strict=True))

    found = re.search(r"Without 5 training rows \(([\d, ]+);.*?to\s(-\S+),", printed, re.S)
    sugar = effects_without([int(row) for row in found[1].split(", ")])["s6"]
    assert sugar == pytest.approx(float(found[2]), rel=1e-4) and sugar < 0

    patient = int(re.search(r"1 training row \((\d+)\)", printed)[1])
    pressure = effects_without([patient])["bp"]
    assert f"blood pressure: {effects_without([])['bp']:+.3f} with her, {pressure:+.3f}" in printed


def test_recidivism_leaves_out_what_tells_the_answer(run, tmp_path):
    names, printed = run("recidivism.py")
    with_leaks, without = (float(line.split()[0]) for line in printed.splitlines()[1:3])
    assert with_leaks > 0.95 > 0.8 > without
    cases = names["made_up_cases"]()
    assert set(names["HONEST"] + names["LEAKING"]) < set(cases.columns)
    assert names["TARGET"] not in names["HONEST"] + names["LEAKING"]
    cases.to_csv(tmp_path / "cases.csv", index=False)
    assert run("recidivism.py", "--data", tmp_path / "cases.csv")[1] == printed


def test_recidivism_explains_a_false_alarm(run):
    names, printed = run("recidivism.py")
    cases, target = names["made_up_cases"](), names["TARGET"]
    train, test = names["train_test_split"](
        cases, test_size=0.25, stratify=cases[target], random_state=0
    )
    model = names["risk_model"]().fit(train[names["HONEST"]], train[target])
    p = pd.Series(model.predict_proba(test[names["HONEST"]])[:, 1], index=test.index)
    wrong = p[test[target] == 0]
    assert f"Case {wrong.idxmax()}: the model is {wrong.max():.0%} sure" in printed
    assert f"Case {p[p > 0.5].idxmin()}, the least certain" in printed


def test_every_shown_code_has_words(run):
    names, printed = run("audit_credit.py")
    credit = pd.read_csv(CREDIT)
    for column, words in names["WORDS"].items():
        assert set(credit[column]) <= set(words)
    assert set(names["SHOWN"]) <= set(credit.columns)
    shown = names["readable"](credit.head(3))
    assert shown["account"].tolist() == ["none", "< 0 DM", ">= 200 DM"]
    assert "A1" not in printed


def test_data_are_as_their_readme_says():
    readme = (CREDIT.parent / "SOURCES.md").read_text("utf-8")
    credit = pd.read_csv(CREDIT)
    assert credit.shape == (1000, 21)
    assert credit["class"].value_counts().to_dict() == {"good": 700, "bad": 300}
    columns = set(credit.columns) - {"class"}
    assert {column for column in columns if f"| `{column}`" not in readme} == set()
    bad = credit["class"] == "bad"
    assert bad.groupby(credit["status"]).mean().idxmin() == "A14"
    assert bad.groupby(credit["credit_history"]).mean().idxmax() == "A30"


def test_words_are_those_of_the_readme(run):
    names, _ = run("audit_credit.py")
    lines = (CREDIT.parent / "SOURCES.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("|")]
    documented = {line[2]: line[4] for line in cells if len(line) == 7}
    for words in names["WORDS"].values():
        assert words == {code: documented[code] for code in words}
