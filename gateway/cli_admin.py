"""Commands that look after a system: its schema, accounts, keys and settings."""

import contextlib
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import rich_click as click

from gateway.cli_options import AS_JSON, DATA, plain_errors, read, say, say_rows
from models.settings import PREFIX, Settings, SettingsError

P = ParamSpec("P")
T = TypeVar("T")

_CONFIDENTIAL = (
    "secret",
    "token",
    "access_key",
    "gemini_key",
    "database_url",
    "nats_url",
    "nats_proof",
    "rate_limit_store",
)


@click.command()
@DATA
@plain_errors
def migrate(**given: Any) -> None:
    """Bring the database schema to what this release needs.

    Several processes may do it at the same time: one does, the others wait.
    """
    from gateway.bars import bars
    from models.database import open_database
    from models.schema import count_after, current, newest
    from models.schema import migrate as run

    settings = read(**given)
    settings.data.mkdir(parents=True, exist_ok=True)
    database = open_database(settings.database_url, settings.data)
    with contextlib.closing(database), bars() as shown:
        have = current(database.engine)
        bar = shown.add_task("revisions", total=count_after(have))
        before = run(database.engine, told=lambda: shown.advance(bar))
    click.echo(f"schema: {before or 'empty'} -> {newest()}")


@click.command()
@plain_errors
def settings_table() -> None:
    """List every setting with its value now. Set one with the variable of its name."""
    now, usual = read(), Settings()
    say_rows(
        [
            {
                "setting": PREFIX + name.upper(),
                "value": _shown(name, now),
                "default": _shown(name, usual),
            }
            for name in Settings.__struct_fields__
        ],
        as_json=False,
    )


def _shown(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    hidden = value and any(word in name for word in _CONFIDENTIAL)
    return "(set)" if hidden else str(value)


@click.group()
def keys() -> None:
    """API keys: create one, list them, revoke one."""


@keys.command("create")
@click.option("--account", default="default", show_default=True, help="Whose key it is.")
@click.option("--name", default="cli", show_default=True, help="What you call it.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    help="May be given several times; 'all' grants everything.  [images-read, galleries-read]",
)
@DATA
@AS_JSON
@plain_errors
def create_key(
    *, account: str, name: str, permissions: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Make a key. It is shown once: only its digest is kept."""
    from gateway import desk
    from gateway.folder import secret_of

    settings = read(**given)
    made = run_once(settings, desk.create_key, secret_of(settings), account, name, permissions)
    say(made, made["key"], as_json=as_json)


@keys.command("list")
@DATA
@AS_JSON
@plain_errors
def list_keys(*, as_json: bool, **given: Any) -> None:
    """List the keys of all accounts, revoked ones too."""
    from gateway import desk

    say_rows(run_once(read(**given), desk.keys), as_json=as_json)


@keys.command("revoke")
@click.argument("key_id")
@DATA
@AS_JSON
@plain_errors
def revoke_key(*, key_id: str, as_json: bool, **given: Any) -> None:
    """Make the key with this id (see 'keys list') useless from now on."""
    from models.accounts import revoke_key as revoke

    run_once(read(**given), revoke, key_id)
    say({"revoked": key_id}, f"revoked {key_id}", as_json=as_json)


@click.group()
def accounts() -> None:
    """Accounts: create one, list them, give credits."""


@accounts.command("create")
@click.argument("name")
@DATA
@AS_JSON
@plain_errors
def create_account(*, name: str, as_json: bool, **given: Any) -> None:
    """Open an account; CALOTYPE_FREE_CREDITS and CALOTYPE_TOTAL_STORAGE say what it starts with."""
    from gateway import desk

    settings = read(**given)
    opening = (settings.free_credits, settings.total_storage)
    made = run_once(settings, desk.create_account, name, *opening)
    say(made, f"account {name} with {settings.free_credits} credits", as_json=as_json)


@accounts.command("list")
@DATA
@AS_JSON
@plain_errors
def list_accounts(*, as_json: bool, **given: Any) -> None:
    """List all accounts with their credits and storage."""
    from gateway import desk

    say_rows(run_once(read(**given), desk.accounts), as_json=as_json)


@accounts.command("credit", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("credits", type=int)
@click.option("--paid", is_flag=True, help="Credits of a paid plan: they are spent last.")
@DATA
@AS_JSON
@plain_errors
def credit_account(*, name: str, paid: bool, as_json: bool, **given: Any) -> None:
    """Give an account credits; a negative number takes some back."""
    from gateway import desk

    amount = int(given.pop("credits"))
    kinds = (0, amount) if paid else (amount, 0)
    made = run_once(read(**given), desk.give, name, *kinds)
    say(made, f"{name} has {made['credits']} credits", as_json=as_json)


def run_once(
    settings: Settings, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run one transaction on the system that `settings` name, running or stopped."""
    from sqlmodel import Session

    from models.database import open_database

    if not settings.database_url and not (settings.data / "calotype.sqlite").exists():
        raise SettingsError(
            f"There is no system in {settings.data}: name its folder with --data, "
            "or start one with 'calotype up'."
        )
    database = open_database(settings.database_url, settings.data)
    with contextlib.closing(database), Session(database.engine) as session:
        result = work(session, *args, **kwargs)
        session.commit()
        return result
