"""calotype import: a folder of pictures, or a list of URLs, through the public API."""

import asyncio
import hashlib
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from gateway.cli_options import AS_JSON, plain_errors, read
from models.settings import SettingsError

if TYPE_CHECKING:
    from gateway.importing.items import Found  # loaded when the command runs
    from gateway.importing.run import Asked, Sums

_FAILURES = "calotype-import-failures.jsonl"
_STOPPED = 3


@click.command("import")
@click.argument("source")
@click.option("--key", envvar="CALOTYPE_KEY", help="API key that uploads (CALOTYPE_KEY).")
@click.option("--api", help="Address of the API.  [CALOTYPE_API_URL, or http://127.0.0.1:8000]")
@click.option("--resize", multiple=True, metavar="WxH", help="A size to make, as 1200 or 1200x800.")
@click.option("--format", "formats", multiple=True, help="A format to make, as avif or webp:80.")
@click.option("--bucket", default="", help="Key of the bucket to put them in.")
@click.option("--gallery", "galleries", multiple=True, help="A gallery for them: its name or id.")
@click.option("--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="At once.")
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="Seconds that an API which is away or busy is waited for.",
)
@click.option("--journal", type=click.Path(path_type=Path), help="Where it keeps what is done.")
@click.option(
    "--failures",
    type=click.Path(path_type=Path),
    default=Path(_FAILURES),
    show_default=True,
    help="Where it writes what failed, a line of JSON each.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Only count: send nothing.")
@AS_JSON
@plain_errors
def import_(*, source: str, dry: bool, as_json: bool, **given: Any) -> None:
    """Upload all pictures of a folder, or of a list of URLs ('-' reads it from standard input).

    Run it again after an interruption, whatever that was: what is there is not uploaded twice,
    what failed is tried again. A picture is known by its place in SOURCE, its bytes and what is
    asked of it; a journal remembers which are done. It waits when the API says so.

    \b
    calotype import photos/ --resize 1600 --resize 400x400 --format webp --format avif:55
    calotype import urls.txt --gallery Holidays

    \b
    Exit code: 0  all of them are there
               1  some failed, and are in the file of --failures
               2  the command is wrong
               3  it stopped early: out of credits, a wrong key, an API that stays away
    """
    from gateway.importing.items import found_in, of_list

    found = of_list(sys.stdin, "standard input") if source == "-" else found_in(Path(source))
    if dry:
        _say({"pictures": len(found.items), "others": found.others}, as_json=as_json)
        return
    sums = asyncio.run(_imported(source, found, given))
    _say(_told(sums, found), as_json=as_json)
    if sums.failed:
        click.echo(f"What failed is in {given['failures']}.", err=True)
    if sums.stopped:
        click.echo(f"Stopped: {sums.stopped}. The same command goes on.", err=True)
        sys.exit(_STOPPED)
    sys.exit(bool(sums.failed))


async def _imported(source: str, found: "Found", given: dict[str, Any]) -> "Sums":
    from gateway.bars import bars
    from gateway.importing.journal import open_journal
    from gateway.importing.remote import open_remote
    from gateway.importing.run import Import, refuse_other_account

    api, key = given["api"] or read().public_api, _key(given["key"])
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(open_journal(given["journal"] or _usual(api, source)))
        remote = await stack.enter_async_context(open_remote(api, key, given["jobs"]))
        known = hashlib.sha256(key.encode()).hexdigest()[:16]
        await refuse_other_account(remote, journal, known)
        galleries = [await remote.gallery(name) for name in given["galleries"]]
        asked = _asked(given, galleries)
        journal.opened_with(known)
        failures = stack.enter_context(given["failures"].open("w"))
        shown = stack.enter_context(bars())
        bar = shown.add_task("importing", total=len(found.items))
        run = Import(remote, journal, asked, failures)
        return await run.run(found.items, lambda _: shown.advance(bar))


def _asked(given: dict[str, Any], galleries: list[str]) -> "Asked":
    from gateway.importing.options import options
    from gateway.importing.run import Asked

    fields = options(given["resize"], given["formats"], given["bucket"], galleries)
    return Asked(fields, given["jobs"], given["patience"])


def _key(key: str | None) -> str:
    if not key:
        raise SettingsError(
            "An API key is needed, with the permission images-create: give --key or set "
            "CALOTYPE_KEY ('calotype keys create --permission images-create' makes one)."
        )
    return key


def _usual(api: str, source: str) -> Path:
    """The journal of this source at this API, wherever the command is run from."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    place = source if source == "-" else str(Path(source).resolve())
    name = hashlib.sha256(f"{api.rstrip('/')} {place}".encode()).hexdigest()[:16]
    return home / "calotype" / f"import-{name}.jsonl"


def _told(sums: "Sums", found: "Found") -> dict[str, Any]:
    return {
        "imported": sums.imported,
        "there": sums.there,
        "failed": sums.failed,
        "left": len(found.items) - sums.ended,
        "others": found.others,
    }


def _say(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(row))
        return
    words = {"there": "were there already", "others": "other files", "left": "not tried"}
    told = ", ".join(f"{count} {words.get(name, name)}" for name, count in row.items() if count)
    click.echo(told or "There is nothing to import.")
