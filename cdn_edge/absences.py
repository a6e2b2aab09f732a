"""Keys that were looked up and are not there: a bounded table with a short memory."""

from collections import OrderedDict
from collections.abc import Callable

_MOST = 50_000


class Absences:
    """Remembers 404 and 410 by path, each for its own short while; the oldest go first.

    Any thread may ask; the event loop alone changes anything.
    """

    def __init__(self, clock: Callable[[], float], *, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._table: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def get(self, path: str) -> int | None:
        """The status this path was answered with, while that is fresh."""
        until, status = self._table.get(path, (0.0, 0))
        return status if until > self._clock() else None

    def put(self, path: str, status: int, seconds: float) -> None:
        """Answer this path with this status for so many seconds."""
        self._table.pop(path, None)
        while len(self._table) >= self._most:
            self._table.popitem(last=False)
        self._table[path] = (self._clock() + seconds, status)

    def drop(self, path: str) -> None:
        """Look this path up again."""
        self._table.pop(path, None)

    def drop_prefix(self, prefix: str) -> None:
        """Look up again every path that starts so."""
        for path in [path for path in self._table if path.startswith(prefix)]:
            del self._table[path]
