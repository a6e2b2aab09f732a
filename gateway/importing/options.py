"""What is asked of every picture, from the command line's words to an upload's fields."""

import json

from models.forms import read_recipes
from models.settings import SettingsError


def options(
    resize: tuple[str, ...], formats: tuple[str, ...], bucket: str, galleries: list[str]
) -> dict[str, str]:
    """The form fields of what was asked for, as an upload has them.

    Raises SettingsError or InvalidFields.
    """
    sizes, outputs = [_size(text) for text in resize], [_format(text) for text in formats]
    read_recipes(sizes or None, outputs or None, None)
    fields = {
        "resizeOptions": sizes,
        "formatOptions": outputs,
        "galleries": galleries,
    }
    said = {name: json.dumps(value) for name, value in fields.items() if value}
    return said | ({"bucketKey": bucket} if bucket else {})


def _size(text: str) -> dict[str, int]:
    width, _, height = text.lower().partition("x")
    sides = {"width": width, "height": height}
    try:
        size = {name: int(side) for name, side in sides.items() if side}
    except ValueError:
        size = {}
    if not size or min(size.values()) < 1:
        raise SettingsError(f"--resize {text}: give WIDTH, WIDTHxHEIGHT or xHEIGHT, in pixels.")
    return size


def _format(text: str) -> dict[str, object]:
    name, _, quality = text.partition(":")
    if quality and not quality.isdigit():
        raise SettingsError(f"--format {text}: give FORMAT or FORMAT:QUALITY, as webp:80.")
    return {"format": name} | ({"options": {"quality": int(quality)}} if quality else {})
