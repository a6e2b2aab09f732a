"""A bounded number of the same thing at the same time; the next one is told to come back."""

import contextlib
from collections.abc import Iterator

from models.errors import Overloaded


class Slots:
    """So many places, each taken by one block at a time."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Have a place while the block runs. Raises Overloaded at once when there is none."""
        if self._free <= 0:
            raise Overloaded
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
