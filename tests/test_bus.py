"""The bus against a real server: at least once, also when that server is killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from time import monotonic
from urllib.parse import urlparse

import pytest

from models.errors import Unavailable
from models.events import outcome_subject
from pipeline.bus import Bus, Delivery, Said, connect
from pipeline.bus_line import Where, Wire
from tests.faults import FaultProxy
from tests.servers import Nats

SUBJECT = "calotype.orders.one"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(
    nats: Nats, *, ack_wait: float = 30.0, pace: float = 5.0, url: str = ""
) -> AsyncIterator[Bus]:
    opened = await connect(url or nats.url, nats.token, ack_wait=ack_wait, pace=pace)
    async with contextlib.aclosing(opened) as bus:
        yield bus


@contextlib.asynccontextmanager
async def working(bus: Bus) -> AsyncIterator[Callable[[float], object]]:
    """A function that waits for the next delivery; the same subscription all the time."""
    deliveries = bus.work()

    async def following(seconds: float) -> Delivery:
        async with asyncio.timeout(seconds):
            while True:
                delivery = await anext(deliveries)
                if delivery is not None:
                    return delivery

    async with contextlib.aclosing(deliveries):
        yield following


async def quiet(bus: Bus, seconds: float) -> bool:
    """True when nothing is delivered for so long."""
    async with working(bus) as following:
        try:
            await following(seconds)  # type: ignore[misc]
        except TimeoutError:
            return True
    return False


async def until_connected(bus: Bus, wanted: bool, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while bus.connected is not wanted:  # noqa: ASYNC110 it is the connection that is watched
            await asyncio.sleep(0.02)


async def test_what_is_published_is_delivered_until_it_is_done(bus: Bus) -> None:
    await bus.publish(SUBJECT, b"data", "id-1")
    async with working(bus) as following:
        delivery = await following(5)
        assert (delivery.data, delivery.subject, delivery.tries) == (b"data", SUBJECT, 1)
        await delivery.done()
    assert await quiet(bus, 0.5)


async def test_the_same_message_id_is_delivered_once(bus: Bus) -> None:
    await asyncio.gather(*(bus.publish(SUBJECT, b"data", "the-same") for _ in range(10)))
    await bus.publish(SUBJECT, b"other", "another")
    async with working(bus) as following:
        heard = [await following(5), await following(5)]
        assert {delivery.data for delivery in heard} == {b"data", b"other"}
        for delivery in heard:
            await delivery.done()
    assert await quiet(bus, 0.5)


async def test_later_means_later_and_counts_the_tries(bus: Bus) -> None:
    await bus.publish(SUBJECT, b"data", "id-1")
    async with working(bus) as following:
        delivery = await following(5)
        put_back = monotonic()
        await delivery.later(0.6)
        again = await following(5)
        assert 0.5 < monotonic() - put_back < 4
        assert (again.data, again.tries) == (b"data", 2)
        await again.done()


async def test_a_dead_message_is_never_delivered_again(nats: Nats) -> None:
    async with connected(nats, ack_wait=0.5) as bus:
        await bus.prepare()
        await bus.publish(SUBJECT, b"data", "id-1")
        async with working(bus) as following:
            await (await following(5)).dead()
        assert await quiet(bus, 1)


async def test_a_message_nobody_speaks_for_is_delivered_again(nats: Nats) -> None:
    async with connected(nats, ack_wait=0.5) as bus:
        await bus.prepare()
        await bus.publish(SUBJECT, b"data", "id-1")
        async with working(bus) as following:
            await following(5)
            assert (await following(5)).tries == 2


async def test_a_message_that_is_held_is_not_delivered_to_anybody_else(nats: Nats) -> None:
    async with connected(nats, ack_wait=0.6) as bus, connected(nats, ack_wait=0.6) as other:
        await bus.prepare()
        await bus.publish(SUBJECT, b"data", "id-1")
        async with working(bus) as following:
            delivery = await following(5)
            async with delivery.held(60):
                assert await quiet(other, 2)
            await delivery.done()


async def test_two_pipelines_share_the_work(nats: Nats) -> None:
    async with connected(nats) as bus, connected(nats) as other:
        await bus.prepare()
        await other.prepare()
        for number in range(20):
            await bus.publish(f"calotype.orders.{number}", b"%d" % number, f"id-{number}")

        async def take_ten(which: Bus) -> set[bytes]:
            taken = set()
            async with working(which) as following:
                for _ in range(10):
                    delivery = await following(5)
                    taken.add(delivery.data)
                    await delivery.done()
            return taken

        one, two = await asyncio.gather(take_ten(bus), take_ten(other))
        assert len(one | two) == 20


async def test_preparing_twice_and_at_once_is_the_same(nats: Nats) -> None:
    async with connected(nats) as bus, connected(nats) as other:
        await asyncio.gather(bus.prepare(), other.prepare(), bus.prepare())
        await bus.publish(SUBJECT, b"data", "id-1")
        async with working(other) as following:
            await (await following(5)).done()


async def test_an_idle_worker_hears_that_there_is_nothing(bus: Bus) -> None:
    deliveries = bus.work()
    async with contextlib.aclosing(deliveries), asyncio.timeout(8):
        assert await anext(deliveries) is None


# The server dies


async def test_a_worker_goes_on_after_the_server_was_killed(nats: Nats, bus: Bus) -> None:
    await bus.publish(SUBJECT, b"before", "id-1")
    async with working(bus) as following:
        await (await following(5)).done()
        waiting = asyncio.ensure_future(following(20))
        await asyncio.sleep(0.2)
        nats.kill()
        await asyncio.sleep(0.3)
        nats.start()
        await bus.publish(SUBJECT, b"after", "id-2")
        delivery = await waiting
        assert delivery.data == b"after"
        await delivery.done()
    assert await quiet(bus, 0.5)


async def test_what_was_acknowledged_survives_a_kill(nats: Nats, bus: Bus) -> None:
    for number in range(20):
        await bus.publish(f"calotype.orders.{number}", b"%d" % number, f"id-{number}")
    nats.kill()
    nats.start()
    heard = set()
    async with working(bus) as following:
        while len(heard) < 20:
            delivery = await following(20)
            heard.add(int(delivery.data))
            await delivery.done()
    assert heard == set(range(20))


async def test_publishing_outlasts_a_restart(nats: Nats, bus: Bus) -> None:
    nats.kill()
    await until_connected(bus, False)
    publishing = asyncio.create_task(bus.publish(SUBJECT, b"data", "id-1"))
    await asyncio.sleep(1.5)
    assert not publishing.done()
    nats.start()
    async with asyncio.timeout(15):
        await publishing
    async with working(bus) as following:
        await (await following(5)).done()
    assert await quiet(bus, 0.5)


async def test_publishing_outlasts_fifteen_seconds_without_a_leader_and_is_stored_once(
    nats: Nats, bus: Bus
) -> None:
    nats.freeze()  # what is said now waits in its buffers, and is heard with all that follows
    publishing = asyncio.create_task(bus.publish(SUBJECT, b"data", "id-1"))
    await asyncio.sleep(15)
    assert not publishing.done()
    nats.thaw()
    async with asyncio.timeout(30):
        await publishing
    assert (await bus.jetstream.stream_info("CALOTYPE_WORK")).state.messages == 1


async def test_done_says_when_the_server_does_not_know(nats: Nats, bus: Bus) -> None:
    await bus.publish(SUBJECT, b"data", "id-1")
    async with working(bus) as following:
        delivery = await following(5)
        nats.kill()
        with pytest.raises(Unavailable):
            await delivery.done()
        nats.start()


async def test_lost_streams_are_made_anew_by_who_works(nats: Nats, bus: Bus) -> None:
    async with working(bus) as following:
        waiting = asyncio.ensure_future(following(30))
        await asyncio.sleep(0.2)
        nats.lose_everything()
        await bus.publish(SUBJECT, b"data", "id-1")
        delivery = await waiting
        assert delivery.data == b"data"
        await delivery.done()


async def test_a_bus_that_is_closed_publishes_nothing_and_says_so(nats: Nats) -> None:
    async with connected(nats) as bus:
        await bus.prepare()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await bus.publish(SUBJECT, b"data", "id-1")


async def test_a_wrong_token_does_not_get_in(nats: Nats) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="CALOTYPE_NATS_TOKEN"):
            await connect(nats.url, "wrong", within=1)


async def test_a_server_that_is_not_there_is_unavailable_in_time(nats: Nats) -> None:
    nats.kill()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="CALOTYPE_NATS_URL"):
            await connect(nats.url, nats.token, within=1)


async def test_a_restart_is_felt_at_once_and_not_when_a_fetch_ends(nats: Nats, bus: Bus) -> None:
    await bus.publish(SUBJECT, b"before", "id-1")
    async with working(bus) as following:
        await (await following(5)).done()
        waiting = asyncio.ensure_future(following(20))
        await asyncio.sleep(0.2)
        nats.kill()
        nats.start()
        began = monotonic()
        await bus.publish(SUBJECT, b"after", "id-2")
        await (await waiting).done()
        assert monotonic() - began < 4


# The server freezes: its connections stay open, and nothing is heard


async def test_a_server_that_froze_is_worked_with_again_when_it_is_back(nats: Nats) -> None:
    async with connected(nats, pace=0.5) as bus:
        await bus.prepare()
        async with working(bus) as following, bus.listening(outcome_subject("order")) as heard:
            waiting = asyncio.ensure_future(following(60))
            await asyncio.sleep(0.2)
            nats.freeze()
            publishing = asyncio.create_task(bus.publish(SUBJECT, b"data", "id-1"))
            await asyncio.sleep(4)
            assert not publishing.done(), publishing
            nats.thaw()
            async with asyncio.timeout(30):
                await publishing
                await (await waiting).done()
                await bus.publish(outcome_subject("order"), b"said", "id-2")
                assert await heard.get() == b"said"


async def test_a_server_that_is_silent_is_noticed_by_who_must_not_miss_a_purge(nats: Nats) -> None:
    async with connected(nats, pace=0.5) as bus:
        await bus.prepare()
        purges = bus.purges(0)
        async with contextlib.aclosing(purges), asyncio.timeout(20):
            assert await anext(purges) is None
            nats.freeze()
            with pytest.raises(Unavailable):
                await heard_for_ever(purges)
        nats.thaw()


async def heard_for_ever(purges: AsyncIterator[Said | None]) -> None:
    async for _ in purges:
        pass


async def test_a_line_that_swallows_everything_for_ever_is_replaced(nats: Nats) -> None:
    async with (
        FaultProxy("127.0.0.1", nats.port) as bad,
        connected(nats, pace=1, url=f"nats://127.0.0.1:{bad.port}") as bus,
        FaultProxy("127.0.0.1", nats.port) as good,
    ):
        await bus.prepare()
        bus._line._where = Where(f"nats://127.0.0.1:{good.port}", nats.token, 1)  # noqa: SLF001 two ways to one server
        async with bus.listening(outcome_subject("order")) as heard:
            bad.freeze()
            # More than all buffers between us hold: a client that closes politely waits for ever.
            flood = [bus.publish(SUBJECT, bytes(900_000), f"id-{number}") for number in range(40)]
            flooding = asyncio.gather(*flood)
            async with asyncio.timeout(60):
                await flooding
                await bus.publish(outcome_subject("order"), b"said", "id")
                assert await heard.get() == b"said"
        assert good.accepted


async def test_a_connection_that_stands_after_its_client_has_left_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really, wire, gone = asyncio.open_connection, Wire(), asyncio.Event()

    async def late(host: str, port: int, **more: int) -> Streams:
        made = await really(host, port, **more)
        wire.leave()
        return made

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        gone.set()
        writer.close()

    monkeypatch.setattr(asyncio, "open_connection", late)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(asyncio.CancelledError):
            await wire.connect(urlparse(f"nats://127.0.0.1:{port}"), 65_536, 5)
        async with asyncio.timeout(5):
            await gone.wait()


async def test_who_waits_for_work_gets_away_at_once_whatever_the_server_does(nats: Nats) -> None:
    async with connected(nats, pace=0.5) as bus:
        await bus.prepare()
        nats.freeze()
        async with working(bus) as following:
            with pytest.raises(TimeoutError):
                await following(0.3)
        async with asyncio.timeout(10):
            await bus.aclose()
        nats.thaw()


async def test_a_slow_server_is_not_taken_for_a_silent_one(nats: Nats) -> None:
    async with (
        FaultProxy("127.0.0.1", nats.port) as line,
        connected(nats, url=f"nats://127.0.0.1:{line.port}") as bus,
    ):
        await bus.prepare()
        line.latency(0.6)
        async with working(bus) as following:
            for number in range(3):  # what is answered late must not be taken for a failure
                async with bus.listening(outcome_subject("order")):
                    await bus.publish(SUBJECT, b"%d" % number, f"id-{number}")
                delivery = await following(20)
                assert delivery.data == b"%d" % number
                await delivery.done()
        assert line.accepted == 1


# Listening


async def test_who_listens_hears_what_is_said_from_then_on(bus: Bus) -> None:
    await bus.publish(outcome_subject("order"), b"before", "id-1")
    async with bus.listening(outcome_subject("order")) as heard:
        await bus.publish(outcome_subject("other"), b"other", "id-2")
        await bus.publish(outcome_subject("order"), b"after", "id-3")
        async with asyncio.timeout(5):
            assert await heard.get() == b"after"
        assert heard.empty()


async def test_who_listens_hears_again_after_a_restart(nats: Nats, bus: Bus) -> None:
    async with bus.listening(outcome_subject("order")) as heard:
        nats.kill()
        nats.start()
        await bus.publish(outcome_subject("order"), b"after", "id-1")
        async with asyncio.timeout(10):
            assert await heard.get() == b"after"


async def test_listening_begins_before_the_block_does(bus: Bus, nats: Nats) -> None:
    async with connected(nats) as other:
        for number in range(20):
            async with bus.listening(outcome_subject("order")) as heard:
                await other.publish(outcome_subject("order"), b"%d" % number, f"id-{number}")
                async with asyncio.timeout(5):
                    assert await heard.get() == b"%d" % number, number


# Purges


async def test_purges_are_heard_in_their_order_from_a_place_on(bus: Bus) -> None:
    for number in range(1, 6):
        await bus.publish("calotype.purges.bucket", b"%d" % number, f"id-{number}")
    heard: list[Said] = []
    purges = bus.purges(2)
    async with contextlib.aclosing(purges), asyncio.timeout(5):
        while len(heard) < 3:
            said = await anext(purges)
            assert said is not None
            heard.append(said)
    assert [(said.seq, said.data) for said in heard] == [(3, b"3"), (4, b"4"), (5, b"5")]
    assert heard[-1].waiting == 0


async def test_the_extent_of_the_purges_grows_and_changes_its_birth_with_the_stream(
    nats: Nats, bus: Bus
) -> None:
    before = await bus.extent()
    assert before.last == 0
    await bus.publish("calotype.purges.bucket", b"1", "id-1")
    assert await bus.extent() == before._replace(first=1, last=1)
    nats.lose_everything()
    await until_connected(bus, True, 10)
    with pytest.raises(Unavailable):
        await bus.extent()
    await bus.prepare()
    assert (await bus.extent()).born != before.born


async def test_a_break_ends_the_purges_at_once(nats: Nats, bus: Bus) -> None:
    purges = bus.purges(0)
    async with contextlib.aclosing(purges), asyncio.timeout(3):
        assert await anext(purges) is None
        ending = asyncio.ensure_future(anext(purges))
        await asyncio.sleep(0.1)
        nats.kill()
        with pytest.raises(Unavailable):
            await ending


async def test_what_was_sent_to_who_leaves_is_given_back_at_once(nats: Nats) -> None:
    async with connected(nats) as leaver, connected(nats) as other:
        await other.prepare()
        handled = set()
        for number in range(12):
            deliveries = leaver.work()
            waiting = asyncio.create_task(anext(deliveries))
            await asyncio.sleep(0.05)
            await other.publish(f"calotype.orders.{number}", b"", f"{number}")
            waiting.cancel()  # it may have arrived, and nobody looked yet
            with contextlib.suppress(asyncio.CancelledError):
                if delivery := await waiting:
                    handled.add(delivery.subject)
                    await delivery.done()
            await deliveries.aclose()
        async with working(other) as following, asyncio.timeout(10):  # their time would be 30
            while len(handled) < 12:
                delivery = await following(10)
                handled.add(delivery.subject)
                await delivery.done()
