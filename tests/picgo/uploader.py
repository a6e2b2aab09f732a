"""PicGo as a process: npm brings it the first time."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Absent(Exception):
    """Node or PicGo cannot be had here."""


def installed_picgo() -> Path:
    """The script that drives PicGo, beside its node_modules."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Absent("node and npm are not installed")
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    if any(_version(name) != version for name, version in wanted.items()):
        _install()
    return HERE / "upload.js"


def _version(name: str) -> str:
    package = HERE / "node_modules" / name / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.exists() else ""


def _install() -> None:
    command = ["npm", "ci", "--no-audit", "--no-fund", "--omit=dev", "--ignore-scripts"]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode:
        raise Absent(f"npm could not install PicGo: {done.stderr.strip()[-300:]}")


def upload(folder: Path, url: str, token: str, files: Sequence[Path]) -> dict[str, Any]:
    """What PicGo made of these files, and what it said."""
    command = ["node", str(installed_picgo()), str(folder), url, token, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
