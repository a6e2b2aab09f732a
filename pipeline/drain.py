"""How long a stopping process may still take, all its parts together."""

import time


class Drain:
    """So many seconds, counted from when it begins: whoever stops first starts the clock."""

    def __init__(self, seconds: float, linger: float = 0.0) -> None:
        self.linger = linger
        """Seconds of them in which who is connected may still ask."""
        self._seconds = seconds
        self._deadline: float | None = None

    @property
    def begun(self) -> bool:
        """Whether this process is stopping."""
        return self._deadline is not None

    def left(self) -> float:
        """Seconds that are left, never below 0. The first question begins it."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        return max(0.0, self._deadline - time.monotonic())
