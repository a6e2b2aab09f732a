"""calotype status and doctor: how a system does, and what stands in its way."""

import os
import sys
from typing import Any

import rich_click as click

from gateway.cli_options import AS_JSON, DATA, plain_errors, read


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
    from gateway.deadline import at_once
    from gateway.logs import no_logs
    from gateway.status.look import look
    from gateway.status.shown import as_json as told
    from gateway.status.shown import show
    from gateway.status.verdict import judge

    no_logs()
    facts = at_once(look(read(**given)))
    verdict = judge(facts)
    if as_json:
        click.echo(told(facts, verdict))
    else:
        show(facts, verdict)
    leave(0 if verdict.healthy else 1)


def leave(code: int) -> None:
    """End now: Python's own way out waits for threads, and they may wait for a silent server."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@click.command()
@DATA
@AS_JSON
@plain_errors
def doctor(*, as_json: bool, **given: Any) -> None:
    """Look at everything that may stand in the way, and say what to do about it.

    Settings and secret, what strangers can reach, releases with known faults, disk, limits of the
    machine, whether the database and the message bus keep what they acknowledge, whether each
    part answers, whether objects can be written, read and deleted, the clocks. One after the
    other: what fails keeps nobody from the next, and nothing takes longer than seconds.

    Before the first start, beside a running system, or when it does not start. It changes
    nothing: the one object that it writes is deleted again.

    \b
    Exit code: 0  nothing is wrong; there may be warnings
               1  something is
    """
    from gateway.deadline import at_once
    from gateway.doctor.shown import as_json as told
    from gateway.doctor.shown import show_all
    from gateway.logs import no_logs

    no_logs()
    chosen = {name: value for name, value in given.items() if value is not None}
    found = at_once(show_all(os.environ, chosen, quiet=as_json))
    if as_json:
        click.echo(told(found))
    leave(any(one.state == "wrong" for one in found))
