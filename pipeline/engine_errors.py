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
_TOO_LARGE = ("too large", "too big", "exceeds", "limit")
# pyvips decodes libvips' messages as UTF-8, which a hostile file can break; the rest is pi-heif's.
_OTHERS = (UnicodeDecodeError, EOFError, OSError, RuntimeError, SyntaxError, ValueError)


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
    except _OTHERS as error:
        raise _cause(str(error), otherwise) from error


def _cause(message: str, otherwise: type[ServiceError]) -> ServiceError:
    said = message.lower()
    # In this order: libheif calls crossing one of its limits a memory allocation error.
    if any(words in said for words in _TOO_LARGE):
        return ImageTooLarge()
    if any(words in said for words in _NO_MEMORY):
        return RenderOutOfMemory()
    return otherwise()
