"""
Diagnose a regression
=====================

Does the regression rest on a handful of rows? The diabetes data of scikit-learn: 442 patients, ten
columns, and how far the disease had gone a year later.

Needs pandas and matplotlib.
"""

# %%
# Leverage, residuals, Cook's distance
# ------------------------------------
# What statisticians look at first, for each row and by its name.

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import LeverageDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
diagnostics = explainer.diagnostics()
diagnostics.nlargest(5, "cooks_distance").iloc[:, :8].round(3)

# %%
# A row moves the model if it has leverage *and* a large residual.

LeverageDisplay.from_estimator(explainer)
plt.show()

# %%
# As honest as cross-validation, at the cost of one fit
# -----------------------------------------------------
# The prediction of each row by the model that was trained without it, in closed form.

print(f"R2 on the rows themselves {r2_score(y, explainer.predict(X)):.3f}")
print(f"R2 leave-one-out          {r2_score(y, explainer.loo_predict()):.3f}")

# %%
# Do the coefficients hold without the row of the largest Cook's distance?
# ------------------------------------------------------------------------
# Removed for real, which is exact: the same as a fit of the other 441 rows.

row = diagnostics["cooks_distance"].idxmax()
without = explainer.retrain_without([X.index.get_loc(row)])[0]
change = (without.coef_ - explainer.estimator_.coef_) / explainer.estimator_.coef_
for name, share in zip(X.columns, change, strict=True):
    print(f"{name:4} {share:+7.1%}")

# %%
# The report
# ----------
# All of it, and what else was found, as a page: ``report.to_html("diabetes.html", X)``.

report = explainer.audit(X_train=X)
report
