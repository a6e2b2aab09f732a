"""No URL, name, spelling, wrapping or redirect makes us connect to where we must not."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.errors import BadSource, ForbiddenSource
from pipeline.egress import (
    ISATAP,
    PORTS,
    Egress,
    checked_addresses,
    has_passed,
    is_public,
    may_connect,
    plain_host,
)
from pipeline.originals import read_url
from tests.forbidden import (
    PUBLIC_4,
    PUBLIC_6,
    V4,
    V6,
    World,
    forbidden_addresses,
    hold_trial,
    listening,
    redirector,
    verdict,
    wrapped,
)

ROOT = Path(__file__).parent.parent
# What IANA's two special-purpose registries say, written down a second time on purpose.
SPECIAL_4 = [
    *map(IPv4Network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8")),
    *map(IPv4Network, ("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24")),
    *map(IPv4Network, ("192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16")),
    *map(IPv4Network, ("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24")),
    *map(IPv4Network, ("224.0.0.0/3", "168.63.129.16/32")),
]
SPECIAL_6 = [
    *map(IPv6Network, ("::/3", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48")),
    *map(IPv6Network, ("3ffe::/16", "3fff::/20", "4000::/2", "8000::/1")),
]
WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading the real roots takes 40 ms
Address = IPv4Address | IPv6Address


def inside(networks: list[IPv4Network] | list[IPv6Network]) -> st.SearchStrategy[int]:
    ranges = [(int(one.network_address), int(one.broadcast_address)) for one in networks]
    return st.sampled_from(ranges).flatmap(lambda ends: st.integers(*ends))


special_4 = inside(SPECIAL_4).map(IPv4Address)
special_6 = inside(SPECIAL_6).map(IPv6Address)
public_4 = st.ip_addresses(v=4).filter(lambda a: not any(a in net for net in SPECIAL_4))
public_6 = st.integers(0x2003 << 112, (0x3FFE << 112) - 1).map(IPv6Address)


@settings(max_examples=500)
@given(special_4)
def test_an_ipv4_address_that_is_not_public_is_refused_bare_and_in_every_wrapping(
    address: IPv4Address,
) -> None:
    assert not is_public(address)
    assert [form for form in wrapped(address) if is_public(form)] == []


@settings(max_examples=500)
@given(special_6)
def test_an_ipv6_address_that_is_not_public_is_refused(address: Address) -> None:
    in_use = IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0/96")
    assert any(address in network for network in in_use) or not is_public(address)


@given(st.one_of(st.ip_addresses(), special_4, special_6))
def test_what_python_calls_not_global_is_refused(address: Address) -> None:
    carried = getattr(address, "ipv4_mapped", None) or address
    assert carried.is_global or not is_public(address)
    assert not (carried.is_multicast and is_public(address))


@given(public_4)
@example(IPv4Address(PUBLIC_4))
def test_a_public_ipv4_address_is_accepted_bare_mapped_and_behind_nat64_only(
    address: IPv4Address,
) -> None:
    accepted = [form for form in wrapped(address) if is_public(form)]
    assert is_public(address)
    assert accepted == [
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(int(IPv6Address("64:ff9b::")) | int(address)),
    ]


@given(public_6.filter(lambda a: (int(a) >> 32) & 0xFFFFFFFF not in ISATAP))
@example(IPv6Address(PUBLIC_6))
def test_a_public_ipv6_address_is_accepted(address: Address) -> None:
    special = any(address in network for network in SPECIAL_6)
    assert is_public(address) is not special


@given(st.one_of(st.text(max_size=40), st.text("0123456789abcdefx.%[]:-_", max_size=40)))
@example("0x7f.1")
@example("2130706433")
@example("1.2.3.4.")
@example("1.2.3.0x")
def test_a_host_goes_on_only_if_every_reader_reads_the_same(host: str) -> None:
    try:
        plain = plain_host(host)
    except ForbiddenSource:
        return
    assert plain_host(plain) == plain
    try:
        legacy = socket.inet_aton(plain)
    except (OSError, UnicodeEncodeError):
        return
    assert socket.inet_ntoa(legacy) == plain


@given(
    st.one_of(
        st.text(max_size=60), st.text("htps:/@#?\\.127[]%0x", max_size=30).map("http://".__add__)
    )
)
@example("http://xn--a/")
@example("http://xn--zzzzzzz--.com/")
@example("http://photos.example/\ud800")
@example("http://photos.example:" + "9" * 5000)
@example("http://1.1.1.1.:443/")
def test_any_text_is_a_plain_url_or_refused(text: str) -> None:
    try:
        url = read_url(text, Egress(tls=WITHOUT_TLS))
    except ForbiddenSource:
        return
    assert url.scheme in {"http", "https"}
    assert not url.userinfo
    assert not url.fragment
    assert plain_host(url.raw_host.decode()) == url.raw_host.decode()
    assert read_url(str(url), Egress(tls=WITHOUT_TLS)) == url


async def test_one_forbidden_answer_among_good_ones_refuses_the_host() -> None:
    world = World()
    egress = Egress(resolve=world.resolve, tls=WITHOUT_TLS)
    for address in forbidden_addresses():
        for answers in ([address], [PUBLIC_4, PUBLIC_6, address], [address, PUBLIC_4]):
            with pytest.raises(ForbiddenSource):
                await checked_addresses(egress, world.name(answers), 443)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTPS://Photos.Example./a b?q#f", "https://photos.example/a%20b?q"),
        ("http://b\u00fccher.example/\u00fc", "http://xn--bcher-kva.example/%C3%BC"),
        ("http://foo-.a_b.example:80", "http://foo-.a_b.example"),
        ("https://[2606:2800:220:1:0:0:0:1]:443/x", "https://[2606:2800:220:1::1]/x"),
        (
            "https://photos.example/a%2Fb?sig=a%2Bb%3D&x=[1]",
            "https://photos.example/a%2Fb?sig=a%2Bb%3D&x=[1]",
        ),
    ],
)
def test_an_honest_url_goes_on_in_one_spelling(url: str, plain: str) -> None:
    assert str(read_url(url, Egress(tls=WITHOUT_TLS))).rstrip("/") == plain.rstrip("/")


async def test_a_host_is_asked_for_once_and_all_its_public_answers_are_kept() -> None:
    world = World()
    name = world.name([PUBLIC_4, PUBLIC_6, PUBLIC_4])
    found = await checked_addresses(Egress(resolve=world.resolve), name, 80)
    assert [str(one) for one in found] == [PUBLIC_4, PUBLIC_6]
    assert world.asked == [name]


@pytest.mark.parametrize("host", [*V4, *V6, "0x7f000001", "2130706433", "127.1", "0x8.8", "1.2"])
async def test_a_number_is_never_given_to_a_resolver(host: str) -> None:
    world = World()
    with pytest.raises(ForbiddenSource):
        await checked_addresses(Egress(resolve=world.resolve, tls=WITHOUT_TLS), host, 80)
    assert world.asked == []


@pytest.mark.parametrize("answer", [[], OSError("no such host"), UnicodeError("label too long")])
async def test_a_host_without_an_address_is_the_sources_failure(
    answer: list[str] | Exception,
) -> None:
    async def resolve(host: str, port: int) -> list[str]:  # noqa: ARG001 - a resolver's signature
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(BadSource):
        await checked_addresses(Egress(resolve=resolve, tls=WITHOUT_TLS), "photos.example", 443)


@pytest.mark.parametrize("host", ["cdn.ours.example", "CDN.ours.example.", "cDn.OURS.example"])
async def test_our_own_hosts_are_refused_before_anybody_is_asked(host: str) -> None:
    world = World()
    egress = Egress(resolve=world.resolve, refuse_hosts=frozenset({"CDN.ours.example."}))
    assert await verdict(f"https://{host}/a.jpg", egress) == "ForbiddenSource"
    assert world.asked == []


@pytest.mark.parametrize("address", ["20.1.2.3", "::ffff:20.1.2.3", "64:ff9b::1401:203"])
def test_a_public_network_used_inside_can_be_refused_in_all_its_forms(address: str) -> None:
    form = IPv6Address(address) if ":" in address else IPv4Address(address)
    assert may_connect(Egress(), form, 443)
    assert not may_connect(Egress(refuse_networks=(IPv4Network("20.0.0.0/8"),)), form, 443)


def test_only_loopback_can_be_opened_for_tests_and_only_the_pair_named() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Egress(allow=frozenset({("10.0.0.1", 80)}))
    egress = Egress(allow=frozenset({("127.0.0.1", 8080)}))
    assert may_connect(egress, IPv4Address("127.0.0.1"), 8080)
    assert not may_connect(egress, IPv4Address("127.0.0.1"), 80)
    assert not may_connect(egress, IPv4Address("127.0.0.2"), 8080)
    assert not may_connect(egress, IPv6Address("::ffff:127.0.0.1"), 8080)
    assert not may_connect(egress, IPv4Address(PUBLIC_4), 8080)
    assert may_connect(egress, IPv4Address(PUBLIC_4), 443)
    assert Egress().allow == frozenset()


@pytest.mark.parametrize(
    ("header", "passed"),
    [
        ("", False),
        ("cloudflare; v=1", False),
        ("fastly, Calotype;x=1", True),
        ("notcalotype", False),
    ],
)
def test_a_request_that_went_out_from_here_is_known_by_its_cdn_loop(
    header: str, passed: bool
) -> None:
    assert has_passed(header, "calotype") is passed


async def test_no_forbidden_url_connects_to_this_machine() -> None:
    async with listening(0) as judge:
        trial = await hold_trial(judge, judge.port)
        assert trial.slipped == []
        assert judge.reached == []
        assert trial.tried >= 1000
        reader = Egress(allow=frozenset({("127.0.0.1", judge.port)}))
        assert await verdict(f"http://127.0.0.1:{judge.port}/", reader) == "Fetched"
        assert judge.reached == ["127.0.0.1"]  # the judge was awake


async def test_a_name_that_rebinds_between_two_hops_is_caught_at_the_second() -> None:
    world = World()
    async with listening(0) as judge, redirector() as own:
        name = world.name(["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2"])
        allow = frozenset({("127.0.0.1", own)})
        egress = Egress(allow=allow, resolve=world.resolve, ports=PORTS | {judge.port})
        to = f"http://{name}:{judge.port}/"
        assert await verdict(f"http://{name}:{own}/?times=1&to={to}", egress) == "ForbiddenSource"
        assert world.asked == [name, name]
        assert judge.reached == []


def test_no_forbidden_url_connects_anywhere_in_a_world_where_every_address_answers() -> None:
    report = _in_a_world_of_our_own()
    assert report["slipped"] == []
    assert report["reached"] == []
    assert report["tried"] >= 1000
    assert report["ends"] == ["Fetched"] * 4  # public ones do get out, so the judge was awake
    assert report["public"] == [PUBLIC_4, PUBLIC_6, "64:ff9b::5db8:d822", PUBLIC_4]
    assert report["again"] == "ForbiddenSource"


def _in_a_world_of_our_own() -> dict[str, object]:
    """The trial in a network namespace whose loopback owns all of IPv4 and IPv6."""
    routes = "ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo"
    world = f"ip link set lo up && {routes}"
    enter = ["unshare", "--map-root-user", "--net", "sh", "-c"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*enter, world], capture_output=True, check=False).returncode
    ):
        pytest.skip("no network namespace can be made here")
    run = f'{world} && exec "$0" -W error -m tests.forbidden'
    done = subprocess.run([*enter, run, sys.executable], cwd=ROOT, capture_output=True, check=True)
    return json.loads(done.stdout)
