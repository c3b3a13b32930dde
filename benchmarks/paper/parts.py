"""The parts of the study, and the report on them."""

from importlib.util import find_spec

from .._measure import seconds
from . import (
    convnet,
    convnet_galleries,
    convnet_sets,
    galleries,
    illustration,
    influence_sets,
    loo_fidelity,
    machines,
    models,
    network_fidelity,
    overlap,
    recurrent,
    removals,
    report,
    surnames,
)
from .study import Cost, Study, peak_memory

#: Each part by its name: what computes it, and what writes it down. Later ones use earlier ones.
PARTS = {
    "models": (models.run, models.write),
    "table1": (influence_sets.run, influence_sets.write),
    "table1_double": (influence_sets.run_double, influence_sets.write_double),
    "overlap": (overlap.run, overlap.write),
    "removals": (removals.run, removals.write),
    "removals_strong": (removals.run_strong, removals.write_strong),
    "loo_fidelity": (loo_fidelity.run, loo_fidelity.write),
    "network_fidelity": (network_fidelity.run, network_fidelity.write),
    "galleries": (galleries.run, galleries.write),
    "illustration": (illustration.run, illustration.write),
    "machines": (machines.run, machines.write),
    "surnames": (surnames.run, surnames.write),
    "recurrent": (recurrent.run, recurrent.write),
    "convnet": (convnet.run, convnet.write),
    "convnet_table1": (convnet_sets.run, convnet_sets.write),
    "convnet_galleries": (convnet_galleries.run, convnet_galleries.write),
}
#: The path without which a part has no data.
NEEDED = {
    "surnames": "names",
    "recurrent": "names",
    "convnet": "cifar",
    "convnet_table1": "cifar",
    "convnet_galleries": "cifar",
}
#: Parts that need PyTorch, and no such path.
OF_TORCH = {"network_fidelity"}

INTRODUCTION = """# The paper's experiments

Barshan, Brunet & Dziugaite, "RelatIF: Identifying Explanatory Training Examples via Relative
Influence", AISTATS 2020: those on logistic regression, on support vector machines and on a ConvNet,
and Table 3 with a recurrent network and with logistic regression. Written by `python -m
benchmarks.paper`, not by hand.
"""


def has_data(name, paths):
    """Whether the data of a part are there, given paths by their names, or None."""
    if name in OF_TORCH and find_spec("torch") is None:
        return False
    return name not in NEEDED or paths[NEEDED[name]] is not None


def run_part(name, *where):
    """Compute one part of the study, and keep its results."""
    study = Study(*where)
    elapsed, results = seconds(PARTS[name][0], study)
    study.save(name, results | {"cost": Cost(elapsed, peak_memory(), results.get("work"))})


def write_report(study, folder):
    """Write RESULTS.md and its figures from the results of the parts that have been run."""
    sections, costs = [], {}
    for name, (_, write) in PARTS.items():
        if study.has(name):
            results = study.load(name)
            costs[name] = results["cost"]
            sections.append(write(results, folder))
    missing = [name for name in PARTS if not study.has(name)]
    if missing:
        paths = dict.fromkeys(NEEDED[name] for name in missing if name in NEEDED)
        need = "".join(f" Some need `--{path} PATH`." for path in paths)
        need += " Some need PyTorch." if OF_TORCH & set(missing) else ""
        sections.append(f"## Not run\n\nThe parts {', '.join(missing)}.{need}\n")
    text = "\n".join([INTRODUCTION, *sections, report.costs(costs)])
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")
