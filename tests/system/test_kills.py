"""What is killed in the middle goes on: children, and the whole system."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx2

from tests.system.drawn import photo
from tests.system.world import World, command_of, eventually, family, world

SLOW = {"formatOptions": {"format": "avif", "options": {"effort": 6}}}


def children_of(system: World) -> list[int]:
    return [child for child in family(system.process.pid) if "pipeline.child" in command_of(child)]


def buses_of(system: World) -> list[int]:
    return [one for one in family(system.process.pid) if "nats-server" in command_of(one)]


def busy(child: int) -> bool:
    """Whether a child has computed since a moment ago."""

    def used() -> int:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11])

    before = used()
    time.sleep(0.2)
    return used() - before > 5


def test_a_killed_child_costs_neither_the_order_nor_a_try(tmp_path: Path) -> None:
    with world(tmp_path / "data") as system:
        answers: list[httpx2.Response] = []
        eventually(lambda: not any(map(busy, children_of(system))))  # all are born
        upload = threading.Thread(
            target=lambda: answers.append(system.upload(photo(1400, 1000), **SLOW))
        )
        upload.start()
        working = eventually(lambda: [child for child in children_of(system) if busy(child)])
        os.kill(working[-1], signal.SIGKILL)  # the one that was looked at last
        upload.join()
        assert answers[0].status_code == 200, answers[0].text
        assert answers[0].json()["accountStatistics"]["creditsUsed"] == 1
        assert system.credits() == 9999
        assert '"what": "killed"' in system.log()
        assert "trying again" not in system.log()


def test_what_was_accepted_before_a_kill_is_finished_after_the_restart(tmp_path: Path) -> None:
    with world(tmp_path / "data") as system:
        lost = threading.Thread(target=_interrupted, args=(system,))
        lost.start()
        eventually(lambda: [child for child in children_of(system) if busy(child)])
        relatives = family(system.process.pid)
        assert any("nats-server" in command_of(one) for one in relatives)
        system.kill()
        lost.join()
        eventually(lambda: not any(Path(f"/proc/{one}").exists() for one in relatives))
        assert system.staging()

        system.start()
        (order,) = _orders(system)
        done = eventually(lambda: _done(system, order), seconds=60)
        assert done["simpleData"][0]["info"]["width"] == 1400
        assert httpx2.get(done["simpleData"][0]["variants"]["avif"], trust_env=False).is_success
        assert system.credits() == 9999
        eventually(lambda: not system.staging())


def _interrupted(system: World) -> None:
    try:
        system.upload(photo(1400, 1000), **SLOW)
    except httpx2.TransportError:
        return
    raise AssertionError("the upload was answered, so nothing was interrupted")


def _orders(system: World) -> list[str]:
    return [path.name for path in system.staging()] or _orders(system)


def _done(system: World, order: str) -> dict[str, object] | None:
    body = system.http.get(f"/api/v1/orders/{order}").json()
    assert body["status"] != "failed"
    return body if body["status"] == "done" else None


def test_a_killed_bus_is_back_in_a_moment_and_the_system_goes_on(tmp_path: Path) -> None:
    with world(tmp_path / "data") as system:
        for _ in range(2):
            assert system.upload(photo(40, 30)).status_code == 200
            (bus,) = buses_of(system)
            os.kill(bus, signal.SIGKILL)
            assert system.upload(photo(30, 40)).status_code == 200
            eventually(lambda: buses_of(system) not in ([], [bus]))  # noqa: B023 called at once
        assert system.credits() == 9996
        assert system.stop() == 0
        assert "died and is started again" in system.log()


def test_a_stopped_system_finishes_what_is_in_hand_and_leaves_no_process(tmp_path: Path) -> None:
    with world(tmp_path / "data") as system:
        relatives = family(system.process.pid)
        answers: list[httpx2.Response] = []
        upload = threading.Thread(target=lambda: answers.append(system.upload(photo(1600, 1200))))
        upload.start()
        eventually(system.staging)
        began = time.monotonic()
        assert system.stop() == 0
        assert time.monotonic() - began < 10
        upload.join()
        assert answers[0].status_code == 200
        assert not any(Path(f"/proc/{one}").exists() for one in relatives)
