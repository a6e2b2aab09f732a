"""The pipeline as a role: a studio, a worker, the relay and the reconciler."""

import contextlib
import os
from collections.abc import AsyncIterator

import msgspec

from pipeline.limits import Limits
from pipeline.reconciler import Reconciler
from pipeline.services import Services
from pipeline.studio import Studio
from pipeline.tasks import running
from pipeline.worker import Worker


@contextlib.asynccontextmanager
async def working_pipeline(services: Services) -> AsyncIterator[Studio]:
    """Process orders while the block runs; what is in hand at its end is finished, bounded."""
    settings = services.settings
    limits = msgspec.structs.replace(Limits(), seconds=settings.render_seconds)
    children = settings.children or os.cpu_count() or 1
    async with Studio(children=children, limits=limits) as studio:
        worker = Worker(
            services.database,
            services.bus,
            services.stores,
            studio,
            attempts=settings.attempts,
            slots=2 * children,
        )
        async with running(Reconciler(services.database, services.stores.own).run):
            async with running(worker.run):
                yield studio
            await worker.drain(settings.drain_seconds)
