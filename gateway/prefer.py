"""Prefer (RFC 7240): whether a client waits for the variants, and how long."""

import re
from collections.abc import Sequence

from models.wire import Wire

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,6})"?')


class Preference(Wire, frozen=True):
    """What was preferred: an answer at once, or within `wait` seconds."""

    respond_async: bool = False
    wait: int | None = None

    def patience(self, longest: float) -> float:
        """Seconds to wait for the end of an order, never more than `longest`."""
        if self.wait is not None:
            return min(self.wait, longest)
        return 0 if self.respond_async else longest

    @property
    def applied(self) -> dict[str, str]:
        """The header that says what was honoured."""
        wait = [] if self.wait is None else [f"wait={self.wait}"]
        words = ["respond-async"] * self.respond_async + wait
        return {"Preference-Applied": ", ".join(words)} if words else {}


def read_prefer(headers: Sequence[str]) -> Preference:
    """The preferences we know; all others are ignored, as are parameters and a second word."""
    preference = Preference()
    for text in ",".join(headers).split(","):
        word = text.partition(";")[0].strip().lower()
        if word == "respond-async":
            preference = Preference(respond_async=True, wait=preference.wait)
        elif (wait := _WAIT.fullmatch(word)) and preference.wait is None:
            preference = Preference(respond_async=preference.respond_async, wait=int(wait[1]))
    return preference
