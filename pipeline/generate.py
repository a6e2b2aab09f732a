"""Generate: the original of an order that has none yet. Asked for once, kept before it is used.

The picture goes into staging, then a note of what was said with it, then both into the order's
row; each is durable before the next. Whoever tries the order again begins where the last one
ended. Between the model's answer and the note lies the one moment in which a killed worker makes
us ask, and pay Google, a second time.
"""

import asyncio
import contextlib
import hashlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from models.ai_config import ASPECT_RATIOS
from models.database import Database
from models.errors import BadRequest, NotAnImageMade, Unavailable
from models.failpoint import failpoint
from models.generation import AiConfig, Generated
from models.generations import hold, hold_on, keep_generated, let_go
from models.recipe import Png, Recipe, Resize
from models.records import Order
from models.slots import Slots
from pipeline.gemini import Ask, Gemini
from pipeline.gemini_answer import Painted
from pipeline.sniff import sniff
from pipeline.storage import STAGING, MissingObject, Storage
from pipeline.studio import Studio

# What the model sees: small enough for its limits, of a format it knows, without metadata.
_TEMPLATE: Final = Recipe(
    resize=Resize(width=2048, height=2048, fit="inside", without_enlargement=True), output=Png()
)
_HELD_SECONDS: Final = 10.0
_BEAT_SECONDS: Final = 2.0
_SAME_RATIO: Final = 0.02

Beat = Callable[[int], None]
_read_note = msgspec.json.Decoder(Generated).decode


class Generator:
    """Has originals generated, a bounded number at the same time."""

    def __init__(
        self, database: Database, storage: Storage, studio: Studio, gemini: Gemini, most: int
    ) -> None:
        self._database = database
        self._storage = storage
        self._studio = studio
        self._gemini = gemini
        self._slots = Slots(most)

    async def generate(self, order: Order, beat: Beat) -> None:
        """Make sure that the order has its original. `beat` hears the seconds it takes.

        Raises what the model refused, or Unavailable while others are at it.
        """
        if order.generation is None or order.generated is not None:
            return
        with self._slots.taken():
            async with self._held(order.id, beat):
                generated = await self._noted(order.id) or await self._asked(order)
                await self._keep(order.id, generated)

    @contextlib.asynccontextmanager
    async def _held(self, order_id: str, beat: Beat) -> AsyncIterator[None]:
        """Nobody else asks for this order while the block runs, nor soon after we are killed."""
        if not await self._database.run(hold, order_id, _HELD_SECONDS):
            raise Unavailable("Somebody else has this generated.")
        beating = asyncio.create_task(self._beat(order_id, beat))
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            with contextlib.suppress(Unavailable):
                await self._database.run(let_go, order_id)

    async def _beat(self, order_id: str, beat: Beat) -> None:
        began = time.monotonic()
        while True:
            beat(int(time.monotonic() - began))
            await asyncio.sleep(_BEAT_SECONDS)
            with contextlib.suppress(Unavailable):
                await self._database.run(hold_on, order_id, _HELD_SECONDS)

    async def _noted(self, order_id: str) -> Generated | None:
        """What an earlier try kept, and had no time to put into the row."""
        with contextlib.suppress(MissingObject):
            return _read_note(await self._storage.get(_note_key(order_id)))
        return None

    async def _asked(self, order: Order) -> Generated:
        """What the model made, in staging, with its note."""
        painted = await self._painted(order)
        failpoint("M1.answered")
        if sniff(painted.data) is None:
            raise NotAnImageMade
        generated = _generated(order.id, painted)
        await self._storage.put(generated.staging_key, painted.data)
        failpoint("M2.staged")
        await self._storage.put(_note_key(order.id), msgspec.json.encode(generated))
        failpoint("M3.noted")
        return generated

    async def _painted(self, order: Order) -> Painted:
        asked = order.generation
        if asked is None:
            raise Unavailable
        template = await self._template(order) if asked.template else None
        return await self._gemini.paint(Ask(asked.prompt, self._shaped(order), template))

    async def _template(self, order: Order) -> bytes:
        """The template as the model gets to see it. Raises what is wrong with it."""
        async with self._storage.file(order.staging_key, self._studio.scratch) as source:
            with await self._studio.render(source, [_TEMPLATE]) as prints:
                return await asyncio.to_thread(prints[0].path.read_bytes)

    def _shaped(self, order: Order) -> AiConfig:
        """The configuration, with the aspect ratio that the order's own ratio calls for."""
        asked = order.generation
        config = asked.config if asked else AiConfig()
        ratio = order.asked[0][0].ratio
        if config.image_config.aspect_ratio or not self._gemini.shaped or ratio is None:
            return config
        aspect = aspect_of(ratio, nearest=not (asked and asked.template))
        image = msgspec.structs.replace(config.image_config, aspect_ratio=aspect)
        return msgspec.structs.replace(config, image_config=image)

    async def _keep(self, order_id: str, generated: Generated) -> None:
        """Into the row; who comes second takes away what it alone put into staging."""
        if not await self._database.run(keep_generated, order_id, generated):
            await self._storage.delete([generated.staging_key])
        failpoint("M4.kept")


class Makers(NamedTuple):
    """Who makes pixels: the studio from an original, the generator an original."""

    studio: Studio
    generator: Generator


def aspect_of(ratio: float, *, nearest: bool) -> str | None:
    """The model's own name of a ratio; else the `nearest` one if asked: the least is cut off.

    A picture to go by has a ratio of its own, and the model keeps that unless told otherwise.
    """

    def distance(name: str) -> float:
        width, _, height = name.partition(":")
        return abs(math.log(ratio) - math.log(int(width) / int(height)))

    best = min(ASPECT_RATIOS, key=distance)
    return best if nearest or distance(best) < _SAME_RATIO else None


def left_in_staging(order: Order) -> list[str]:
    """Everything that an order may have in staging."""
    base = f"{STAGING}/{order.id}"
    if order.generation is None:
        return [order.staging_key]
    return list(dict.fromkeys((base, _note_key(order.id), order.staging_key)))


@contextlib.contextmanager
def blamed_on_the_model(order: Order) -> Iterator[None]:
    """A generated original that cannot be read is not the customer's mistake."""
    try:
        yield
    except BadRequest as error:
        if order.generated is None:
            raise
        raise NotAnImageMade from error


def _note_key(order_id: str) -> str:
    return f"{STAGING}/{order_id}.answer"


def _generated(order_id: str, painted: Painted) -> Generated:
    return Generated(
        staging_key=f"{STAGING}/{order_id}.{uuid4().hex[:8]}",
        size=len(painted.data),
        sha256=hashlib.sha256(painted.data).hexdigest(),
        content_type=painted.content_type or "application/octet-stream",
        response_id=painted.response_id,
        model_version=painted.model_version,
        usage=painted.usage,
        text=painted.text,
    )
