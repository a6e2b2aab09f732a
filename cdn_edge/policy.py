"""The policy: who may have what converted, by bucket."""

import ipaddress
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from cdn_edge import signing
from cdn_edge.dialect import Wanted
from cdn_edge.grammar import SHAPING, SIGNING, Pairs, read_pairs, read_values, read_wanted
from cdn_edge.sizes import Box
from models.errors import Forbidden, InvalidFields, NotFound, NotSigned, Problem
from models.settings import Settings
from models.wire import Wire

Mode = Literal["signed", "sizes", "open"]

_SENT: Final = frozenset(("preset", "download", "v"))
"""What an unsigned preset may have beside it: it shapes nothing."""
_FEW: Final = frozenset(("w", "h", "dpr", "fit", "pos", "fm", "auto")) | _SENT
"""Parameters that make few results when sizes are few."""


class Policy(Wire, frozen=True):
    """What holds for a bucket of an account: its mode, sizes, presets and URL keys."""

    account: str
    bucket_id: str
    mode: Mode = "signed"
    sizes: tuple[Box, ...] = ()
    presets: Mapping[str, Pairs] = {}
    keys: Mapping[str, str] = {}
    """Secrets by key id."""
    keep_originals: bool = False
    mezzanine: bool = True

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Policy({self.bucket_id!r}, {self.mode!r})"


class Admitted(NamedTuple):
    """What a request may have, before the client's headers are looked at."""

    wanted: Wanted
    download: str = ""
    sizes: tuple[Box, ...] | None = None
    """The sizes that it keeps to; None for any."""
    passing: bool = False
    """Whether another policy might make something else of the same request."""
    expires: int | None = None


def admitted(policy: Policy, path: str, query: str, *, now: float, local: bool) -> Admitted:
    """What this policy lets a raw query have at this decoded path.

    `local` is for an edge that only this machine reaches: there everything goes unsigned. Raises
    InvalidFields, NotFound for an unknown preset, NotSigned, Forbidden, WrongSignature, Expired.
    """
    pairs = read_pairs(query)
    expires, sizes = None, None
    if "s" in pairs:
        expires = signing.check(path, query, policy.keys, now).expires
    else:
        _refuse_half_signed(pairs)
        sizes = None if local else _unsigned(policy, pairs)
    sent = read_values({name: text for name, text in pairs.items() if name in _SENT})
    shaping: Pairs = {name: text for name, text in pairs.items() if name in SHAPING}
    if "preset" in sent:
        shaping = _with_preset(policy, sent["preset"], shaping)
    return Admitted(
        read_wanted(shaping),
        download=sent.get("download", ""),
        sizes=sizes,
        passing="preset" in sent or sizes is not None,
        expires=expires,
    )


def _refuse_half_signed(pairs: Pairs) -> None:
    for name in SIGNING:
        if name in pairs:
            raise InvalidFields(
                [Problem(field=name, problem="belongs to a signed URL, with k and s")]
            )


def _unsigned(policy: Policy, pairs: Pairs) -> tuple[Box, ...] | None:
    """The sizes that an unsigned request keeps to. Raises NotSigned or Forbidden."""
    if policy.mode == "open" or pairs.keys() <= _SENT:
        return None
    if policy.mode == "signed":
        raise NotSigned
    for name in pairs.keys() - _FEW:
        raise Forbidden(f"{name}: needs a signature in this bucket.")
    if "preset" in pairs:
        raise Forbidden("preset: needs a signature beside parameters that change it.")
    return policy.sizes


def _with_preset(policy: Policy, name: str, shaping: Pairs) -> Pairs:
    if name not in policy.presets:
        raise NotFound(f"There is no preset '{name}'.")
    preset = dict(policy.presets[name])
    if {"fm", "auto"} & shaping.keys():
        preset.pop("fm", None)
        preset.pop("auto", None)
    return {**preset, **shaping}


def is_local(settings: Settings) -> bool:
    """Whether only this machine reaches the edge: it listens here, and is told of no other name."""
    outside = urlsplit(settings.edge_url).hostname if settings.edge_url else settings.host
    return _loopback(settings.host) and _loopback(outside or "")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
