"""
Audit a credit model
====================

Someone is refused a credit, and asks why. Someone else has to sign that the model may be used. Both
questions lead to the past cases that the model was trained on: 1,000 of them here, of which
:doc:`the sources <../index>` are told beside the data.

Needs pandas and matplotlib.
"""

# %%
# The model
# ---------
# Words become indicators, numbers are standardised; then a logistic regression. The explainer takes
# the place of the model: it fits it, and predicts as it does.

import sys
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer

DATA = Path(sys.argv[0]).parent.parent / "data" / "german_credit.csv"
applicants = pd.read_csv(DATA)
outcome = applicants.pop("class")
X_train, X_test, y_train, y_test = train_test_split(
    applicants, outcome, test_size=0.2, stratify=outcome, random_state=0
)
columns = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
)
model = make_pipeline(columns, LogisticRegression(C=0.1, tol=1e-8))
explainer = RelatIFExplainer(model).fit(X_train, y_train)

# %%
# What is there to find?
# ----------------------
# The audit looks at every case, those of the test set too, and says what it found in sentences.
# ``report.to_html("credit.html", applicants.loc[X_train.index])`` writes the same as a page.

report = explainer.audit(X_test, y_test, X_train=X_train, groups=X_train["purpose"])
report

# %%
for finding in report.findings:
    print("*", finding.sentence)

# %%
# Who speaks for this refusal?
# ----------------------------
# The refusal that the model is surest of. Relative influence finds past cases that are like the
# applicant, in what the model looks at; their columns stand beside the applicant's.

p_bad = pd.Series(explainer.predict_proba(X_test)[:, 0], index=X_test.index)
applicant = X_test.loc[[p_bad.idxmax()]]
explanation = explainer.explain(applicant)
cases = explanation.frame()["row"]
shown = ["status", "duration", "credit_history", "purpose", "credit_amount", "savings", "age"]
pd.concat({"applicant": applicant[shown].T, "cases": X_train.loc[cases, shown].T}, axis=1)

# %%
# The bars say how much each case speaks for the refusal, or against it.

explainer.explain(applicant, n_examples=8, sign="absolute").plot()

# %%
# What would have to be different?
# --------------------------------
# Some refusals rest on a few past cases: without them, the model retrained says "good". The refusal
# that is closest is such a one.

predicted = explainer.predict(X_test)
closest = (p_bad[predicted == "bad"] - 0.5).idxmin()
explainer.flip_set(X_test.loc[[closest]])

# %%
# What does each purpose do to the model?
# ---------------------------------------
# Each group of past cases is removed, and the model is trained again on the rest: how many of the
# test applicants would be told something else?

groups = pd.DataFrame(report.groups)
groups[
    ["group", "rows", "predictions_changed", "loss_change", "loss_change_low", "loss_change_high"]
].round(3)
