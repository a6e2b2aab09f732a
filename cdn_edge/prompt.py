"""A hit is answered in the thread it arrives on.

granian hands every request from its own threads to the event loop, which costs a system call, a
task and a change of threads: three quarters of what a hit from memory costs. Here the edge is
asked first whether it can answer at once; only what it cannot goes to the loop.
"""

import asyncio
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

import structlog
from granian import _futures, _granian

from cdn_edge.rsgi import HTTPProtocol, Scope
from cdn_edge.unhurried import threads_of, unhurried
from pipeline.tasks import running

_inside: Any = _granian  # its stub says less than it takes
_watching: Any = _futures

_TURN_SECONDS = 0.0001
"""How long the event loop may hold the interpreter while a hit waits for it: a fiftieth of
Python's own. During a flood of refusals half of the hits took 1.4 to 3.6 ms with 0.0005 instead of
3.0 to 5.2 ms; beside renders their p99 was 1.2 to 2.3 ms with this and 1.8 to 2.6 with 0.0005."""

log = structlog.get_logger(__name__)


class Prompt(Protocol):
    """An RSGI application that can answer some requests without waiting for anything."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server begins to serve."""

    def at_once(self, scope: Scope, proto: HTTPProtocol) -> bool:
        """Answer in whatever thread this is, or say False and do nothing."""

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer, in the event loop."""


async def run_worker(number: int, stop: Any, app: Prompt, socket: Any, *options: Any) -> None:  # noqa: ANN401  # granian's own, passed on
    """What granian's embedded server is to run in place of its own worker."""
    sys.setswitchinterval(_TURN_SECONDS)
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set_result, None))
    app.__rsgi_init__(loop)
    threads, http, tls = options[:5], options[6:11], options[12]
    worker = _inside.RSGIWorker(number, socket, None, *threads, *http, *tls, (None, None))
    begun = threads_of(lambda: worker.serve_mtr(_scheduler(loop, app), loop, stop))
    async with running(lambda: unhurried(begun)):
        await stopped


def _scheduler(loop: asyncio.AbstractEventLoop, app: Prompt) -> Any:  # noqa: ANN401
    made = _inside.CallbackScheduler(loop, app.__rsgi__, None, None, None)
    made._schedule_fn = _schedule(loop, made._ctx, app)  # noqa: SLF001  # as granian's own does
    return made


def _schedule(
    loop: asyncio.AbstractEventLoop, context: Context, app: Prompt
) -> Callable[[Any], None]:
    at_once, begin = app.at_once, _watching._future_watcher_wrapper(app.__rsgi__)  # noqa: SLF001

    def start(watcher: Any) -> None:  # noqa: ANN401
        watcher.taskref(loop.create_task(begin(watcher)))

    def schedule(watcher: Any) -> None:  # noqa: ANN401
        """Raises nothing: granian looks at no error of this call."""
        try:
            if not at_once(watcher.scope, watcher.proto):
                loop.call_soon_threadsafe(start, watcher, context=context)
        except Exception:
            log.exception("a request was not answered")  # granian says 500

    return schedule
