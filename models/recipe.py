"""Recipe: everything asked of one variant, as a frozen value."""

from typing import Literal

from models.wire import Wire

Fit = Literal["cover", "contain", "fill", "inside", "outside"]


class Padding(Wire, frozen=True):
    """Pixels added outside the picture: px left and right, py top and bottom."""

    px: int = 0
    py: int = 0


class Resize(Wire, frozen=True):
    """Where the pixels go. Sizes in pixels; None means not given."""

    width: int | None = None
    height: int | None = None
    fit: Fit = "cover"
