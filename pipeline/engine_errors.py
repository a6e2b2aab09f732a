"""What libvips and libheif say when they fail, turned into named causes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyvips

from models.errors import (
    DamagedImage,
    ImageTooLarge,
    RenderCrashed,
    RenderOutOfMemory,
    ServiceError,
)

_NO_MEMORY = ("out of memory", "unable to allocate", "cannot allocate", "memory allocation")
_TOO_LARGE = ("too large", "too big", "exceeds", "limit", "dimensions")


@contextmanager
def reading() -> Iterator[None]:
    """Failures inside are the picture's fault: it is damaged, or asks for too much."""
    with _named(DamagedImage):
        yield


@contextmanager
def writing() -> Iterator[None]:
    """Failures inside are the encoder's: the pixels were already good."""
    with _named(RenderCrashed):
        yield


@contextmanager
def _named(otherwise: type[ServiceError]) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise RenderOutOfMemory from error
    except pyvips.Error as error:
        raise _cause(str(error), otherwise) from error
    except (UnicodeDecodeError, OSError, ValueError, RuntimeError, SyntaxError) as error:
        # pyvips decodes libvips' messages as UTF-8, which a hostile file can break; pi-heif
        # raises the others.
        raise _cause(str(error), otherwise) from error


def _cause(message: str, otherwise: type[ServiceError]) -> ServiceError:
    said = message.lower()
    if any(words in said for words in _NO_MEMORY):
        return RenderOutOfMemory()
    if any(words in said for words in _TOO_LARGE):
        return ImageTooLarge()
    return otherwise()
