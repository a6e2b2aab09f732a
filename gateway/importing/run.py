"""The import itself: several uploads at once, each picture once, all failures told."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple

import msgspec

from gateway.importing.answers import Done, Hopeless, Later, Refused
from gateway.importing.items import Item, key_of
from gateway.importing.journal import Journal
from gateway.importing.remote import Remote
from models.settings import SettingsError

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_OUR_FAILURES = (500, 502, 504)
_MOST_FAILURES = 5
_FINISH_SECONDS = 30.0
"""What is under way when it stops is finished, for so long."""

Told = Callable[[str], None]


class Sums:
    """How many came through, were there already, failed."""

    def __init__(self) -> None:
        self.imported = self.there = self.failed = 0
        self.stopped = ""

    @property
    def ended(self) -> int:
        """What was decided."""
        return self.imported + self.there + self.failed


class Asked(NamedTuple):
    """What is asked of every picture, how many at once, and how long an outage is waited out."""

    fields: dict[str, str]
    jobs: int
    patience: float


class Stopped(Exception):
    """Nothing more will go through; the sentence says why."""


class Import:
    """One run over the items of a source."""

    def __init__(self, remote: Remote, journal: Journal, asked: Asked, failures: IO[str]) -> None:
        self.sums = Sums()
        self._remote = remote
        self._journal = journal
        self._asked = asked
        self._failures = failures
        self._open_at = 0.0
        self._stopping = asyncio.Event()
        self._working_since = time.monotonic()

    async def run(self, items: list[Item], told: Told) -> Sums:
        """Bring every item; `told` is called after each. What stops it is in the sums."""
        left = iter(items)
        tasks = [asyncio.create_task(self._bring(left, told)) for _ in range(self._asked.jobs)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            await asyncio.wait(tasks, timeout=_FINISH_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        self._tell_why(ends)
        return self.sums

    def _tell_why(self, ends: Sequence[BaseException | None]) -> None:
        """The first reason to stop; anything else that ended a task is a fault of ours."""
        for end in ends:
            if isinstance(end, Stopped):
                self.sums.stopped = self.sums.stopped or str(end)
            elif isinstance(end, Exception):
                raise end

    async def _bring(self, left: Iterator[Item], told: Told) -> None:
        for item in left:
            try:
                await self._one(item)
            except Stopped:
                self._stopping.set()
                raise
            except OSError as error:
                self._fail(item, None, f"it cannot be read ({error.strerror})")
            except SettingsError as error:
                self._fail(item, None, f"it may be there or not: {error}")
            told(item.name)
            if self._stopping.is_set():
                return

    async def _one(self, item: Item) -> None:
        fields = self._asked.fields
        digest = await asyncio.to_thread(item.digest)
        first = key_of(item, digest, fields, 0)
        turn = self._journal.turn(first)
        key = key_of(item, digest, fields, turn) if turn else first
        if key in self._journal.done or await self._arrived_before(item, key):
            self.sums.there += 1
            return
        self._journal.begin(key, item.name)
        match await self._sent(item, key):
            case Done(images=images):
                self._journal.end(key, item.name, list(images))
                self.sums.imported += 1
            case Refused(status=status, reason=reason):
                self._journal.fail(first, item.name, reason)
                self._fail(item, status, reason)
            case Later(status=status, reason=reason):
                self._fail(item, status, reason)

    async def _arrived_before(self, item: Item, key: str) -> bool:
        """Whether what was begun more than a day ago is there: its key is forgotten by now."""
        begun = self._journal.doubt(key)
        if begun is None:
            return False
        bucket, known = self._asked.fields.get("bucketKey", ""), self._journal.images()
        image = await self._remote.arrived(item.title, begun, bucket, known)
        if image is not None:
            self._journal.end(key, item.name, [image])
        return image is not None

    async def _sent(self, item: Item, key: str) -> Done | Refused | Later:
        """What came of it; Later when the API keeps failing at this one alone."""
        failures, pause = 0, _FIRST_PAUSE
        while True:
            await self._opened()
            if self._stopping.is_set():
                raise Stopped("")
            meaning = await self._remote.upload(item, self._asked.fields, key)
            if isinstance(meaning, Hopeless):
                raise Stopped(meaning.reason.rstrip("."))
            if not isinstance(meaning, Later):
                self._working_since = time.monotonic()
                return meaning
            failures += meaning.status in _OUR_FAILURES
            if failures == _MOST_FAILURES:
                return meaning
            await self._later(meaning, pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _opened(self) -> None:
        """Wait for as long as the API has asked everybody to."""
        while (left := self._open_at - time.monotonic()) > 0 and not self._stopping.is_set():
            await self._pause(left)

    async def _later(self, later: Later, pause: float) -> None:
        """Wait, as told or longer and longer. Raises Stopped when nothing went through so long."""
        seconds = pause if later.seconds is None else later.seconds
        silent = time.monotonic() - self._working_since
        if silent + seconds > self._asked.patience:
            raise Stopped(f"{later.reason.rstrip('.')}, and that for {silent:.0f} seconds")
        if later.everybody:
            self._open_at = max(self._open_at, time.monotonic() + seconds)
            seconds = 0
        await self._pause(seconds + random.uniform(0, 0.5))  # noqa: S311  not all at once

    async def _pause(self, seconds: float) -> None:
        """Wait for so long, unless everything stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _fail(self, item: Item, status: int | None, reason: str) -> None:
        self.sums.failed += 1
        line = {"path": item.name, "status": status, "reason": reason}
        self._failures.write(msgspec.json.encode(line).decode() + "\n")
        self._failures.flush()


async def refuse_other_account(remote: Remote, journal: Journal, key: str) -> None:
    """Raise SettingsError when what the journal knows as done belongs to another account."""
    known = sorted(journal.images())[-3:]
    if key in journal.keys or not known:
        return
    there = [await remote.knows(image) for image in known]
    if not any(there):
        raise SettingsError(
            "The images in the journal are not in the account of this key: choose another file "
            "with --journal."
        )
