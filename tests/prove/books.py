"""What clients were told: the other side of the comparison with rows, objects and ledger."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

COST = 1


@dataclass
class Books:
    """Kept by clients, in the order of what they were told. Keys are Idempotency-Keys."""

    uploads: dict[str, list[Any]] = field(default_factory=dict)
    """Answered 200, with the images that the answer named."""
    updates: dict[str, Any] = field(default_factory=dict)
    """Answered 200, with the image as it then was."""
    conversions: set[str] = field(default_factory=set)
    """Answered 200."""
    refused: dict[str, str] = field(default_factory=dict)
    """Answered with an error of the order's own: code by key. Must cost nothing."""
    unknown: set[str] = field(default_factory=set)
    """The client left, or was told nothing definite in its time."""
    deleted: set[str] = field(default_factory=set)
    """Images whose deletion was answered."""
    prices: dict[str, int] = field(default_factory=dict)
    """What each key costs when it is carried out, where that is not one credit."""
    images: dict[str, Any] = field(default_factory=dict)
    """Every image that should be there, as last told."""
    statuses: Counter[str] = field(default_factory=Counter)
    """How often each status was answered; "gone" when the connection broke."""
    problems: list[str] = field(default_factory=list)

    @property
    def charged(self) -> int:
        """Credits that all of this costs, without what is unknown."""
        return self.price_of({*self.uploads, *self.updates, *self.conversions})

    def price_of(self, keys: Iterable[str]) -> int:
        """Credits that these keys cost together."""
        return sum(self.prices.get(key, COST) for key in keys)

    @property
    def accepted(self) -> int:
        """Paid requests that were answered 200."""
        return len(self.uploads) + len(self.updates) + len(self.conversions)
