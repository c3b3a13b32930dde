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
    "pyinfluence": ["pyinfluence==0.5.0"],
    "statsmodels": ["statsmodels==0.15.0"],
}


def interpreter(package, folder):
    """Return the interpreter that has the package: this one, or that of its environment.

    The environment is made where it is missing, or was made for other requirements.
    """
    if package not in REQUIREMENTS:
        return sys.executable
    environment = Path(folder, package)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = "\n".join(REQUIREMENTS[package])
    installed = environment / "requirements.txt"  # written last, so that it means "complete"
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing {package} into {environment}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted.split()], check=True)
        installed.write_text(wanted)
    return str(python)
