"""How long a stopping process may still take, all its parts together."""

import time


class Drain:
    """So many seconds, counted from the first question: whoever stops first starts the clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline: float | None = None

    def left(self) -> float:
        """Seconds that are left, never below 0."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        return max(0.0, self._deadline - time.monotonic())
