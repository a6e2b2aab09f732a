"""Admission: bodies that are too long or too many are refused before a byte is read."""

import contextlib
from collections.abc import AsyncIterator

from models.errors import TooLarge
from models.slots import Slots


class Door:
    """Lets in a bounded number of uploads at the same time; the next one is told to come back."""

    def __init__(self, most: int, largest: int) -> None:
        self._slots = Slots(most)
        self._largest = largest

    @contextlib.asynccontextmanager
    async def entered(self, content_length: str | None) -> AsyncIterator[None]:
        """Be inside while the block runs. Raises TooLarge or Overloaded at once."""
        if content_length and content_length.isdigit() and int(content_length) > self._largest:
            raise TooLarge(f"The request is larger than the {self._largest} bytes allowed.")
        with self._slots.taken():
            yield
