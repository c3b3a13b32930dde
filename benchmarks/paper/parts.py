"""The parts of the study, and the report on them."""

from .._measure import seconds
from . import (
    galleries,
    illustration,
    influence_sets,
    loo_fidelity,
    models,
    overlap,
    removals,
    report,
)
from .study import Study

#: Each part by its name: what computes it, and what writes it down. Later ones use earlier ones.
PARTS = {
    "models": (models.run, models.write),
    "table1": (influence_sets.run, influence_sets.write),
    "overlap": (overlap.run, overlap.write),
    "removals": (removals.run, removals.write),
    "galleries": (galleries.run, galleries.write),
    "illustration": (illustration.run, illustration.write),
    "table1_double": (influence_sets.run_double, influence_sets.write_double),
    "removals_strong": (removals.run_strong, removals.write_strong),
    "loo_fidelity": (loo_fidelity.run, loo_fidelity.write),
}

INTRODUCTION = """# The paper's experiments on logistic regression

Barshan, Brunet & Dziugaite, "RelatIF: Identifying Explanatory Training Examples via Relative
Influence", AISTATS 2020. Written by `python -m benchmarks.paper`, not by hand. Parts that are still
to come: the SVM appendix, and Table 3 on surnames.
"""


def run_part(name, *where):
    """Compute one part of the study, and keep its results."""
    study = Study(*where)
    elapsed, results = seconds(PARTS[name][0], study)
    study.save(name, results | {"part_seconds": elapsed})


def write_report(study, folder):
    """Write RESULTS.md and its figures from the results of the parts that have been run."""
    sections, times = [], {}
    for name, (_, write) in PARTS.items():
        if study.has(name):
            results = study.load(name)
            times[name] = results.pop("part_seconds")
            sections.append(write(results, folder))
    missing = [name for name in PARTS if not study.has(name)]
    if missing:
        sections.append(f"## Not run\n\n{', '.join(missing)}\n")
    text = "\n".join([INTRODUCTION, *sections, report.times(times)])
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")
