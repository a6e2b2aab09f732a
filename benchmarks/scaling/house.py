"""A simulated Calotype: the way of one upload through cores, queues, children, commits and syncs.

As in the code: a pipeline asks for one order at a time while it has a slot (`pipeline.worker`), an
order that finds more than one child free is developed by one and encoded by all, else one child
does everything (`pipeline.plan`, `pipeline.order`), steps of a begun order go first.
"""

from collections.abc import Callable, Generator
from typing import Any, Final, NamedTuple

import simpy

from benchmarks.scaling.cores import POLITE, Cores
from benchmarks.scaling.costs import Picture
from models.wire import Wire
from pipeline.bus_streams import consumer

Steps = Generator[simpy.Event, Any, Any]

IN_HAND: Final = consumer(1.0).max_ack_pending or 1
"""Orders that all pipelines together may have in hand."""

_BEGIN: Final = 0.0
_SLOTS: Final = 2  # orders that a pipeline has in hand for each child, see pipeline/role.py


class Demand(Wire, frozen=True):
    """What one upload asks of each part besides its renders: seconds of a core, then of waiting."""

    client: float = 0.0
    gateway: float = 0.0
    pipeline: float = 0.0
    nats: float = 0.0
    database: float = 0.0
    objects: float = 0.0
    waiting: float = 0.0
    """On disks and lines, when nobody else is about."""
    commit: float = 0.0
    """How long a commit holds what only one may write: SQLite, or the row of an account."""
    publish: float = 0.0
    """How long a stream is busy with one message: its sync, on most of its replicas."""
    children: float = 1.0
    """What children really spend, to what the engine alone does."""


class Plant(NamedTuple):
    """What there is of everything; on one machine all cores are the same ones."""

    client: Cores
    gateways: list[Cores]
    pipelines: list[tuple[Cores, int]]
    nats: Cores
    database: Cores
    objects: Cores
    writers: int = 1
    """Accounts that upload: their rows are written beside each other. SQLite has one writer."""


Plants = Callable[[simpy.Environment], Plant]


class House:
    """Takes uploads; knows when each came and went."""

    def __init__(self, env: simpy.Environment, plant: Plant, demand: Demand) -> None:
        self.env = env
        self.plant = plant
        self.demand = demand
        self.latencies: list[float] = []
        self.inside = 0
        self.areas = 0.0
        """Uploads inside, summed over time: for Little's law."""
        self._since = env.now
        self._came = 0
        self._orders = simpy.Store(env)
        self._unacknowledged = simpy.Resource(env, IN_HAND)
        self._writers = [simpy.Resource(env) for _ in range(plant.writers)]
        self._streams = {name: simpy.Resource(env) for name in ("work", "events")}
        for cores, children in plant.pipelines:
            env.process(self._pipeline(_Studio(env, cores, children)))

    def upload(self, picture: Picture) -> Steps:
        """One upload, from the client's first byte to the answer's last."""
        came, number = self.env.now, self._came
        self._came += 1
        self._count(+1)
        gateway = self.plant.gateways[number % len(self.plant.gateways)]
        writer = self._writers[number % len(self._writers)]
        yield self.plant.client.work(self.demand.client)
        yield gateway.work(self.demand.gateway)
        yield from self._store(1 / 2)
        yield from self._commit(writer)
        yield from self._publish("work")
        done = self.env.event()
        self._orders.put((picture, writer, done))
        yield done
        self.latencies.append(self.env.now - came)
        self._count(-1)

    def _pipeline(self, studio: "_Studio") -> Steps:
        slots = simpy.Resource(self.env, _SLOTS * studio.children.capacity)
        while True:
            slot = slots.request()
            yield slot
            order = yield self._orders.get()
            self.env.process(self._fulfil(studio, order, (slots, slot)))

    def _fulfil(self, studio: "_Studio", order: Any, held: Any) -> Steps:  # noqa: ANN401
        picture, writer, done = order
        with self._unacknowledged.request() as turn:
            yield turn
            yield studio.cores.work(self.demand.pipeline)
            yield from studio.render(picture, self.demand.children)
            yield from self._store(1 / 2)
            yield from self._commit(writer)
            yield from self._publish("events")
            done.succeed()
        slots, slot = held
        yield slots.release(slot)

    def _store(self, part: float) -> Steps:
        """Objects written, and what is waiting for nobody's turn."""
        yield self.plant.objects.work(self.demand.objects * part)
        yield self.env.timeout(self.demand.waiting * part)

    def _commit(self, writer: simpy.Resource) -> Steps:
        with writer.request() as turn:
            yield turn
            yield self.env.timeout(self.demand.commit)
        yield self.plant.database.work(self.demand.database / 2)

    def _publish(self, stream: str) -> Steps:
        with self._streams[stream].request() as turn:
            yield turn
            yield self.env.timeout(self.demand.publish)
        yield self.plant.nats.work(self.demand.nats / 2)

    def _count(self, change: int) -> None:
        self.areas += self.inside * (self.env.now - self._since)
        self._since = self.env.now
        self.inside += change


class _Studio:
    """Render children on the cores of their machine."""

    def __init__(self, env: simpy.Environment, cores: Cores, children: int) -> None:
        self.cores = cores
        self.children = simpy.PriorityResource(env, children)
        self._env = env

    def render(self, picture: Picture, factor: float) -> Steps:
        parts = sum(len(stage.encodings) for stage in picture.stages)
        together = self.children.capacity - self.children.count > 1 and parts > 1
        if together:
            yield from self._together(picture, factor)
        else:
            yield from self._turn(_BEGIN, picture.seconds * factor)

    def _together(self, picture: Picture, factor: float) -> Steps:
        encodings = []
        with self.children.request(priority=_BEGIN) as turn:
            yield turn
            for stage in picture.stages:
                yield self.cores.work(stage.developing * factor, POLITE)
                for seconds in stage.encodings:
                    step = self._turn(-seconds, seconds * factor)
                    encodings.append(self._env.process(step))
        yield self._env.all_of(encodings)

    def _turn(self, priority: float, seconds: float) -> Steps:
        with self.children.request(priority=priority) as turn:
            yield turn
            yield self.cores.work(seconds, POLITE)
