"""How far an encoding is from its picture, as an eye would say (butteraugli, 3-norm)."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pyvips

PROGRAM: Final = "butteraugli_main"  # Debian and Ubuntu: apt-get install libjxl-devtools
INVISIBLE: Final = 0.01  # what is nearer counts as this near, so that ratios can be taken


def can_see() -> bool:
    """Whether the program that compares is installed."""
    return shutil.which(PROGRAM) is not None


def distance(reference: Path, encoded: bytes) -> float:
    """Butteraugli's 3-norm: about 1 is where a careful eye begins to notice."""
    with tempfile.NamedTemporaryFile(suffix=".png") as decoded:
        image = pyvips.Image.new_from_buffer(encoded, "").colourspace("srgb")
        image.extract_band(0, n=3).pngsave(decoded.name, keep="none", compression=1)
        command = [PROGRAM, str(reference), decoded.name]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return max(INVISIBLE, float(said.split()[-1]))
