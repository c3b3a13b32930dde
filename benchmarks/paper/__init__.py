"""The experiments of Barshan, Brunet & Dziugaite (2020) that concern logistic regression.

``python -m benchmarks.paper`` runs them and writes ``RESULTS.md`` with its figures.
"""
