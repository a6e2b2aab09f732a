"""Connections to Postgres that give up on a server that has fallen silent.

TCP's own time limits do not see it: a frozen server's kernel still acknowledges what is sent.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

T = TypeVar("T")


def be_impatient(engine: Engine, patience: float) -> None:
    """Close a connection of `engine` when a statement is not answered within so many seconds."""

    class Impatient(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
            begun = time.monotonic()
            try:
                return super().wait(gen, interval, timeout or patience)
            except psycopg.OperationalError:
                if time.monotonic() - begun >= patience:
                    self.pgconn.finish()  # a late answer would be taken for that to what comes next
                raise

    def connect(
        _dialect: object, _record: object, given: list[Any], more: dict[str, Any]
    ) -> object:
        return Impatient.connect(*given, **more)

    event.listen(engine, "do_connect", connect)
