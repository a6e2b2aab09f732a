"""The cores of one machine as the kernel shares them: by weight, nobody more than one core."""

import itertools
from collections.abc import Iterable
from typing import Final

import simpy

POLITE: Final = 0.2
"""Weight of a render child, see `pipeline.confine.step_back`; everybody else has 1."""

_NOTHING: Final = 1e-9


class Cores:
    """Work is seconds of one core. `power` is what all cores are worth when all are busy."""

    def __init__(self, env: simpy.Environment, count: float, power: float | None = None) -> None:
        self.env = env
        self.count = count
        self.power = max(1.0, min(count, power or count))
        self.done = 0.0
        self._at_work: dict[int, _Task] = {}
        self._since = env.now
        self._turn = 0
        self._numbers = itertools.count()

    def work(self, seconds: float, weight: float = 1.0) -> simpy.Event:
        """Happens when so many seconds of a core were spent on it."""
        self._advance()
        task = _Task(seconds, weight, self.env.event())
        self._at_work[next(self._numbers)] = task
        self._share()
        return task.end

    def utilisation(self, since: float = 0.0) -> float:
        """Part of all cores that was busy until now."""
        self._advance()
        return self.done / (self.power * (self.env.now - since)) if self.env.now > since else 0.0

    def _advance(self) -> None:
        """Note what was done since the last change."""
        passed, self._since = self.env.now - self._since, self.env.now
        for task in self._at_work.values():
            task.left -= passed * task.rate
            self.done += passed * task.rate

    def _share(self) -> None:
        """Give out the cores anew, and look again when the first task will be done."""
        tasks = list(self._at_work.values())
        share(tasks, self._worth(min(len(tasks), self.count)))
        self._turn += 1
        if tasks:
            soonest = min(max(task.left, 0.0) / task.rate for task in tasks)
            self.env.process(self._wake(soonest, self._turn))

    def _worth(self, busy: float) -> float:
        """What so many busy cores are worth together: each one that joins slows the others."""
        if busy <= 1:
            return busy
        return 1 + (busy - 1) * (self.power - 1) / (self.count - 1)

    def _wake(self, seconds: float, turn: int) -> Iterable[simpy.Event]:
        yield self.env.timeout(seconds)
        if turn != self._turn:
            return  # somebody came or went meanwhile: another one was asked to look
        self._advance()
        for number, task in list(self._at_work.items()):
            if task.left <= _NOTHING:
                del self._at_work[number]
                task.end.succeed()
        self._share()


class _Task:
    """What is left of it, and how fast it goes now."""

    def __init__(self, left: float, weight: float, end: simpy.Event) -> None:
        self.left = left
        self.weight = weight
        self.rate = 1.0
        self.end = end


def share(tasks: list[_Task], worth: float) -> None:
    """Set the rates: by weight; what is more than one core goes to the others."""
    weights = sum(task.weight for task in tasks)
    for task in sorted(tasks, key=lambda task: -task.weight):
        task.rate = min(1.0, worth * task.weight / weights)
        worth -= task.rate
        weights -= task.weight
