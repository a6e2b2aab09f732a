"""compose.yaml as data: what it starts, with which words, and every variable in it filled in."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@cache
def compose() -> dict[str, Any]:
    """The file, anchors followed."""
    return dict(yaml.safe_load((TOP / "compose.yaml").read_text()))


@cache
def wanted() -> dict[str, str]:
    """What .env.example names, with what it gives."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(text: str, values: Mapping[str, str]) -> str:
    """With a value for every variable; what has none is as .env.example says."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return values.get(name) or wanted().get(name) or values[name]

    return VARIABLE.sub(value, text).replace("$$", "$")


def environment_of(service: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """What a service is started with."""
    named = compose()["services"][service]["environment"]
    return {name: filled(value, secrets) for name, value in named.items()}


def copies_of(service: str) -> int:
    """How many of it there are."""
    return int(compose()["services"][service].get("deploy", {}).get("replicas", 1))
