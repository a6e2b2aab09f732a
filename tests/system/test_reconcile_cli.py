"""`calotype reconcile` and `dead` from outside: beside a system, after it, killed half way."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pysqlite3.dbapi2
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, delete, select, update

from models.accounts import open_account
from models.columns import now
from models.database import open_sqlite
from models.ledger import reserve
from models.orders import accept_order
from models.records import Bucket, LedgerEntry, Order, Outbox, new_id
from tests.samples import draft
from tests.system.drawn import photo
from tests.system.world import CALOTYPE, clean_environment, eventually, world

ROOT = Path(__file__).parents[2]
LONG_AGO = timedelta(hours=3)


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    error: str

    @property
    def told(self) -> Any:
        return json.loads(self.out)


def calotype(data: Path, *command: str, crash: str = "") -> Ran:
    """Run a command on a folder; with a crash point armed it may be killed in the middle."""
    program = [sys.executable, "-m", "tests.prove.armed"] if crash else [str(CALOTYPE)]
    armed = {"PROVE_FAILPOINT": crash, "PYTHONPATH": str(ROOT)} if crash else {}
    done = subprocess.run(
        [*program, *command, "--data", data],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment() | armed,
        cwd=ROOT,
        timeout=120,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def left(tmp_path: Path, empty_sqlite: bytes) -> Path:
    """A stopped system that a crash left with some of everything, long ago."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "calotype.sqlite").write_bytes(empty_sqlite)
    database = open_sqlite(data / "calotype.sqlite", 1)
    public_id = damage(database.engine)
    database.close()
    for _ in range(3):
        for key in (f"staging/{new_id()}", f"variants/{public_id}/{new_id()}/{new_id()}/a.webp"):
            leave(data / "objects" / key)
    leave(data / "objects" / "staging" / "some#1")
    return data


def leave(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    then = time.time() - LONG_AGO.total_seconds()
    os.utime(file, (then, then))


def damage(engine: Engine) -> str:
    with Session(engine) as session:
        account = open_account(session, "somebody", 100, 1_000_000)
        bucket = session.exec(select(Bucket).where(Bucket.account_id == account.id)).one()
        for _ in range(3):
            reserve(session, account.id, new_id(), 1)
            accept_order(session, draft(account.id, bucket.id))
        session.exec(delete(Outbox))
        session.flush()
        long_ago = now() - LONG_AGO
        session.exec(update(Order).values(created_at=long_ago))
        reserved = col(LedgerEntry.kind) == "reserve"
        session.exec(update(LedgerEntry).where(reserved).values(created_at=long_ago))
        session.commit()
        return bucket.public_id


FOUND = {"orders": 3, "reservations": 3, "staging": 3, "orphans": 3, "litter": 1}


def test_a_look_shows_what_is_wrong_and_changes_nothing(left: Path) -> None:
    looked = calotype(left, "reconcile", "--dry-run", "--json")
    assert (looked.code, looked.told["found"]) == (1, FOUND), looked.error
    shown = calotype(left, "reconcile", "--dry-run")
    assert shown.code == 1
    assert "Accepted orders without a message" in shown.out
    assert credits_of(left) == 91


def credits_of(data: Path) -> int:
    with pysqlite3.dbapi2.connect(f"file:{data}/calotype.sqlite?mode=ro", uri=True) as database:
        query = "SELECT credits_free, (SELECT sum(free) FROM ledger) FROM account"
        free, entries = database.execute(query).fetchone()
    assert free == entries
    return int(free)


def test_killed_in_the_middle_and_run_again_it_comes_to_the_same_end(left: Path) -> None:
    for point in ("R1.announced", "R3.refunded:2", "R2.swept"):
        killed = calotype(left, "reconcile", "--json", crash=point)
        assert killed.code == -signal.SIGKILL, (point, killed)
    assert calotype(left, "reconcile", "--json").code == 1
    again = calotype(left, "reconcile", "--json")
    assert (again.code, again.told["found"]) == (0, {}), again
    assert credits_of(left) == 94
    assert not [path for path in (left / "objects").rglob("*") if path.is_file()]


def test_where_there_is_no_system_it_says_so(tmp_path: Path) -> None:
    ran = calotype(tmp_path / "nothing", "reconcile")
    assert ran.code == 2
    assert "There is no system in" in ran.error
    assert not (tmp_path / "nothing").exists()


def test_dead_letters_are_listed_shown_retried_and_dropped(tmp_path: Path) -> None:
    data = tmp_path / "data"
    hopeless = {"CALOTYPE_RENDER_SECONDS": "0.01", "CALOTYPE_ATTEMPTS": "2"}
    with world(data, **hopeless) as system:
        for _ in range(3):
            failed = system.upload(photo(800, 600))
            assert failed.json()["code"] == "render-timed-out"
        listed = eventually(lambda: three(calotype(data, "dead", "list", "--json")))
        assert {row["id"] for row in listed} == {1, 2, 3}
        orders = [row["order"] for row in listed]
        assert len(system.staging()) == 3
        shown = calotype(data, "dead", "show", orders[0])
        assert shown.told["failure"]["code"] == "render-timed-out"
        assert shown.told["can_be_retried"]
        assert calotype(data, "dead", "drop", "3", "--json").told[0]["dropped"]
        assert calotype(data, "dead", "drop", "3").code == 2
        assert len(system.staging()) == 2
        assert system.credits() == 10_000
        beside = calotype(data, "reconcile", "--json")
        assert (beside.code, beside.told["found"]) == (0, {})
        assert system.stop() == 0

        gone = data / "objects" / "staging" / orders[1]
        gone.unlink()
        retried = calotype(data, "dead", "retry", "--all", "--json")
        assert retried.code == 1
        assert [row["refused"] for row in retried.told] == [
            None,
            "its original is gone: it has to be uploaded again",
        ]
        made = retried.told[0]["retried"]
        system.environment = {}
        system.start()
        done = eventually(lambda: is_done(system, made), seconds=60)
        assert done
        assert system.credits() == 9_999
        eventually(lambda: not system.staging())


def three(ran: Ran) -> list[dict[str, Any]]:
    return ran.told if len(ran.told) == 3 else []


def is_done(system: Any, order_id: str) -> bool:
    body = system.http.get(f"/api/v1/orders/{order_id}").json()
    assert body["status"] != "failed"
    return bool(body["status"] == "done")
