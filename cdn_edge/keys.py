"""Which addresses could be ours. Everything else is refused before anybody looks it up."""

import re
from typing import NamedTuple

_BUCKET = r"[A-Za-z0-9]{8,40}"
_FOLDER = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_NAME = r"[a-z0-9-]{1,80}(?:-[a-z0-9_]{1,40})?\.(?:avif|webp|jpeg|jpg|png|gif|ico)"
_PATH = re.compile(rf"/({_BUCKET})/((?:{_FOLDER}/){{0,8}}{_NAME})")
_PHOTO = re.compile(r"/([A-Za-z0-9]{8}\.[a-z0-9]{2,5})")
_BREAKER = re.compile(r"(?:v=[A-Za-z0-9._-]{0,64})?")


class Address(NamedTuple):
    """A bucket's public id and an object key. A photo at `/{id}.{ext}` has no bucket: ''."""

    bucket: str
    key: str

    @property
    def path(self) -> str:
        """The one URL path of this address; also its name in every cache."""
        return f"/{self.bucket}/{self.key}" if self.bucket else f"/{self.key}"


def read_path(path: str) -> Address | None:
    """The address a decoded URL path names, or None when it is none that we could have made."""
    if match := _PATH.fullmatch(path):
        return Address(match[1], match[2])
    if match := _PHOTO.fullmatch(path):
        return Address("", match[1])
    return None


def is_known_query(query: str) -> bool:
    """Whether the raw query changes nothing: empty, or only the cache breaker `v=`."""
    return _BREAKER.fullmatch(query) is not None
