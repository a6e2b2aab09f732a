"""The demo: a drawn picture goes through the API like anybody's, and its variants are shown."""

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import click
import httpx2
from PIL import Image, ImageDraw

_SIZE = (1600, 1000)
_FORM = {
    "name": "demo.png",
    "description": "Drawn by calotype up --demo",
    "resizeOptions": json.dumps([{"width": 1200}, {"width": 480}]),
    "formatOptions": json.dumps([{"format": "webp"}, {"format": "avif"}, {"format": "jpeg"}]),
}


async def run_demo(api: str, key: str) -> None:
    """Upload the drawn picture and print what came back."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.post(
            f"{api}/api/v1/images",
            headers={"Authorization": f"Bearer {key}"},
            data=_FORM,
            files={"image": ("demo.png", drawn(), "image/png")},
        )
    answer.raise_for_status()
    for line in _lines(answer.json()):
        click.echo(line)


def drawn() -> bytes:
    """A PNG of hills at sunset, the same every time."""
    picture = Image.new("RGB", _SIZE)
    draw = ImageDraw.Draw(picture)
    width, height = _SIZE
    for y in range(height):
        part = y / height
        draw.line([(0, y), (width, y)], fill=(int(250 - 90 * part), int(150 - 70 * part), 120))
    draw.ellipse((1050, 250, 1290, 490), fill=(255, 236, 179))
    for layer in range(5):
        shade = 110 - 20 * layer
        hills = [(x, _hill(x, layer)) for x in range(0, width + 1, 4)]
        draw.polygon([(0, height), *hills, (width, height)], fill=(shade // 2, shade // 2, shade))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _hill(x: int, layer: int) -> float:
    wave = math.sin(x / (190 - 25 * layer) + 2 * layer) + 0.4 * math.sin(x / 61 + layer)
    return 520 + 90 * layer + 45 * wave


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    """A line for each variant, its URL whole and last, so that a terminal makes it a link."""
    yield "What one upload became:\n"
    for image in answer["data"]:
        for variant in image["metadata"]:
            if variant["objectKey"]:
                info = variant["imageInfo"]
                size = f"{info['width']}x{info['height']}"
                url = f"{image['urlBase']}/{variant['objectKey']}"
                yield f"  {size:>9}  {info['type']:<5}{variant['size']:>8,} bytes  {url}"
        yield ""
