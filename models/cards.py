"""The card of an image: what the API says of its files, written when they are made.

A page of a list has hundreds of files, and nothing is said of them that changes: reading a row
for each of them and working it out again took most of the time of a page.
"""

from collections.abc import Sequence
from datetime import datetime

from models.events import Original
from models.made import Made
from models.wire import Wire

# The guide names an original by its extension, everything else by its format.
_ORIGINAL_TYPES = {"jpeg": "jpg"}


class ImageInfo(Wire, frozen=True):
    """Width and height in pixels, and width by height to two decimals."""

    type: str
    ratio: float
    width: int
    height: int


class FileInfo(Wire, frozen=True):
    """One entry of the API's `metadata`. `object_key` is None for the original."""

    size: int
    id_suffix: str
    image_info: ImageInfo
    object_key: str | None
    content_type: str
    last_modified: int
    file_extension: str
    optimization_percent: int


class Asked(Wire, frozen=True):
    """One of the files that were asked for, and are counted."""

    format: str
    object_key: str
    width: int
    height: int


class Card(Wire, frozen=True):
    """Thumbnails first, then what was asked for, the original last."""

    metadata: tuple[FileInfo, ...]
    asked: tuple[Asked, ...]


def card_of(original: Original, taken: datetime, files: Sequence[Made], made: datetime) -> Card:
    """The card of an image that was taken in at one moment and whose files were made at another."""
    infos = [_file_info(file, original.size, made) for file in files]
    thumbs = [info for info in infos if info.id_suffix.startswith("thumb_")]
    others = [info for info in infos if not info.id_suffix.startswith("thumb_")]
    asked = [
        Asked(format=one.format, object_key=one.object_key, width=one.width, height=one.height)
        for one in files
        if one.counted
    ]
    last = _original_info(original, taken)
    return Card(metadata=(*thumbs, *others, last), asked=tuple(asked))


def _file_info(file: Made, original_size: int, made: datetime) -> FileInfo:
    return FileInfo(
        size=file.size,
        id_suffix=file.id_suffix,
        image_info=_info(file.format, file.width, file.height),
        object_key=file.object_key,
        content_type=file.content_type,
        last_modified=_milliseconds(made),
        file_extension=file.extension,
        optimization_percent=_optimization(file.size, original_size),
    )


def _original_info(original: Original, taken: datetime) -> FileInfo:
    kind = _ORIGINAL_TYPES.get(original.format, original.format)
    return FileInfo(
        size=original.size,
        id_suffix="original",
        image_info=_info(kind, original.width, original.height),
        object_key=None,
        content_type=original.content_type,
        last_modified=_milliseconds(taken),
        file_extension=original.extension,
        optimization_percent=0,
    )


def _info(kind: str, width: int, height: int) -> ImageInfo:
    return ImageInfo(type=kind, ratio=ratio_of(width, height), width=width, height=height)


def ratio_of(width: int, height: int) -> float:
    """Width by height to two decimals, 0 for what has no height."""
    return round(width / height, 2) if height else 0.0


def _optimization(size: int, original_size: int) -> int:
    saved = 100 * (1 - size / original_size) if original_size else 0
    return min(100, max(0, round(saved)))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
