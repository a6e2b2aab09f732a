"""Runs the migrations on the connection that `models.schema` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from models.columns import Json, UtcTime
from models.records import Record


def plain(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write our column types as what they are in the database: a revision must outlive the code."""
    if kind != "type":
        return False
    names = {Json: "sa.Text()", UtcTime: "sa.DateTime(timezone=True)"}
    spelled: dict[Any, str] = names | {"AutoString": "sa.String()"}
    return spelled.get(type(item)) or spelled.get(type(item).__name__) or False


def tell(*_: object, **__: object) -> None:
    """One more revision is there."""
    told = context.config.attributes.get("told")
    if told is not None:
        told()


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Record.metadata,
    render_as_batch=True,
    render_item=plain,
    compare_type=True,
    on_version_apply=tell,
)
with context.begin_transaction():
    context.run_migrations()
