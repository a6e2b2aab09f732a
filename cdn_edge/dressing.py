"""The headers of an answer: those of its bytes, and those of what was asked."""

from cdn_edge.answers import BRIEFLY, Headers, control, describe
from cdn_edge.asked import Asked, extras
from cdn_edge.signing import freshness
from cdn_edge.supply import Found
from cdn_edge.wish import disposition
from pipeline.prints import EXTENSIONS


def dressed(found: Found, asked: Asked, now: float) -> Headers:
    """All of them, for a whole answer."""
    wish = asked.wish
    passing = wish is not None and wish.passing
    usual = found.age or (BRIEFLY if passing else control(found.copy.entry))
    age = freshness(usual, wish.expires, now) if wish else usual
    headers = describe(found.copy, found.status, found.timing, age=age) + extras(asked)
    if wish and wish.download:
        extension = asked.address.key.rpartition(".")[2]
        if not asked.plain:
            extension = EXTENSIONS.get(found.copy.entry.format, extension)
        headers.append(("content-disposition", disposition(wish.download, extension)))
    return headers
