"""
Check the numbers against retraining
====================================

Influence functions are derivatives. Whether they tell what happens when rows are really removed is
a question for an experiment, and this package makes it easy to ask.

Needs pandas and matplotlib.
"""

# %%
# Predicted and real changes of the loss
# --------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import RemovalFidelityDisplay

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=1000))
explainer = RelatIFExplainer(model, random_state=0).fit(X_train, y_train)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for ax, order in zip(axes, ("first", "newton"), strict=True):
    RemovalFidelityDisplay.from_estimator(explainer, X_test, y_test, order=order, ax=ax)
    ax.set_title(order)

# %%
# Retrained by scikit-learn itself
# --------------------------------
# ``order="retrain"`` trains without the row. Is that true? Here scikit-learn fits
# the other rows, scaled as before. What is left is what its solver leaves.

row = int(explainer.self_influence_.argmax())
effect = np.asarray(explainer.removal_effect(X_test, y_test, order="retrain"))[:, row]
scaled = StandardScaler().fit(X_train).transform
rest = np.delete(np.arange(len(X_train)), row)
fitted = LogisticRegression(tol=1e-10, max_iter=1000)
losses = []
for rows in (np.arange(len(X_train)), rest):
    fitted.fit(scaled(X_train)[rows], y_train.iloc[rows])
    probability = fitted.predict_proba(scaled(X_test))[np.arange(len(y_test)), y_test]
    losses.append(-np.log(probability))
print(f"largest difference {np.abs(effect - (losses[1] - losses[0])).max():.1e}")

# %%
# Influence or relative influence?
# --------------------------------
# By influence, the same few rows explain everything; by relative influence, each prediction has
# rows of its own.

both = explainer.explain(X_test, n_examples=1, criterion=["influence", "loss_relative"])
for criterion, explanation in both.items():
    print(f"{criterion:>13}: {len(np.unique(explanation.indices))} rows explain {len(X_test)}")

# %%
# One number for a search
# -----------------------
# The correlation with retraining, which ``GridSearchCV`` maximises over the damping.

print(f"fidelity of the criterion {explainer.score(X_test, y_test):.4f}")
