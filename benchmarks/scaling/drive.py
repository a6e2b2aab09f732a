"""The same clients for the simulated system as for the real one: same order, same arrivals."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import simpy

from benchmarks.scaling.costs import Load, Picture
from benchmarks.scaling.house import Demand, House, Plants, Steps


class Outcome(NamedTuple):
    """What came of a load."""

    seconds: float
    latencies: Sequence[float]

    @property
    def per_second(self) -> float:
        """Uploads per second."""
        return len(self.latencies) / self.seconds

    def at(self, pace: float) -> "Outcome":
        """The same on cores of another pace."""
        return Outcome(self.seconds / pace, [one / pace for one in self.latencies])

    @property
    def p50(self) -> float:
        """Half of the uploads took less."""
        return percentile(self.latencies, 50)

    @property
    def p99(self) -> float:
        """One in a hundred took more."""
        return percentile(self.latencies, 99)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent are not above."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def turns(load: Load, pictures: int) -> list[int]:
    """Which picture each upload is of: all of them equally often."""
    numbers = [number % pictures for number in range(load.uploads)]
    random.Random(load.seed).shuffle(numbers)
    return numbers


def arrivals(load: Load) -> list[float]:
    """When each upload comes, at random with the load's rate."""
    dice, at, times = random.Random(load.seed), 0.0, []
    for _ in range(load.uploads):
        at += dice.expovariate(load.rate)
        times.append(at)
    return times


def drive(env: simpy.Environment, house: House, pictures: Sequence[Picture], load: Load) -> Outcome:
    """Have the house take all of it."""
    asked = [pictures[number] for number in turns(load, len(pictures))]
    began = env.now
    if load.clients:
        left = iter(asked)
        clients = [env.process(_client(house, left)) for _ in range(load.clients)]
    else:
        clients = [
            env.process(_arrival(env, house, picture, at))
            for picture, at in zip(asked, arrivals(load), strict=True)
        ]
    env.run(env.all_of(clients))
    return Outcome(env.now - began, tuple(house.latencies))


def _client(house: House, left: Iterator[Picture]) -> Steps:
    for picture in left:
        yield from house.upload(picture)


def _arrival(env: simpy.Environment, house: House, picture: Picture, at: float) -> Steps:
    yield env.timeout(at)
    yield from house.upload(picture)


def simulate(
    plant_of: Plants, demand: Demand, pictures: Sequence[Picture], load: Load
) -> tuple[Outcome, House]:
    """A fresh house under this load; `plant_of` builds what it consists of."""
    env = simpy.Environment()
    house = House(env, plant_of(env), demand)
    return drive(env, house, pictures, load), house
