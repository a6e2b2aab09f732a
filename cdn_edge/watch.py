"""How long each step took, as Server-Timing says it."""

import time


class Watch:
    """Laps by name, in milliseconds."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._laps: list[str] = []

    def lap(self, name: str) -> None:
        """The step that ends now."""
        now = time.perf_counter()
        self._laps.append(f"{name};dur={(now - self._since) * 1000:.1f}")
        self._since = now

    def text(self) -> str:
        """The laps so far as a header value."""
        return ", ".join(self._laps)
