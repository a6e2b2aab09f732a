"""What is asked of the edge: an object as it is stored, or what somebody wishes of it."""

from typing import NamedTuple

from cdn_edge.answers import Headers
from cdn_edge.keys import Address
from cdn_edge.wish import Wish


class Asked(NamedTuple):
    """An object, or with a wish a derivative of it, on its bucket's account."""

    address: Address
    wish: Wish | None = None
    account: str = ""

    @property
    def name(self) -> str:
        """What this is called in every cache. No path has a '?'."""
        path = self.address.path
        return path if self.plain else f"{path}?{self.wish.key if self.wish else ''}"

    @property
    def plain(self) -> bool:
        """Whether the stored bytes are the answer."""
        return self.wish is None or self.wish.bare


def extras(asked: Asked) -> Headers:
    """Headers that every answer to this has beside those of its bytes."""
    wish = asked.wish
    if wish is None:
        return []
    headers = [("vary", ", ".join(wish.vary))] if wish.vary else []
    return headers + ([("accept-ch", ", ".join(wish.hints))] if wish.hints else [])
