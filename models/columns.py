"""Column types: times that are always UTC, and frozen values kept as JSON."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import DateTime, Dialect, Text, TypeDecorator


def storable(text: str) -> bool:
    """Whether a row may have this text at all: Postgres takes none with a NUL in it."""
    return "\0" not in text


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite would give back a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: nobody knows what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Json(TypeDecorator[Any]):
    """A msgspec value of type `of`, kept as JSON text: read whole, written whole, never patched."""

    impl = Text
    cache_ok = True  # told apart by `of`: without this, every statement is compiled anew

    def __init__(self, of: Any) -> None:  # noqa: ANN401 any type that msgspec can decode
        super().__init__()
        self.of = of
        self._decoder = msgspec.json.Decoder(of)

    def process_bind_param(self, value: object, _dialect: Dialect) -> str | None:
        """To JSON text."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> object:
        """Back to the value."""
        return None if value is None else self._decoder.decode(value)


def now() -> datetime:
    """This moment, aware, in UTC, to the millisecond the API prints."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
