"""calotype reconcile: what is wrong is shown as a table, and put right."""

import asyncio
import sys
from typing import Any

import rich_click as click

from gateway.cli_options import AS_JSON, DATA, plain_errors, read


@click.command()
@click.option("--dry-run", "dry", is_flag=True, help="Only look: change nothing.")
@DATA
@AS_JSON
@plain_errors
def reconcile(*, dry: bool, as_json: bool, **given: Any) -> None:
    """Find what crashes and outages left behind, and put it right.

    Compares the database with the message stream, with all objects, and with itself: orders and
    deletions that nobody knows of, credits that are reserved for nothing, objects without rows and
    rows without objects, originals and temporary files that nobody needs, sums that do not fit.
    A running pipeline does the same every minute, the long comparisons every
    CALOTYPE_SWEEP_SECONDS; this does all of it now.

    Beside a running system or a stopped one, as often as you like, killed half way or not. Three
    things are never changed, only shown: credits that differ from the ledger, variants whose
    object is gone, and objects that are not ours.

    \b
    Exit code: 0  nothing was wrong
               1  something was, and is in the table
               2  something could not be looked at
    """
    from gateway import findings_shown
    from gateway.logs import no_logs
    from gateway.reconciling import STEPS, reconcile_now

    no_logs()
    with findings_shown.progress(len(STEPS)) as told:
        findings = asyncio.run(reconcile_now(read(**given), told, dry=dry))
    if as_json:
        click.echo(findings_shown.as_json(findings, dry=dry))
    else:
        findings_shown.show(findings, dry=dry)
    sys.exit(2 if findings.unseen else bool(findings.counts))
