"""calotype dead: the orders that failed at their last attempt, and what becomes of them."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import rich_click as click

from gateway.cli_options import AS_JSON, DATA, plain_errors, read, say_rows
from models.errors import ServiceError
from models.settings import SettingsError

if TYPE_CHECKING:
    from gateway.dead import Dead  # loaded when a command runs
    from pipeline.services import Services

Doing = Callable[["Dead", "Services"], Awaitable[str | None]]

_LETTERS = click.argument("letters", nargs=-1)


@click.group()
def dead() -> None:
    """Dead letters: orders that failed at their last attempt and were refunded.

    Each was tried CALOTYPE_ATTEMPTS times and refunded; its original is kept for
    CALOTYPE_DEAD_DAYS, so that it can be retried when the cause is gone. After that the letter and
    its original are forgotten. A LETTER is named by its id or by its order.
    """


@dead.command("list")
@DATA
@AS_JSON
@plain_errors
def list_dead(*, as_json: bool, **given: Any) -> None:
    """List the dead letters, oldest first."""
    from gateway.dead import all_dead, row

    async def rows(services: "Services") -> list[dict[str, Any]]:
        return [row(one) async for one in all_dead(services)]

    found = _at_system(rows, given)
    if found or as_json:
        say_rows(found, as_json=as_json)
    else:
        click.echo("There are no dead letters.")


@dead.command("show")
@click.argument("letter")
@DATA
@plain_errors
def show_dead(*, letter: str, **given: Any) -> None:
    """Print all that is known of one dead letter and its order, as JSON."""
    from gateway.dead import everything, meant

    async def known(services: "Services") -> dict[str, Any]:
        (one,) = await meant(services, (letter,), everyone=False)
        return await everything(one, services)

    click.echo(json.dumps(_at_system(known, given), indent=2))


@dead.command("retry")
@_LETTERS
@click.option("--all", "everyone", is_flag=True, help="All of them.")
@DATA
@AS_JSON
@plain_errors
def retry_dead(*, letters: tuple[str, ...], everyone: bool, as_json: bool, **given: Any) -> None:
    """Try orders again, each as a new order that is paid anew.

    An order that is refused, because its account has not enough credits or its original is gone,
    stays a dead letter, and the reason is printed. The exit code is then 1.
    """
    from gateway import dead as letter

    _each(letter.retry, "retried", letters, everyone=everyone, as_json=as_json, given=given)


@dead.command("drop")
@_LETTERS
@click.option("--all", "everyone", is_flag=True, help="All of them.")
@DATA
@AS_JSON
@plain_errors
def drop_dead(*, letters: tuple[str, ...], everyone: bool, as_json: bool, **given: Any) -> None:
    """Forget dead letters, and delete the originals that were kept for them."""
    from gateway import dead as letter

    _each(letter.drop, "dropped", letters, everyone=everyone, as_json=as_json, given=given)


def _each(
    doing: Doing,
    done: str,
    letters: tuple[str, ...],
    *,
    everyone: bool,
    as_json: bool,
    given: dict[str, Any],
) -> None:
    if bool(letters) == everyone:
        raise SettingsError("Name the letters (see 'calotype dead list'), or say --all.")
    rows = _at_system(lambda services: _done(doing, done, letters, services), given)
    if rows or as_json:
        say_rows(rows, as_json=as_json)
    else:
        click.echo("There are no dead letters.")
    sys.exit(any(row["refused"] for row in rows))


async def _done(
    doing: Doing, done: str, letters: tuple[str, ...], services: "Services"
) -> list[dict[str, Any]]:
    """Do it to each letter; what refuses one keeps nobody from the next."""
    from gateway.bars import bars
    from gateway.dead import meant

    found = await meant(services, letters, everyone=not letters)
    rows = []
    with bars() as shown:
        bar = shown.add_task(done, total=len(found))
        for one in found:
            rows.append(await _tried(doing, done, one, services))
            shown.advance(bar)
    return rows


async def _tried(doing: Doing, done: str, one: "Dead", services: "Services") -> dict[str, Any]:
    told: dict[str, Any] = {"id": one.letter.seq, "order": one.order_id or None}
    try:
        return told | {done: await doing(one, services) or True, "refused": None}
    except ServiceError as error:
        return told | {done: None, "refused": str(error)}


def _at_system(work: Callable[["Services"], Awaitable[Any]], given: dict[str, Any]) -> Any:
    from gateway.beside import at_system
    from gateway.logs import no_logs

    async def run() -> Any:
        async with at_system(read(**given)) as services:
            return await work(services)

    no_logs()
    return asyncio.run(run())
