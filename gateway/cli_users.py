"""Commands for users, who log in to the photo API."""

import sys
from typing import Any

import rich_click as click

from gateway.cli_admin import run_once
from gateway.cli_options import AS_JSON, DATA, plain_errors, read, say, say_rows


@click.group()
def users() -> None:
    """Users of the photo API: create one, list them, change a password, delete one."""


@users.command("create")
@click.argument("alias")
@click.option("--account", default="default", show_default=True, help="Whose photos they are.")
@DATA
@AS_JSON
@plain_errors
def create_user(*, alias: str, account: str, as_json: bool, **given: Any) -> None:
    """Let somebody log in. The password is asked for, or is the first line of standard input."""
    from gateway import desk

    made = run_once(read(**given), desk.create_user, account, alias, _password())
    say(made, f"user {made['alias']} of account {account}", as_json=as_json)


@users.command("list")
@DATA
@AS_JSON
@plain_errors
def list_users(*, as_json: bool, **given: Any) -> None:
    """List the users of all accounts."""
    from gateway import desk

    say_rows(run_once(read(**given), desk.users), as_json=as_json)


@users.command("password")
@click.argument("alias")
@DATA
@AS_JSON
@plain_errors
def change_password(*, alias: str, as_json: bool, **given: Any) -> None:
    """Change a password, and log the user out everywhere."""
    from gateway import desk

    made = run_once(read(**given), desk.change_password, alias, _password())
    say(made, f"{made['alias']} has a new password", as_json=as_json)


@users.command("delete")
@click.argument("alias")
@DATA
@AS_JSON
@plain_errors
def delete_user(*, alias: str, as_json: bool, **given: Any) -> None:
    """Take a user away, and all tokens. The photos stay the account's."""
    from models.users import remove_user

    run_once(read(**given), remove_user, alias)
    say({"deleted": alias}, f"deleted {alias}", as_json=as_json)


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
