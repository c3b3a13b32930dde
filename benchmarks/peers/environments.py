"""One virtual environment for each package, made once."""

import os
import subprocess
import sys
from pathlib import Path

TORCH = "torch==2.13.0"
REQUIREMENTS = {
    "pydvl": ["pyDVL[influence]==0.10.0", "numpy==1.26.4", TORCH],
    "dattri": ["dattri==0.3.0", TORCH],
    "captum": ["captum==0.9.0", TORCH],
    "kronfluence": ["accelerate", "einconv", "opt_einsum", TORCH],
    "pyinfluence": ["pyinfluence==0.5.0"],
    "statsmodels": ["statsmodels==0.15.0"],
}
#: Packages that require more than they import here: kronfluence asks for torchvision.
ALONE = {"kronfluence": "kronfluence==1.0.1"}


def interpreter(package, folder):
    """Return the interpreter that has the package: this one, or that of its environment."""
    if package not in REQUIREMENTS:
        return sys.executable
    return made(Path(folder, package), REQUIREMENTS[package], ALONE.get(package))


def made(environment, requirements, alone=None):
    """Return the interpreter of an environment with what is required, and one package as it is.

    The environment is made where it is missing, or was made for other requirements.
    """
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = "\n".join([*requirements, *([alone] if alone else [])])
    installed = environment / "requirements.txt"  # written last, so that it means "complete"
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing {environment.name} into {environment}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        install = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *requirements], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", alone], check=True)
        installed.write_text(wanted)
    return str(python)
