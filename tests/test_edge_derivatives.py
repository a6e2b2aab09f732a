"""Derivatives in the edge's caches: under one name, known at once, gone with their source."""

import asyncio
import time
from pathlib import Path

import pytest

from cdn_edge.app import Conversion, Edge, Limits, edge_app
from cdn_edge.cache import Cache, open_cache
from cdn_edge.darkroom import Darkroom, Derived, Order
from cdn_edge.entry import Entry
from cdn_edge.looks import Looks
from cdn_edge.policies import Policies
from cdn_edge.policy import Policy
from cdn_edge.supply import Making
from models.errors import Overloaded, RenderCrashed, ServiceError, TooManyRequests
from tests.edge_world import BUCKET, MIB, Exchange, Shelf, entry_of, get

KEY = "123e4567-e89b-12d3-a456-426614174000-100x100.webp"
PATH = f"/{BUCKET}/{KEY}"


class Drawn(Darkroom):
    """A darkroom that writes what it was asked for, and counts."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.size = 10
        self.error: ServiceError | None = None
        self.gate: asyncio.Event | None = None
        self.crowded = False
        self.looks = Looks(time.monotonic)

    @property
    def full(self) -> bool:
        return self.crowded

    async def derivative(self, order: Order) -> Derived:
        self.orders.append(order)
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        kind = str(type(order.recipe.output).__struct_config__.tag)
        body = f"{order.variant.etag} {order.key}".ljust(self.size).encode()
        fields = {name: getattr(entry_of(body), name) for name in Entry.__struct_fields__}
        known: dict[str, object] = {
            "format": kind,
            "content_type": f"image/{kind}",
            "source": order.variant.etag,
        }
        known |= {"width": order.variant.width, "height": order.variant.height}
        return Derived(Entry(**fields | known), body, "fwd=uri-miss; stored; detail=rendered")


class World:
    def __init__(self, folder: Path | None = None, memory: int = MIB) -> None:
        self.shelf, self.darkroom = Shelf(), Drawn()
        self.policy: Policy | None = Policy(account="a", bucket_id="b", mode="open")
        self.policies = Policies(self.look)
        self.policies.trust()
        self.cache: Cache = open_cache(memory, folder, MIB)
        making = Making(self.darkroom, self.admit, self.still)
        conversion = Conversion(self.policies, making, local=False)
        self.edge: Edge = edge_app(
            self.shelf.find, self.shelf.fetch, self.cache, Limits(), conversion
        )
        self.edge.trust()

    async def look(self, _: str) -> Policy | None:
        return self.policy

    async def admit(self, _: str) -> None:
        return

    async def still(self, _: Entry) -> bool:
        return True

    def put(self, body: bytes) -> None:
        entry = self.shelf.put(KEY, body)
        fields = {name: getattr(entry, name) for name in Entry.__struct_fields__}
        facts = {"bucket": BUCKET, "image": "i", "format": "webp", "width": 100, "height": 100}
        self.shelf.entries[BUCKET, KEY] = Entry(**fields | facts)


@pytest.fixture
def world() -> World:
    made = World()
    made.put(b"the variant" * 100)
    return made


async def test_equal_requests_in_other_spellings_share_one_result(world: World) -> None:
    first = await get(world.edge, f"{PATH}?w=300&fm=jpeg")
    second = await get(world.edge, f"{PATH}?fm=jpeg&w=300&v=7")
    assert first.body == second.body
    assert len(world.darkroom.orders) == 1
    assert "hit; detail=memory" in second.headers["cache-status"]


async def test_a_crowd_waits_for_one_derivative(world: World) -> None:
    world.darkroom.gate = asyncio.Event()
    crowd = [asyncio.create_task(get(world.edge, f"{PATH}?w={40}")) for _ in range(50)]
    await asyncio.sleep(0.05)
    crowd[0].cancel()
    world.darkroom.gate.set()
    answers = await asyncio.gather(*crowd[1:])
    assert {answer.status for answer in answers} == {200}
    assert len(world.darkroom.orders) == 1


async def test_a_hit_is_answered_at_once_by_its_class_and_not_by_its_header(world: World) -> None:
    def asked(accept: str) -> Exchange:
        return Exchange("GET", PATH, "w=50&auto=format", ("accept", accept))

    bodies = {}
    nobody = Exchange("GET", PATH, "w=50&auto=format")
    await world.edge.__rsgi__(nobody, nobody)
    assert nobody.answer is not None
    for accept in ("image/avif,*/*", "image/webp", "image/webp;q=0.9", "*/*", "text/html"):
        exchange = asked(accept)
        assert not world.edge.at_once(exchange, exchange)
        await world.edge.__rsgi__(exchange, exchange)
        again = asked(accept)
        assert world.edge.at_once(again, again)
        assert again.answer is not None
        assert again.answer.headers["vary"] == "Accept"
        bodies[accept] = again.answer.body
    assert len(set(bodies.values())) == len(world.darkroom.orders) == 3
    assert bodies["*/*"] == nobody.answer.body
    assert bodies["image/webp"] == bodies["image/webp;q=0.9"]


async def test_a_changed_policy_counts_for_hits_too(world: World) -> None:
    assert (await get(world.edge, f"{PATH}?w=50")).status == 200
    world.policy = Policy(account="a", bucket_id="b", mode="signed")
    world.policies.forget("a")
    exchange = Exchange("GET", PATH, "w=50")
    assert not world.edge.at_once(exchange, exchange)
    assert (await get(world.edge, f"{PATH}?w=50")).status == 403


@pytest.mark.parametrize("on_disk", [False, True])
async def test_a_purge_takes_the_derivatives_of_its_key_and_no_others(
    *, on_disk: bool, tmp_path: Path
) -> None:
    world = World(tmp_path / "disk" if on_disk else None)
    world.put(b"first" * 100)
    neighbour = KEY.replace("100x100", "100x1000")
    before = await get(world.edge, f"{PATH}?w=50")
    world.shelf.put(neighbour, b"another")
    await get(world.edge, f"/{BUCKET}/{neighbour}")
    await world.cache.settle()
    world.put(b"second" * 100)
    await world.edge.forget(BUCKET, KEY)
    after = await get(world.edge, f"{PATH}?w=50")
    assert before.body != after.body
    kept = await get(world.edge, f"/{BUCKET}/{neighbour}")
    assert "detail=memory" in kept.headers["cache-status"]
    await world.cache.close()


async def test_a_derivative_that_is_made_while_its_source_is_purged_is_not_kept(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.put(b"first" * 100)
    world.darkroom.gate = asyncio.Event()
    late = asyncio.create_task(get(world.edge, f"{PATH}?w=50"))
    await asyncio.sleep(0.05)
    world.put(b"second" * 100)
    await world.edge.forget(BUCKET, KEY)
    world.darkroom.gate.set()
    old = await late
    await world.cache.settle()
    assert (await get(world.edge, f"{PATH}?w=50")).body != old.body
    await world.cache.close()


async def test_while_distrusting_a_derivative_of_what_was_replaced_is_not_served(
    world: World,
) -> None:
    before = await get(world.edge, f"{PATH}?w=50")
    world.edge.distrust()
    again = await get(world.edge, f"{PATH}?w=50")
    assert again.body == before.body
    world.put(b"second" * 100)
    await asyncio.sleep(1.1)
    assert (await get(world.edge, f"{PATH}?w=50")).body != before.body


async def test_more_bytes_than_the_source_has_are_not_sent_for_a_quality_alone(
    world: World,
) -> None:
    world.darkroom.size = 5000
    plain = await get(world.edge, PATH)
    for query in ("q=99", "fm=webp&q=99", "auto=format"):
        answer = await get(world.edge, f"{PATH}?{query}", ("accept", "image/webp"))
        assert answer.body == plain.body, query
    other = await get(world.edge, f"{PATH}?fm=jpeg")
    assert other.body != plain.body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Overloaded(retry_after=1), 503),
        (TooManyRequests(retry_after=7), 429),
        (RenderCrashed(), 422),
    ],
)
async def test_what_cannot_be_made_is_said_and_hits_go_on(
    world: World, error: ServiceError, status: int
) -> None:
    await get(world.edge, f"{PATH}?w=50")
    world.darkroom.error = error
    answer = await get(world.edge, f"{PATH}?w=51")
    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"
    if error.retry_after:
        assert answer.headers["retry-after"] == str(error.retry_after)
    assert (await get(world.edge, f"{PATH}?w=50")).status == 200
    world.darkroom.error = None
    assert (await get(world.edge, f"{PATH}?w=51")).status == 200


@pytest.mark.parametrize("memory", [MIB, 0], ids=["from memory", "from disk"])
async def test_a_full_darkroom_is_asked_for_nothing_new_and_what_is_here_is_served(
    tmp_path: Path, memory: int
) -> None:
    world = World(tmp_path / "cache", memory)
    world.shelf.put(KEY, b"picture")
    assert (await get(world.edge, f"{PATH}?w=50")).status == 200
    await world.cache.settle()
    world.darkroom.gate = asyncio.Event()
    early = asyncio.create_task(get(world.edge, f"{PATH}?w=52"))
    async with asyncio.timeout(5):
        while len(world.darkroom.orders) < 2:  # noqa: ASYNC110  # the condition is about others
            await asyncio.sleep(0.01)
    world.darkroom.crowded = True
    assert (await get(world.edge, f"{PATH}?w=50")).status == 200
    for query in ("", "?v=2", "?download=a.webp"):
        assert (await get(world.edge, PATH + query)).body == b"picture"
    for query in ("w=53", "w=53&v=2", "v=2&W=53", "preset=card"):
        answer = await get(world.edge, f"{PATH}?{query}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    joined = asyncio.create_task(get(world.edge, f"{PATH}?w=52"))
    await asyncio.sleep(0)
    world.darkroom.gate.set()
    assert {(await early).status, (await joined).status} == {200}
    assert len(world.darkroom.orders) == 2
    world.darkroom.crowded = False
    assert (await get(world.edge, f"{PATH}?w=53")).status == 200


async def test_a_cache_breaker_breaks_no_cache_of_ours(world: World) -> None:
    for number in range(1, 60):
        await get(world.edge, f"{PATH}?w=50&v={number}")
    assert len(world.darkroom.orders) == 1
