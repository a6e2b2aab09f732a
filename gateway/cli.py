"""The command line: start a system, or one role of it."""

from typing import Any

import rich_click as click

from gateway.cli_admin import accounts, keys, migrate, settings_table
from gateway.cli_dead import dead
from gateway.cli_edge import url
from gateway.cli_import import import_
from gateway.cli_options import DATA, plain_errors, read
from gateway.cli_reconcile import reconcile
from gateway.cli_status import doctor, status
from gateway.cli_users import users
from models.settings import Settings

WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes of this role, which share its port, render children and edge memory. Each "
    "holds database connections of its own. One that dies is started again.",
)
WORKER = click.option("--worker", is_flag=True, hidden=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="calotype")
def main() -> None:
    """Calotype turns one uploaded image into many variants and serves them.

    Start here: 'calotype up' runs everything on this machine and needs nothing else. It prints
    an API key and a curl line to try.

    Every setting is an environment variable CALOTYPE_...; 'calotype settings' lists them. On
    several machines, give the addresses of your Postgres, NATS and object storage, and start
    'calotype gateway', 'calotype pipeline' and 'calotype edge' as often as you like.
    """


@main.command()
@click.option("--host", help="Address to listen on.  [127.0.0.1]")
@click.option("--port", type=int, help="Port of the API; 0 takes a free one.  [8000]")
@click.option("--edge-port", type=int, help="Port of the edge; 0 takes a free one.  [8001]")
@DATA
@click.option("--demo", is_flag=True, help="Upload a drawn picture and show what became of it.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when ready.")
@plain_errors
def up(*, demo: bool, as_json: bool, **given: Any) -> None:
    """Start everything: API, pipeline, edge, message bus, database, storage.

    The data folder keeps all state: start again on the same folder and everything goes on where
    it stopped, also after a crash. Ctrl-C finishes what is in hand and stops.
    """
    from gateway.loop import run
    from gateway.run import run_system

    run(run_system(read(**given), demo=demo, as_json=as_json))


@main.command()
@DATA
@WORKERS
@WORKER
@plain_errors
def gateway(*, workers: int, worker: bool, **given: Any) -> None:
    """Start one gateway: the REST API.

    Needs CALOTYPE_NATS_URL, CALOTYPE_DATABASE_URL and CALOTYPE_SECRET; run 'calotype migrate'
    first.
    """
    from gateway.role import gateway_alone

    _run("gateway", gateway_alone, read(**given), workers=workers, worker=worker)


@main.command()
@DATA
@WORKERS
@WORKER
@plain_errors
def pipeline(*, workers: int, worker: bool, **given: Any) -> None:
    """Start one pipeline: it makes the variants. Needs what the gateway needs."""
    from pipeline.role import pipeline_alone

    _run("pipeline", pipeline_alone, read(**given), workers=workers, worker=worker)


@main.command()
@DATA
@WORKERS
@WORKER
@plain_errors
def edge(*, workers: int, worker: bool, **given: Any) -> None:
    """Start one edge: it serves the variants. Needs what the gateway needs."""
    from cdn_edge.role import serving_edge

    _run("edge", serving_edge, read(**given), workers=workers, worker=worker)


def _run(name: str, role: Any, settings: Settings, *, workers: int, worker: bool) -> None:
    from gateway.loop import run
    from gateway.run import run_group, run_role

    if workers > 1:
        run(run_group(name, settings, workers))
    else:
        run(run_role(name, role, settings, worker=worker))


for command in (status, doctor, import_, migrate, keys, accounts, users, reconcile, dead, url):
    main.add_command(command)
main.add_command(settings_table, "settings")
