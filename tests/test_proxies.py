"""Behind proxies of ours the client is who it is, and nobody can be somebody else."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxies import client_of, read_networks, with_clients
from models.settings import SettingsError

OURS = read_networks("10.0.0.0/8, 192.168.7.1,fd00::/8")
INSIDE = st.sampled_from(["10.1.2.3", "192.168.7.1", "fd00::1", "::ffff:10.0.0.9"])
OUTSIDE = st.sampled_from(["203.0.113.9", "192.168.7.2", "2001:db8::1"])
CLAIMS = st.lists(INSIDE | OUTSIDE | st.sampled_from(["", "unknown", "10.0.0.1:80", "[::1]"]))


@given(claimed=CLAIMS, client=OUTSIDE, proxies=st.lists(INSIDE, min_size=1, max_size=3))
def test_whatever_a_client_claims_it_is_who_our_proxies_saw(
    claimed: list[str], client: str, proxies: list[str]
) -> None:
    *far, peer = proxies
    assert client_of(peer, [*claimed, client, *far], OURS) == client


@given(claimed=CLAIMS, client=OUTSIDE)
def test_who_comes_without_a_proxy_of_ours_is_who_it_is(claimed: list[str], client: str) -> None:
    assert client_of(client, claimed, OURS) == client


def test_behind_nonsense_nothing_is_known() -> None:
    assert client_of("10.0.0.1", ["203.0.113.9", "unknown"], OURS) == "10.0.0.1"
    assert client_of("10.0.0.1", [], OURS) == "10.0.0.1"


def test_a_request_from_one_of_ours_is_its_clients() -> None:
    said = [b"198.51.100.1", b"203.0.113.9, 10.9.9.9"]
    assert seen("10.0.0.0/8", "10.0.0.1", said) == "203.0.113.9"
    assert seen("10.0.0.0/8", "203.0.113.80", said) == "203.0.113.80"
    assert seen("", "10.0.0.1", said) == "10.0.0.1"


def test_what_is_no_network_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"^CALOTYPE_TRUSTED_PROXIES: .*nginx"):
        with_clients(None, "10.0.0.0/8,nginx")  # type: ignore[arg-type]


def seen(proxies: str, peer: str, forwarded: list[bytes]) -> str:
    """The address that an application behind these proxies sees."""
    found: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope["client"][0])

    headers = [(b"x-forwarded-for", line) for line in forwarded]
    scope: Any = {"type": "http", "client": (peer, 1), "headers": headers}
    asyncio.run(with_clients(app, proxies)(scope, None, None))  # type: ignore[arg-type]
    return found[0]
