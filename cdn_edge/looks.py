"""How often a darkroom that is full still looks for a derivative that somebody may have stored."""

from collections.abc import Callable

_MOST = 64.0
_PER_SECOND = 16.0
_FOUND = 2.0


class Looks:
    """An allowance: a look that finds nothing uses it up, one that finds something earns it.

    What is stored is served as ever while no render can be begun; a flood of what is not costs a
    few looks a second. Any thread may ask whether another look is allowed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = _MOST
        self._since = clock()

    @property
    def allowed(self) -> bool:
        """Whether another one may be taken."""
        return self._now() >= 1

    def taken(self, *, found: bool) -> None:
        """One was; the event loop alone calls this."""
        left = self._now() + (_FOUND if found else -1)
        self._left, self._since = min(_MOST, max(0.0, left)), self._clock()

    def _now(self) -> float:
        return min(_MOST, self._left + _PER_SECOND * (self._clock() - self._since))
