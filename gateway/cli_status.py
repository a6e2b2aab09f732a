"""calotype status and doctor: how a system does, and what stands in its way."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import rich_click as click

from gateway.cli_options import AS_JSON, DATA, plain_errors, read

T = TypeVar("T")


@click.command()
@DATA
@AS_JSON
@plain_errors
def status(*, as_json: bool, **given: Any) -> None:
    """Show on one screen how a system does.

    Who is there, what waits and since when, dead letters, the cache, the last reconciliation, and
    what everything runs on. Every process is asked on the message bus and answers for itself; no
    part has longer than three seconds, and what does not answer is named.

    For 'calotype up', give its folder (--data or CALOTYPE_DATA) from any terminal of that machine;
    for several machines, the same settings that the roles have.

    \b
    Exit code: 0  healthy
               1  not: the reasons are named
               2  the settings are wrong
    """
    from gateway.logs import start_logs
    from gateway.status.look import look
    from gateway.status.shown import as_json as told
    from gateway.status.shown import show
    from gateway.status.verdict import judge

    start_logs("critical")
    facts = at_once(look(read(**given)))
    verdict = judge(facts)
    if as_json:
        click.echo(told(facts, verdict))
    else:
        show(facts, verdict)
    leave(0 if verdict.healthy else 1)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result, as soon as there is one: what still waits for a silent server is left."""
    return asyncio.new_event_loop().run_until_complete(work)


def leave(code: int) -> None:
    """End now: Python's own way out waits for threads, and they may wait for a silent server."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
