"""The pipeline as a role: a studio, a worker, the relay and the reconciler."""

import contextlib
import os
from collections.abc import AsyncIterator

from models.meter import Meter
from models.settings import Settings
from pipeline.gemini import Gemini
from pipeline.generate import Generator, Makers
from pipeline.limits import Limits
from pipeline.lookout import Lookout
from pipeline.reconcile.reconciler import Reconciler
from pipeline.reconcile.scene import Scene, rules_of
from pipeline.services import Services
from pipeline.studio import Studio
from pipeline.tasks import running
from pipeline.verdict import Patience
from pipeline.worker import Worker


def open_studio(settings: Settings, meter: Meter | None = None) -> Studio:
    """The studio that settings ask for, to be entered."""
    return Studio(children=_children(settings), limits=limits_of(settings), meter=meter)


def limits_of(settings: Settings) -> Limits:
    """How much one picture may ask, as settings say."""
    return Limits(
        pixels=settings.max_pixels,
        output_side=settings.max_side,
        frames=settings.max_frames,
        memory=settings.render_memory_bytes,
        queue=settings.render_queue,
        read_seconds=settings.develop_seconds,
        seconds=settings.render_seconds,
    )


def _children(settings: Settings) -> int:
    return settings.children or os.cpu_count() or 1


def open_generator(services: Services, studio: Studio) -> Generator:
    """The generator that settings ask for. It opens nothing before it is needed."""
    settings = services.settings
    storage, gemini = services.stores.own, Gemini(settings, services.meter)
    return Generator(services.database, storage, studio, gemini, settings.gemini_calls)


@contextlib.asynccontextmanager
async def pipeline_alone(services: Services) -> AsyncIterator[None]:
    """Process orders with a studio of its own while the block runs."""
    async with (
        open_studio(services.settings, services.meter) as studio,
        working_pipeline(services, studio),
    ):
        yield


@contextlib.asynccontextmanager
async def working_pipeline(services: Services, studio: Studio) -> AsyncIterator[None]:
    """Process orders while the block runs; what is in hand at its end is finished, bounded."""
    settings = services.settings
    worker = Worker(
        services.database,
        services.bus,
        services.stores,
        Makers(studio, open_generator(services, studio)),
        patience=Patience(settings.attempts, settings.bucket_seconds, settings.job_seconds),
        slots=2 * _children(settings),
    )
    rules = rules_of(settings)
    scene = Scene(services.database, services.stores.own, services.bus, rules)
    lookout = Lookout(services.database, services.bus, studio, services.meter)
    reconciler = Reconciler(scene, settings.sweep_seconds, services.meter)
    async with running(reconciler.run), running(lookout.run):
        async with running(worker.run):
            yield
        await worker.drain(services.drain.left())
