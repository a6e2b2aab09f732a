"""Who may convert: signatures, presets, sizes, and what an edge remembers of them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.asking import understand
from cdn_edge.dialect import Wanted
from cdn_edge.policies import Policies
from cdn_edge.policy import Mode, Policy, is_local
from cdn_edge.renders import RenderRates
from cdn_edge.signing import signed
from cdn_edge.sizes import Box, read_box, snapped
from cdn_edge.wish import Wish
from models.errors import (
    Expired,
    Forbidden,
    InvalidFields,
    NotFound,
    NotSigned,
    TooManyRequests,
    Unavailable,
    WrongSignature,
)
from models.settings import Settings
from tests.clock import Clock

PATH = "/2f9c1d7e5b3a48608c1e0d9f7b6a5c43/a-1x1.webp"
PRESETS = {"card": {"w": "400", "h": "300", "fm": "auto"}, "tall": {"h": "900", "dpr": "2"}}
KEYS = {"abcd": "us_secret"}
SIZES = tuple(box for text in ("320", "640", "1280", "x200", "400x300") if (box := read_box(text)))


def policy(mode: Mode = "signed", account: str = "a") -> Policy:
    return Policy(
        account=account, bucket_id="b", mode=mode, sizes=SIZES, presets=PRESETS, keys=KEYS
    )


def ask(query: str, mode: Mode = "signed", *, local: bool = False, now: float = 0) -> Wish:
    return understand(policy(mode), PATH, query, {}.get, now=now, local=local)


def sign(query: str) -> str:
    return signed(PATH, query, "abcd", KEYS["abcd"])


# Who may.


@pytest.mark.parametrize("mode", ["signed", "sizes", "open"])
@pytest.mark.parametrize("query", ["", "v=2", "download=cat", "preset=card", "preset=card&v=2"])
def test_what_makes_few_results_needs_no_signature(query: str, mode: Mode) -> None:
    assert ask(query, mode)


@pytest.mark.parametrize("query", ["w=320", "fm=auto", "preset=card&w=10", "q=3&v=1"])
def test_anything_else_needs_one(query: str) -> None:
    with pytest.raises(NotSigned) as caught:
        ask(query)
    assert caught.value.status == 403
    assert ask(sign(query)) == ask(query, local=True) == ask(query, "open")


@pytest.mark.parametrize("mode", ["signed", "sizes", "open"])
@pytest.mark.parametrize("local", [True, False])
def test_a_wrong_signature_is_wrong_wherever(mode: Mode, local: bool) -> None:
    for query in (sign("w=1") + "x", sign("w=1").replace("w=1", "w=2"), "w=1&s=" + "A" * 43):
        with pytest.raises((WrongSignature, InvalidFields)):
            ask(query, mode, local=local)
    with pytest.raises(Expired):
        ask(sign("w=1&exp=10"), mode, local=local, now=10)


@pytest.mark.parametrize("query", ["w=1&exp=99", "w=1&k=abcd", f"s={'A' * 43}&k=abcd&w=1"])
def test_half_a_signature_is_none(query: str) -> None:
    with pytest.raises((InvalidFields, WrongSignature)):
        ask(query, "open")


def test_the_end_of_a_signature_goes_with_the_wish() -> None:
    assert ask(sign("w=1&exp=99")).expires == 99
    assert ask(sign("w=1")).expires is None


# Presets.


def test_a_preset_is_its_parameters() -> None:
    assert ask("preset=card").key == ask("w=400&h=300&fm=auto", "open").key
    assert ask("preset=tall").wanted.height == 1800


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("preset=card&w=10", "w=10&h=300&fm=auto"),
        ("preset=card&fm=png", "w=400&h=300&fm=png"),
        ("preset=card&dpr=2", "w=800&h=600&fm=auto"),
        ("preset=tall&dpr=1&blur=3", "h=900&blur=3"),
    ],
)
def test_what_is_beside_a_preset_wins(query: str, meant: str) -> None:
    assert ask(sign(query)).key == ask(query, "open").key == ask(meant, "open").key


def test_a_preset_that_is_not_there_is_not_found() -> None:
    for query in ("preset=nothing", sign("preset=nothing")):
        with pytest.raises(NotFound):
            ask(query)


def test_unsigned_presets_cannot_be_multiplied_where_sizes_are_few() -> None:
    for beside in ("w=10", "dpr=2", "fm=png"):
        with pytest.raises(Forbidden):
            ask(f"preset=card&{beside}", "sizes")


# Sizes.


@pytest.mark.parametrize(
    ("query", "width", "height"),
    [
        ("w=1", 320, None),
        ("w=320", 320, None),
        ("w=321", 640, None),
        ("w=12000", 1280, None),
        ("w=200&dpr=2", 640, None),
        ("w=auto", 1280, None),
        ("h=10", None, 200),
        ("h=900", None, 200),
        ("w=10&h=10", 400, 300),
        ("w=401&h=10&fit=inside", 400, 300),
        ("fm=webp", None, None),
    ],
)
def test_unsigned_sizes_snap_to_the_next_allowed_one(
    query: str, width: int | None, height: int | None
) -> None:
    wanted = ask(query, "sizes").wanted
    assert (wanted.width, wanted.height) == (width, height)
    assert ask(query, "sizes").key == ask(_plain(wanted, query), "open").key


def _plain(wanted: Wanted, query: str) -> str:
    sides = [f"w={wanted.width}"] * bool(wanted.width) + [f"h={wanted.height}"] * bool(
        wanted.height
    )
    rest = [piece for piece in query.split("&") if piece.split("=")[0] in ("fit", "fm")]
    return "&".join(sides + rest)


@pytest.mark.parametrize(
    "query", ["w=320&q=3", "w=320&blur=3", "rot=90", "ar=1", "bg=f00", "pad=1", "w=1&enlarge=1"]
)
def test_what_makes_many_results_needs_a_signature_where_sizes_are_few(query: str) -> None:
    with pytest.raises(Forbidden) as caught:
        ask(query, "sizes")
    assert "signature" in caught.value.sentence
    assert ask(sign(query), "sizes")


def test_a_size_unlike_all_allowed_ones_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(Forbidden, match="320, 640"):
        snapped(Wanted(width=1, height=1), SIZES[:2])
    with pytest.raises(Forbidden, match="none"):
        snapped(Wanted(width=1), ())


BOXES = st.lists(
    st.builds(Box, st.integers(1, 12_000), st.none())
    | st.builds(Box, st.none(), st.integers(1, 12_000))
    | st.builds(Box, st.integers(1, 12_000), st.integers(1, 12_000)),
    max_size=12,
)
SIDE = st.none() | st.integers(1, 12_000)


@given(BOXES, SIDE, SIDE)
def test_a_snapped_size_is_allowed_and_no_smaller_one_would_do(
    boxes: list[Box], width: int | None, height: int | None
) -> None:
    try:
        got = snapped(Wanted(width=width, height=height), boxes)
    except Forbidden:
        return
    if not (width or height):
        assert (got.width, got.height) == (None, None)
        return
    assert isinstance(got.width, int | None)
    chosen = Box(got.width, got.height)
    assert chosen in boxes
    larger = [box for box in boxes if _holds(box, width, height)]
    if larger:
        assert _holds(chosen, width, height)
        assert _area(chosen) == min(map(_area, larger))
    assert snapped(got, boxes) == got


def _holds(box: Box, width: int | None, height: int | None) -> bool:
    same = (box.width is None, box.height is None) == (width is None, height is None)
    return same and (box.width or 0) >= (width or 0) and (box.height or 0) >= (height or 0)


def _area(box: Box) -> int:
    return (box.width or 1) * (box.height or 1)


@pytest.mark.parametrize("text", ["320", "x200", "320x200"])
def test_a_size_is_written_as_it_is_read(text: str) -> None:
    box = read_box(text)
    assert box is not None
    assert box.text == text


@given(st.text(alphabet="0123456789x. -", max_size=8) | st.text(max_size=8))
def test_no_other_text_is_a_size(text: str) -> None:
    box = read_box(text)
    assert box is None or box.text == text


# Loopback.


@pytest.mark.parametrize(
    ("host", "url", "local"),
    [
        ("127.0.0.1", "", True),
        ("127.0.0.9", "", True),
        ("::1", "", True),
        ("localhost", "", True),
        ("127.0.0.1", "http://localhost:9000", True),
        ("127.0.0.1", "https://images.example.com", False),  # behind a proxy on this machine
        ("0.0.0.0", "", False),
        ("0.0.0.0", "http://127.0.0.1:8001", False),
        ("192.168.0.4", "", False),
        ("example.com", "", False),
    ],
)
def test_an_edge_is_local_when_nobody_else_reaches_it(host: str, url: str, local: bool) -> None:
    assert is_local(Settings(host=host, edge_url=url)) is local


# What an edge remembers.


class Registry:
    """Buckets as a database has them: looked up, changed, away."""

    def __init__(self, **policies: Policy) -> None:
        self.policies = policies
        self.asked = 0
        self.away = False
        self.before: Callable[[], Awaitable[None]] | None = None

    async def look(self, public_id: str) -> Policy | None:
        self.asked += 1
        found = self.policies.get(public_id)
        if self.before:
            await self.before()
        if self.away:
            raise Unavailable
        return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> Registry:
    return Registry(one=policy(), two=policy("open", account="z"))


async def test_a_policy_is_looked_up_once_while_changes_are_heard(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock)
    policies.trust()
    for _ in range(100):
        assert await policies.of("one") == policy()
        clock.now += 0.5
    assert registry.asked == 1
    clock.now += 60
    await policies.of("one")
    assert registry.asked == 2


async def test_a_policy_is_looked_up_each_second_while_changes_may_be_missed(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock)
    for _ in range(10):
        await policies.of("one")
        clock.now += 1
    assert registry.asked == 10


async def test_a_change_that_is_heard_counts_at_once_and_only_for_its_account(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock)
    policies.trust()
    await policies.of("one")
    await policies.of("two")
    registry.policies["one"] = policy("sizes")
    policies.forget("a")
    assert (await policies.of("one")).mode == "sizes"
    await policies.of("two")
    assert registry.asked == 3


async def test_a_look_up_that_a_change_overtakes_is_not_kept(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock)
    policies.trust()

    async def overtaken() -> None:
        registry.before = None
        registry.policies["one"] = policy("open")
        policies.forget("a")

    registry.before = overtaken
    assert (await policies.of("one")).mode == "signed"
    assert (await policies.of("one")).mode == "open"


async def test_the_last_known_policy_holds_for_an_hour_while_the_database_is_away(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock)
    await policies.of("one")
    registry.away = True
    clock.now += 3000
    asked = registry.asked
    for _ in range(50):
        assert await policies.of("one") == policy()
    assert registry.asked == asked + 1  # nobody waits for it meanwhile
    with pytest.raises(Unavailable):
        await policies.of("two")
    clock.now += 700
    with pytest.raises(Unavailable):
        await policies.of("one")
    registry.away = False
    clock.now += 2
    assert await policies.of("one") == policy()


async def test_what_is_known_to_have_changed_is_not_gone_by(
    registry: Registry, clock: Clock
) -> None:
    """A revoked key must not come back because the database went away."""
    policies = Policies(registry.look, clock)
    policies.trust()
    await policies.of("one")
    registry.away = True
    policies.forget("a")
    with pytest.raises(Unavailable):
        await policies.of("one")


async def test_a_bucket_that_is_not_there_is_asked_for_once_a_second(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock)
    policies.trust()
    for _ in range(10):
        with pytest.raises(NotFound):
            await policies.of("none")
    assert registry.asked == 1
    registry.policies["none"] = policy()
    clock.now += 1
    assert await policies.of("none")


async def test_many_at_once_look_up_once_and_memory_is_bounded(
    registry: Registry, clock: Clock
) -> None:
    policies = Policies(registry.look, clock, most=8)
    policies.trust()

    async def slow() -> None:
        await asyncio.sleep(0.01)

    registry.before = slow
    await asyncio.gather(*(policies.of("one") for _ in range(50)))
    assert registry.asked == 1
    registry.before = None
    for number in range(50):
        registry.policies[f"b{number}"] = policy()
        await policies.of(f"b{number}")
    assert len(policies) == 8


async def test_a_policy_tells_its_secrets_to_no_log() -> None:
    assert "us_secret" not in repr(policy())


# Renders.


async def test_an_account_has_so_many_renders_and_others_have_theirs() -> None:
    rates = RenderRates("3/minute")
    for _ in range(3):
        await rates.take("a")
    with pytest.raises(TooManyRequests) as caught:
        await rates.take("a")
    assert caught.value.status == 429
    assert 1 <= (caught.value.retry_after or 0) <= 61
    await rates.take("z")


async def test_no_limit_is_no_limit() -> None:
    rates = RenderRates("")
    for _ in range(1000):
        await rates.take("a")
