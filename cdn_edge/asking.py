"""From a request to a wish: what is asked, what is allowed, what the client prefers."""

import msgspec

from cdn_edge.http import Ask
from cdn_edge.negotiate import settled
from cdn_edge.policy import Policy, admitted
from cdn_edge.sizes import snapped
from cdn_edge.wish import Wish, named


def understand(policy: Policy, path: str, query: str, ask: Ask, *, now: float, local: bool) -> Wish:
    """The wish of one request: `path` decoded, `query` raw, `ask` for its headers.

    Raises InvalidFields, NotFound, NotSigned, Forbidden, WrongSignature or Expired.
    """
    may = admitted(policy, path, query, now=now, local=local)
    wish = settled(may.wanted, ask)
    whole = msgspec.structs.replace(
        wish,
        wanted=wish.wanted if may.sizes is None else snapped(wish.wanted, may.sizes),
        download=may.download,
        passing=may.passing,
        expires=may.expires,
    )
    return named(whole)
