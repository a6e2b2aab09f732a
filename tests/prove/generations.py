"""Generations and kills: each is delivered and charged once, or refunded, whenever we die.

Between the model's answer and the note of it in staging lies the one moment in which a kill makes
us ask a second time; the customer is charged once then, too.
"""

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pysqlite3.dbapi2

from tests.gemini import Answer, Gemini, blocked_prompt, gemini_server, google_error, painted
from tests.pictures import jpeg, png
from tests.prove.row import Ground, Outcome, Row
from tests.system.drawn import size_of
from tests.system.world import World, eventually

COST = 41
_CREDITS = 10_000
_PICTURE = png(1408, 736)
_ROOT = Path(__file__).parents[2]
_AT_ONCE = 4

_SAFETY = blocked_prompt("SAFETY")
_AWAY = google_error(503, "UNAVAILABLE", "Overloaded")


class Death(NamedTuple):
    """A moment, what the model answers at first, how often it is asked in all, and the end."""

    moment: str
    asked: int = 1
    usual: Answer = painted(_PICTURE)
    first: Answer | None = None
    failure: str = ""


DEATHS = (
    Death("G2.before_commit", asked=0),
    Death("G2.committed"),
    Death("W1.fetched"),
    Death("M1.answered", asked=2),
    Death("M2.staged", asked=2),
    Death("M3.noted"),
    Death("M4.kept"),
    Death("W2.rendered"),
    Death("W2.stored"),
    Death("W3.before_commit"),
    Death("W3.committed"),
    Death("W4.acked"),
    Death("F3.before_commit", asked=2, usual=_SAFETY, failure="prompt-blocked"),
    Death("F3.committed", usual=_SAFETY, failure="prompt-blocked"),
    Death("F1.counted", asked=2, first=_AWAY),
)
TASTE = tuple(
    death
    for death in DEATHS
    if death.moment in {"M1.answered", "M3.noted", "W3.before_commit", "F3.before_commit"}
)


def problems_of(deaths: tuple[Death, ...], folder: Path) -> list[str]:
    """What does not hold, a sentence each."""

    def try_one(death: Death) -> str:
        try:
            _die(death, folder / death.moment.replace(".", "-"))
        except (AssertionError, httpx2.TransportError) as error:
            return f"{death.moment}: {error!r}"
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as tries:
        return [problem for problem in tries.map(try_one, deaths) if problem]


def _die(death: Death, folder: Path) -> None:
    folder.mkdir()
    with gemini_server(_PICTURE) as gemini:
        gemini.usual = death.usual
        if death.first:
            gemini.will(death.first)
        system = World(folder / "data", **gemini.environment)
        system.environment |= {"PROVE_FAILPOINT": death.moment, "PYTHONPATH": str(_ROOT)}
        system.command = [sys.executable, "-m", "tests.prove.armed"]
        system.start()
        try:
            _killed(system)
            _ended_well(death, system, gemini)
        finally:
            if system.process.poll() is None:
                system.stop()


def _killed(system: World) -> None:
    """The request dies with the system, which is then started anew and plain."""
    with contextlib.suppress(httpx2.TransportError):
        system.generate("A lighthouse", jpeg(90, 60))
    system.process.wait(60)
    system.kill()
    system.environment["PROVE_FAILPOINT"] = ""
    system.start()


def _ended_well(death: Death, system: World, gemini: Gemini) -> None:
    orders = rows(system, "SELECT id FROM orders")
    if death.asked == 0:
        assert not orders, "it was never accepted"
        assert system.credits() == _CREDITS
        return
    place = f"/api/v1/orders/{orders[0][0]}"
    eventually(lambda: system.http.get(place).json()["status"] != "pending", 120)
    shown = system.http.get(place).json()
    if death.failure:
        assert shown["error"]["code"] == death.failure
    else:
        assert shown["imageGenerateResponse"]["metadata"]["responseId"]
        url = shown["simpleData"][0]["variants"]["webp"]
        found = httpx2.get(url, trust_env=False, timeout=60)
        assert size_of(found.content) == ("WEBP", 1408, 736)
    assert len(gemini.asked) == death.asked, f"the model was asked {len(gemini.asked)} times"
    assert system.credits() == _CREDITS - (0 if death.failure else COST)
    is_square(system)


def rows(system: World, query: str) -> list[tuple[Any, ...]]:
    """What the database of a system says, past the system."""
    file = f"file:{system.data}/calotype.sqlite?mode=ro"
    with contextlib.closing(pysqlite3.dbapi2.connect(file, uri=True)) as database:
        return list(database.execute(query).fetchall())


_SUM = "SELECT sum(free + paid) FROM ledger WHERE "


def is_square(system: World) -> None:
    """Every generation is captured or refunded, once and whole; the ledger is the balance."""
    own = "account_id = (SELECT id FROM account WHERE name = 'default')"
    assert rows(system, _SUM + own) == [(system.credits(),)]
    moves: dict[str, list[tuple[str, int]]] = {}
    for operation, kind, moved in rows(
        system, "SELECT operation_id, kind, free + paid FROM ledger"
    ):
        moves.setdefault(operation, []).append((kind, moved))
    ended = "SELECT id, state, cost_free + cost_paid FROM orders WHERE kind = 'generate'"
    for order, state, cost in rows(system, ended):
        end = ("capture", 0) if state == "done" else ("refund", cost)
        assert sorted(moves[order]) == sorted([("reserve", -cost), end]), moves[order]


def prove(ground: Ground) -> Outcome:
    """Die at every moment of a generation, once."""
    deaths = TASTE if ground.short else DEATHS
    problems = problems_of(deaths, ground.folder)
    return Outcome(
        tried=len(deaths), survived=len(deaths) - len(problems), problems=tuple(problems)
    )


_PROMISE = "kill -9 at every moment of a generation: delivered and charged once, or refunded"
ROW = Row("G", "generations", _PROMISE, prove)
