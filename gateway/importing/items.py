"""What there is to import: pictures of a folder, or the lines of a list of URLs."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from models.settings import SettingsError
from pipeline.sniff import NEEDED, sniff

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif"),
    *(".avif", ".heic", ".heif", ".tif", ".tiff", ".svg"),
)


class Item(NamedTuple):
    """One picture: what it is called in the source, and its file unless it is a URL."""

    name: str
    file: Path | None = None

    @property
    def title(self) -> str:
        """What an image of it is called."""
        return self.file.name if self.file else unquote(urlsplit(self.name).path).split("/")[-1]

    def digest(self) -> str:
        """A hash of what it is: the bytes of a file, or the URL. Raises OSError."""
        if self.file is None:
            return hashlib.sha256(self.name.encode()).hexdigest()
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Found(NamedTuple):
    """The items of a source in a fixed order, and how many other files are there."""

    items: list[Item]
    others: int = 0


def key_of(item: Item, digest: str, fields: dict[str, str], turn: int) -> str:
    """The Idempotency-Key: the same for the same picture at the same place, asked for the same.

    `turn` counts the failures that are known for sure: what failed may be tried again.
    """
    said = msgspec.json.encode((item.name, digest, sorted(fields.items()), turn))
    return f"calotype-import-{hashlib.sha256(said).hexdigest()}"


def found_in(source: Path) -> Found:
    """What a folder, a picture or a list of URLs holds. Raises SettingsError."""
    if source.is_dir():
        return _of_folder(source)
    try:
        if _is_picture(source):
            return Found([Item(source.name, source)])
        return of_list(source.read_text().splitlines(), str(source))
    except UnicodeDecodeError:
        raise SettingsError(f"{source} is neither a picture nor a list of URLs.") from None
    except OSError as error:
        raise SettingsError(f"{source} cannot be read ({error.strerror}).") from None


def of_list(lines: Iterable[str], name: str) -> Found:
    """A URL on each line, each once; blank lines and those that begin with # say nothing."""
    urls: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        if not url.lower().startswith(("http://", "https://")):
            raise SettingsError(f"Line {number} of {name} is not a URL: {url[:80]}")
        urls[url] = None
    return Found([Item(url) for url in urls])


def _of_folder(folder: Path) -> Found:
    items, others = [], 0
    for file in _files(folder):
        if _may_be_picture(file):
            items.append(Item(file.relative_to(folder).as_posix(), file))
        else:
            others += 1
    return Found(items, others)


def _files(folder: Path) -> Iterator[Path]:
    """All files below, in order, without hidden ones and without links to folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place, name)


def _may_be_picture(file: Path) -> bool:
    """By its name or by its first bytes; what cannot be read is told later, as a failure."""
    try:
        return file.suffix.lower() in _SUFFIXES or _is_picture(file)
    except OSError:
        return True


def _is_picture(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return sniff(opened.read(NEEDED)) is not None
