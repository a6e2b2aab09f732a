"""The fields of a bucket: what a customer may say, checked, all problems told at once."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType, field

from cdn_edge.policy import Mode
from cdn_edge.sizes import MOST_SIZES, read_box
from models.errors import InvalidFields, Problem
from models.wire import Wire
from pipeline.egress import Egress
from pipeline.proving import plain_endpoint

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{1,62}")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_BUCKET = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,63}/){1,16}")
_SECRET = re.compile(r"[\x21-\x7e]{1,1024}")
_LONGEST_NAME = 256
_LONGEST_URL = 2048


class NewBucket(Wire, frozen=True):
    """What a bucket is made from."""

    key: str
    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    name: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    public_url: str | None = None
    is_primary: bool = False
    conversion: Mode = "signed"
    sizes: list[str | int] = field(default_factory=list)
    keep_originals: bool = False
    mezzanine: bool = True

    def __repr__(self) -> str:
        """Without the keys."""
        return f"NewBucket({self.key!r})"


class BucketChange(Wire, frozen=True):
    """What becomes of a bucket; what is not said stays."""

    name: str | UnsetType = UNSET
    endpoint: str | UnsetType = UNSET
    bucket: str | UnsetType = UNSET
    access_key: str | UnsetType = UNSET
    secret_key: str | UnsetType = UNSET
    region: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    public_url: str | UnsetType | None = UNSET
    is_primary: bool | UnsetType = UNSET
    conversion: Mode | UnsetType = UNSET
    sizes: list[str | int] | UnsetType = UNSET
    keep_originals: bool | UnsetType = UNSET
    mezzanine: bool | UnsetType = UNSET

    def __repr__(self) -> str:
        """Without the keys."""
        return "BucketChange()"


def columns_of(given: NewBucket | BucketChange, egress: Egress) -> dict[str, Any]:
    """What is given, by the names of our columns, in one spelling. InvalidFields names all else."""
    said = {
        name: value for name, value in msgspec.structs.asdict(given).items() if value is not UNSET
    }
    columns: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in said.items():
        try:
            columns[_COLUMN.get(name, name)] = _read(name, value, egress)
        except InvalidFields as error:
            problems += error.problems
    if not said:
        problems.append(Problem(field="name", problem="is missing: say what is to be changed"))
    if problems:
        raise InvalidFields(problems)
    return columns


_COLUMN = {"bucket": "remote_bucket"}


def _read(name: str, value: Any, egress: Egress) -> Any:  # noqa: ANN401 text, truth or nothing
    if name == "endpoint":
        return plain_endpoint(value, egress)
    read = _READERS.get(name)
    return read(value) if read else value


def _matching(field: str, pattern: re.Pattern[str], problem: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise _invalid(field, problem)
        return text

    return read


def _name(text: str) -> str:
    if len(text) > _LONGEST_NAME or any(unicodedata.category(sign) == "Cc" for sign in text):
        raise _invalid("name", f"must be at most {_LONGEST_NAME} characters, none of them control")
    return text


def _prefix(text: str) -> str:
    folders = text.strip("/") + "/" if text.strip("/") else ""
    if folders and not _PREFIX.fullmatch(folders):
        raise _invalid("prefix", "must be folders of letters, digits, '.', '_' and '-', as 'a/b/'")
    return folders


def _public_url(text: str | None) -> str | None:
    if not text:
        return None
    try:
        url = urlsplit(text)
        plain = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        plain = False
    visible = _SECRET.fullmatch(text) and len(text) <= _LONGEST_URL and not set(text) & set("<>\"'")
    if not plain or not visible or url.query or url.fragment or "@" in url.netloc:
        raise _invalid("publicUrl", "must be an address such as https://images.example.com")
    return text.rstrip("/")


def _sizes(given: list[str | int]) -> list[str]:
    """Each size once, as it is written."""
    if len(given) > MOST_SIZES:
        raise _invalid("sizes", f"must be at most {MOST_SIZES}")
    texts: dict[str, None] = {}
    for place, size in enumerate(given):
        box = read_box(str(size))
        if box is None:
            raise _invalid(f"sizes[{place}]", "must be a size such as 640, x480 or 640x480")
        texts[box.text] = None
    return list(texts)


def _invalid(where: str, problem: str) -> InvalidFields:
    return InvalidFields([Problem(field=where, problem=problem)])


_READERS: dict[str, Callable[[Any], Any]] = {
    "key": _matching(
        "key", _KEY, "must be 2 to 63 lower-case letters, digits, '_' and '-', as 'my-bucket'"
    ),
    "region": _matching("region", _REGION, "must be a name such as eu-central-1"),
    "bucket": _matching("bucket", _BUCKET, "must be the name of a bucket, 3 to 63 characters"),
    "access_key": _matching("accessKey", _SECRET, "must be visible ASCII characters"),
    "secret_key": _matching("secretKey", _SECRET, "must be visible ASCII characters"),
    "name": _name,
    "prefix": _prefix,
    "public_url": _public_url,
    "sizes": _sizes,
}
