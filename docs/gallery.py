"""How the gallery of the guide runs the examples."""

import tempfile
from pathlib import Path


def arguments(gallery_conf, script_vars):
    """Arguments by which an example writes its files where the gallery leaves no trace of them."""
    source = Path(script_vars["src_file"])
    if '"--output"' not in source.read_text("utf-8"):
        return []
    return ["--output", str(Path(tempfile.mkdtemp(prefix="gallery-")) / source.stem)]
