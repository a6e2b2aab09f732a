"""The roll: who is there right now. Asked and answered on the bus, kept nowhere."""

from collections.abc import Mapping

import msgspec

from models.wire import Wire

ROLL = "calotype.roll"
"""Where everybody is asked."""


class Present(Wire, frozen=True, forbid_unknown_fields=False):
    """What one process says of itself; another release may say more.

    `lacking` names what it is not ready for want of. `figures` are counts since its start, by the
    names of metrics; times are Unix seconds.
    """

    role: str
    id: str
    version: str
    libvips: str = ""
    started: float = 0.0
    ready: bool = True
    lacking: Mapping[str, str] = msgspec.field(default_factory=dict)
    api: str = ""
    edge: str = ""
    metrics: str = ""
    figures: Mapping[str, float] = msgspec.field(default_factory=dict)
