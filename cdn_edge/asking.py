"""From a request to a wish: what is asked, what is allowed, what the client prefers."""

from typing import Final, NamedTuple

import msgspec

from cdn_edge.http import Ask
from cdn_edge.negotiate import settled
from cdn_edge.policy import Admitted, Policy, admitted
from cdn_edge.sizes import snapped
from cdn_edge.wish import Wish, named

_MOST: Final = 4096


def understand(policy: Policy, path: str, query: str, ask: Ask, *, now: float, local: bool) -> Wish:
    """The wish of one request: `path` decoded, `query` raw, `ask` for its headers.

    Raises InvalidFields, NotFound, NotSigned, Forbidden, WrongSignature or Expired.
    """
    return _wish(admitted(policy, path, query, now=now, local=local), ask)


def _wish(may: Admitted, ask: Ask) -> Wish:
    wish = settled(may.wanted, ask)
    wanted = wish.wanted if may.sizes is None else snapped(wish.wanted, may.sizes)
    return named(
        msgspec.structs.replace(wish, wanted=wanted, download=may.download, expires=may.expires)
    )


class _Known(NamedTuple):
    policy: Policy
    may: Admitted
    wish: Wish | None
    """When no header makes it another one."""


class Asking:
    """Understands requests, and remembers the last few thousand: a hit should cost no parsing.

    It may be used from any thread.
    """

    def __init__(self, *, local: bool, most: int = _MOST) -> None:
        self._local = local
        self._most = most
        self._known: dict[tuple[str, str], _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def wish(self, policy: Policy, path: str, query: str, ask: Ask, now: float) -> Wish:
        """As `understand` says."""
        known = self._known.get((path, query))
        if known is None or known.policy is not policy or _is_over(known.may, now):
            may = admitted(policy, path, query, now=now, local=self._local)
            known = self._remembered((path, query), policy, may, ask)
        return known.wish or _wish(known.may, ask)

    def _remembered(
        self, request: tuple[str, str], policy: Policy, may: Admitted, ask: Ask
    ) -> _Known:
        wish = _wish(may, ask)
        known = _Known(policy, may, None if wish.vary else wish)
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[request] = known
        return known


def _is_over(may: Admitted, now: float) -> bool:
    return may.expires is not None and may.expires <= now
