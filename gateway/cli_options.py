"""What all commands share: the data folder, JSON for programs, errors in one line."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import rich_click as click
from rich.console import Console
from rich.table import Table

from models.errors import ServiceError
from models.settings import Settings, SettingsError, read_settings

P = ParamSpec("P")
T = TypeVar("T")

_IDS = ("id", "order")  # for copying: never broken into two lines

DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of an embedded system (CALOTYPE_DATA).  [calotype-data]",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def plain_errors(command: Callable[P, T]) -> Callable[P, T]:
    """A command that says in one line what is wrong and what to do, and exits with 2."""

    @wraps(command)
    def said(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (SettingsError, ServiceError) as error:
            click.echo(f"calotype: {error}", err=True)
            sys.exit(2)

    return said


def read(**given: object) -> Settings:
    """The settings from the environment and these options."""
    return read_settings(os.environ, **given)


def say(row: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print one result: `text` for people."""
    click.echo(json.dumps(row) if as_json else text)


def say_rows(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print several results: a table for people."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    table = Table(show_edge=False)
    for name in rows[0] if rows else ["nothing yet"]:
        table.add_column(name, no_wrap=name in _IDS, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
