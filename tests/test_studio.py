"""Pictures are made in children that may die, hang or swell without anybody else noticing."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import (
    DamagedImage,
    EmptyFile,
    ImageTooLarge,
    NotAnImage,
    Overloaded,
    RenderCrashed,
    RenderOutOfMemory,
    RenderTimedOut,
    Unavailable,
)
from models.recipe import Avif, Jpeg, Png, Recipe, Resize, Webp, settle, thumbnails
from pipeline.budget import Budget
from pipeline.children import bear, environment
from pipeline.crew import Crew
from pipeline.footprint import footprint
from pipeline.jobs import RenderJob, read_reply
from pipeline.limits import Limits
from pipeline.scratch import Scratch
from pipeline.studio import Studio
from tests import bombs, pictures

SMALL = Recipe(resize=Resize(width=64), output=Webp())
THUMB = thumbnails(None)[1]
SLOW = Recipe(resize=Resize(width=1200), output=Avif(effort=7))  # many seconds of work


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return _file(tmp_path, pictures.jpeg(900, 600))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "original"
    path.write_bytes(data)
    return path


def _pids(studio: Studio) -> list[int]:
    """The studio's living children."""
    return sorted(child.pid for child in studio.children)


async def _until(true: Callable[[], bool], seconds: float = 5) -> float:
    """Wait until something is so; how long it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "it never came to be"
        await asyncio.sleep(0.005)
    return time.monotonic() - started


async def _busy(studio: Studio, count: int = 1) -> None:
    await _until(lambda: studio.counters.free <= studio.counters.children - count)
    await asyncio.sleep(0.15)  # well past the header


async def test_an_order_comes_back_as_files_in_the_order_of_its_recipes(
    photo: Path, scratch: Path
) -> None:
    recipes = [*thumbnails(None)]
    for width in (300, 90):
        recipes += [Recipe(resize=Resize(width=width), output=o) for o in (Jpeg(), Avif(), Png())]
    async with Studio(children=2, scratch=scratch) as studio:
        with await studio.render(photo, recipes) as prints:
            assert prints.probe.width == 900
            assert [one.width for one in prints] == [recipe.resize.width for recipe in recipes]
            for one, recipe in zip(prints, recipes, strict=True):
                data = one.path.read_bytes()
                assert one.size == len(data)
                assert one.sha256 == hashlib.sha256(data).hexdigest()
                with Image.open(one.path) as seen:
                    assert seen.size == (one.width, one.height)
                    assert seen.format == type(recipe.output).__name__.upper()


@pytest.mark.parametrize("children", [1, 2])
async def test_an_order_says_what_its_steps_took(photo: Path, scratch: Path, children: int) -> None:
    recipes = [Recipe(resize=Resize(width=w), output=o) for w in (9, 99) for o in (Png(), Webp())]
    begun = time.monotonic()
    async with Studio(children=children, scratch=scratch) as studio:
        with await studio.render(photo, recipes) as prints:
            stages = prints.stages
        with await studio.keep(photo) as kept:
            assert [(one.name, one.format) for one in kept.stages] == [
                ("decode", "jpeg"),
                ("encode", "jpeg"),
            ]
    named = sorted((one.name, one.format) for one in stages)
    encoded = [("encode", "png")] * 2 + [("encode", "webp")] * 2
    assert named == [("decode", "jpeg")] * 2 + encoded + [("resize", "jpeg")] * 2
    assert all(one.began >= begun and one.seconds >= 0 for one in stages)
    assert max(one.began + one.seconds for one in stages) <= time.monotonic()


async def test_one_child_alone_and_several_together_make_the_same_bytes(
    photo: Path, scratch: Path
) -> None:
    recipes = [
        Recipe(resize=Resize(width=width), output=output)
        for width in (200, 100)
        for output in (Jpeg(), Webp(), Avif())
    ]
    made = []
    for children in (1, 3):
        async with Studio(children=children, scratch=scratch) as studio:
            with await studio.render(photo, recipes) as prints:
                made.append([one.sha256 for one in prints])
    assert made[0] == made[1]


async def test_a_recipe_asked_twice_is_made_once(photo: Path, scratch: Path) -> None:
    async with Studio(children=2, scratch=scratch) as studio:
        with await studio.render(photo, [SMALL, SMALL, thumbnails(None)[0], SMALL]) as prints:
            assert len({one.path for one in prints}) == 2


async def test_an_animation_survives_being_encoded_in_another_child(
    tmp_path: Path, scratch: Path
) -> None:
    film = _file(tmp_path, pictures.animated_gif())
    recipes = [Recipe(resize=Resize(width=40), output=o) for o in (Webp(), Jpeg())]
    async with Studio(children=2, scratch=scratch) as studio:
        with await studio.render(film, recipes) as (moving, still):
            with Image.open(moving.path) as seen:
                assert getattr(seen, "n_frames", 1) == 4
            with Image.open(still.path) as seen:
                assert getattr(seen, "n_frames", 1) == 1


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", EmptyFile),
        (b"hello, this is no picture at all", NotAnImage),
        (pictures.jpeg(900, 600)[:20_000], DamagedImage),
        (pictures.png(2000, 8), ImageTooLarge),
    ],
    ids=["empty", "text", "cut short", "too large"],
)
async def test_a_bad_original_has_a_named_cause_and_leaves_nothing(
    tmp_path: Path, scratch: Path, data: bytes, cause: type[Exception]
) -> None:
    limits = Limits(output_side=1999)
    async with Studio(children=1, scratch=scratch, limits=limits) as studio:
        before = set(studio.scratch.iterdir())
        with pytest.raises(cause):
            await studio.render(_file(tmp_path, data), [Recipe(output=Jpeg())])
        assert set(studio.scratch.iterdir()) == before
        assert studio.counters.lost == {}


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGABRT])
async def test_a_dying_child_fails_its_own_order_only(
    photo: Path, scratch: Path, how: signal.Signals
) -> None:
    async with Studio(children=2, scratch=scratch) as studio:
        doomed = asyncio.create_task(studio.render(photo, [SLOW]))
        await _busy(studio)
        (pid,) = _busy_pids(studio)
        neighbours = [asyncio.create_task(studio.render(photo, [SMALL])) for _ in range(5)]
        before = _pids(studio)
        started = time.monotonic()
        os.kill(pid, how)
        with pytest.raises(RenderCrashed):
            await doomed
        assert time.monotonic() - started < 1
        for neighbour in neighbours:
            (await neighbour).release()
        await _until(lambda: len(_pids(studio)) == 2)
        print(  # noqa: T201  # a figure for who asks with -s
            f"\nreplaced {time.monotonic() - started:.2f} s after {how.name}"
        )
        assert pid not in _pids(studio)
        assert len(set(before) & set(_pids(studio))) == 1
        assert studio.counters.lost == {"crashed": 1}


async def test_an_order_whose_child_is_killed_from_outside_is_made_by_another(
    photo: Path, scratch: Path
) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        interrupted = asyncio.create_task(studio.render(photo, [SLOW]))
        await _busy(studio)
        os.kill(_busy_pids(studio)[0], signal.SIGKILL)
        with await interrupted as prints:
            assert prints[0].path.stat().st_size == prints[0].size
        assert studio.counters.lost == {"killed": 1}


async def test_nor_is_it_made_for_ever(photo: Path, scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        doomed = asyncio.create_task(studio.render(photo, [SLOW]))
        for _ in range(2):
            await _until(lambda: _busy_pids(studio) != [])
            os.kill(_busy_pids(studio)[0], signal.SIGKILL)
            await _until(lambda: _busy_pids(studio) == [])
        with pytest.raises(RenderCrashed):
            await doomed
        assert studio.counters.lost == {"killed": 2}


def _busy_pids(studio: Studio) -> list[int]:
    return [child.pid for child in studio.children if child.begun]


async def test_the_replacement_of_a_child_is_ready_within_a_second(
    photo: Path, scratch: Path
) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        took = []
        for _ in range(3):
            os.kill(_pids(studio)[0], signal.SIGKILL)
            started = time.monotonic()
            await asyncio.sleep(0.02)
            (await studio.render(photo, [SMALL])).release()
            took.append(time.monotonic() - started)
    print(  # noqa: T201  # a figure for who asks with -s
        f"\nkilled, replaced and one small render done: {min(took):.2f} s"
    )
    assert min(took) < 1


async def test_killing_an_idle_child_is_noticed_by_nobody(photo: Path, scratch: Path) -> None:
    async with Studio(children=2, scratch=scratch) as studio:
        for pid in _pids(studio):
            os.kill(pid, signal.SIGKILL)
        (await studio.render(photo, [SMALL])).release()
        await _until(lambda: studio.counters.children == 2)


async def test_a_child_that_hangs_is_killed_at_its_deadline(photo: Path, scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch, limits=Limits(seconds=0.8)) as studio:
        order = asyncio.create_task(studio.render(photo, [SLOW]))
        await _busy(studio)
        os.kill(_pids(studio)[0], signal.SIGSTOP)
        with pytest.raises(RenderTimedOut):
            await order
        assert studio.counters.lost == {"timed out": 1}
        (await studio.render(photo, [SMALL])).release()


async def test_processor_time_is_bounded_while_an_original_is_read(
    tmp_path: Path, scratch: Path
) -> None:
    endless = _file(tmp_path, pictures.png(4000, 4000))
    async with Studio(children=1, scratch=scratch, limits=Limits(read_seconds=0.05)) as studio:
        with pytest.raises(RenderTimedOut):
            await studio.render(endless, [Recipe(resize=Resize(width=3000), output=Jpeg())])


async def test_memory_over_the_limit_ends_the_job_and_not_the_parent(
    tmp_path: Path, photo: Path
) -> None:
    large = _file(tmp_path, pictures.png(6000, 6000))
    child = await bear(tmp_path, Limits(memory=1 << 20, kept=0, read_seconds=60))
    whole = Recipe(resize=Resize(width=5999), output=Avif(effort=0))
    job = RenderJob(source=str(large), folder=str(tmp_path), recipes=(whole,))
    with pytest.raises(RenderOutOfMemory):
        await child.ask(job, 120, lambda _: None)
    await child.gone  # whose memory is spoilt is not asked again
    assert photo


@pytest.mark.parametrize(
    ("original", "recipe"),
    [
        (lambda: pictures.jpeg(4000, 3000, progressive=True), THUMB),
        (lambda: pictures.png(4000, 3000), Recipe(output=Jpeg())),
        (lambda: pictures.avif(3000, 2000), THUMB),
        (lambda: pictures.webp(3000, 2000), Recipe(output=Webp())),
        (lambda: pictures.tiff(3000, 2000), Recipe(output=Avif(effort=1))),
        (bombs.png_interlaced_16_bit_49_megapixels, THUMB),
    ],
    ids=["progressive", "png to jpeg", "avif", "webp", "to avif", "interlaced"],
)
async def test_a_job_takes_no_more_memory_than_was_estimated(
    tmp_path: Path, scratch: Path, original: Callable[[], bytes], recipe: Recipe
) -> None:
    source = _file(tmp_path, original())
    limits = Limits(resident=1 << 40, read_seconds=60)
    async with Studio(children=1, scratch=scratch, limits=limits) as studio:
        (pid,) = _pids(studio)
        before = _high_water(pid)
        with await studio.render(source, [recipe]) as prints:
            estimated = footprint(prints.probe, [settle(recipe)]).child
        assert 0.1 * estimated < _high_water(pid) - before < 1.1 * estimated


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _high_water(pid: int) -> int:
    (line,) = (line for line in _seen(pid, "status").splitlines() if line.startswith(b"VmHWM"))
    return int(line.split()[1]) * 1024


async def test_who_stops_waiting_frees_the_child_and_the_scratch(
    photo: Path, scratch: Path
) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        (pid,) = _pids(studio)
        order = asyncio.create_task(studio.render(photo, [SLOW]))
        await _busy(studio)
        order.cancel()
        with pytest.raises(asyncio.CancelledError):
            await order
        assert not list(studio.scratch.glob("order*"))
        assert not _alive(pid)
        (await studio.render(photo, [SMALL])).release()
        assert _pids(studio) != [pid]
        assert studio.counters.lost == {"abandoned": 1}
        assert studio.counters.memory_lent == 0


async def test_who_stops_waiting_in_the_queue_costs_nobody_a_child(
    photo: Path, scratch: Path
) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        pids = _pids(studio)
        first = asyncio.create_task(studio.render(photo, [SMALL]))
        others = [asyncio.create_task(studio.render(photo, [SMALL])) for _ in range(4)]
        await asyncio.sleep(0)
        for other in others[::2]:
            other.cancel()
        (await first).release()
        for other in others[1::2]:
            (await other).release()
        assert _pids(studio) == pids
        assert studio.counters.inside == 0


async def test_who_gives_up_in_the_moment_of_its_turn_passes_the_child_on(tmp_path: Path) -> None:
    crew = Crew(1, tmp_path, Limits())
    await crew.open()

    async def take() -> None:
        async with crew.child(0):
            pass

    async with crew.child(0):
        unlucky = asyncio.create_task(take())
        await asyncio.sleep(0)
    unlucky.cancel()  # it has been given the child, and does not know it yet
    async with asyncio.timeout(2):
        await take()
    await crew.close()


async def test_a_full_house_sends_the_next_one_away_for_some_seconds(
    photo: Path, scratch: Path
) -> None:
    async with Studio(children=1, scratch=scratch, limits=Limits(queue=2)) as studio:
        inside = [asyncio.create_task(studio.render(photo, [SMALL])) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await studio.render(photo, [SMALL])
        assert 1 <= (refused.value.retry_after or 0) <= 30
        for order in inside:
            (await order).release()
        assert studio.counters.refused == 1
        (await studio.render(photo, [SMALL])).release()


@pytest.mark.parametrize("limits", [Limits(jobs=3), Limits(resident=1)], ids=["jobs", "resident"])
async def test_a_worn_child_is_replaced(photo: Path, scratch: Path, limits: Limits) -> None:
    async with Studio(children=1, scratch=scratch, limits=limits) as studio:
        for _ in range(3):
            (await studio.render(photo, [SMALL])).release()
        assert studio.counters.lost["retired"] >= 1


async def test_prints_last_until_they_are_released(photo: Path, scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        with await studio.render(photo, [SMALL]) as (kept,):
            assert kept.path.exists()
        assert not kept.path.exists()
        left = await studio.render(photo, [SMALL])
        assert left[0].path.exists()
    assert not any(Path.glob(scratch, "*"))
    left.release()


async def test_forgotten_prints_are_reported_and_tidied(photo: Path, scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        prints = await studio.render(photo, [SMALL])
        path = prints[0].path
        with pytest.warns(ResourceWarning, match="not released"):
            del prints
        assert not path.exists()


async def test_a_closing_studio_tells_everybody_to_come_back(photo: Path, scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        orders = [asyncio.create_task(studio.render(photo, [SLOW])) for _ in range(3)]
        await _busy(studio)
    for order in orders:
        with pytest.raises(Unavailable):
            await order
    with pytest.raises(Unavailable):
        await studio.probe(photo)


def test_a_dead_studio_is_tidied_away_and_a_living_one_left_alone(scratch: Path) -> None:
    dead = scratch / "studio-dead"
    dead.mkdir(parents=True)
    (dead / "order-1").write_bytes(b"left behind")
    living = Scratch(scratch)
    other = Scratch(scratch)
    assert not dead.exists()
    assert living.home.exists()
    other.close()
    living.close()


async def test_a_child_knows_no_secrets(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALOTYPE_SECRET", "hush")
    assert "hush" not in str(environment(scratch, os.environ))
    async with Studio(children=1, scratch=scratch) as studio:
        seen = _seen(_pids(studio)[0], "environ")
    assert b"hush" not in seen
    assert not seen or b"MALLOC_ARENA_MAX=2" in seen


def _seen(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except PermissionError:  # a child cannot be looked into, but by root
        return b""


async def test_a_child_is_bounded_by_the_system(scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        (pid,) = _pids(studio)
        bounds = _seen(pid, "limits").decode()
        size = int(_seen(pid, "statm").split()[0]) * os.sysconf("SC_PAGE_SIZE")
        most = next(line for line in bounds.splitlines() if "address space" in line).split()[3]
        assert size < int(most) < size + studio.limits.memory + (512 << 20)
        assert next(line for line in bounds.splitlines() if "core file" in line).split()[4] == "0"
        assert os.getsid(pid) == pid  # Ctrl-C in the terminal is not for it


async def test_a_studio_does_not_start_with_the_decoders_checks_turned_off(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPS_UNLIMITED", "1")
    with pytest.raises(RuntimeError, match="VIPS_UNLIMITED"):
        async with Studio(children=1, scratch=scratch):
            pass


SEALED = """
import os, signal, socket, sys
from pipeline.confine import confine
from pipeline.limits import Limits
from pipeline.seal import seal

def refused(act):
    try:
        act()
    except PermissionError:
        return True
    return False

confine(Limits())
if not seal():
    sys.exit("no filters here")
assert refused(lambda: socket.socket(socket.AF_INET))
assert refused(lambda: socket.socket(socket.AF_UNIX))
assert refused(lambda: os.execv("/bin/true", ["true"]))
assert refused(lambda: os.kill(os.getppid(), 0))
assert refused(lambda: signal.pidfd_send_signal(0, 0))
"""


def test_a_child_can_call_nobody_start_nothing_and_signal_no_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEALED], capture_output=True, text=True, check=False
    )
    if "no filters here" in done.stderr:
        pytest.skip("this kernel has no seccomp filters")
    assert done.returncode == 0, done.stderr


async def test_children_leave_the_processor_to_who_answers_requests(scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        (pid,) = _pids(studio)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, pid) >= min(19, own + 5)
        assert os.sched_getscheduler(pid) == os.SCHED_BATCH


async def test_the_children_of_a_studio_are_sealed(scratch: Path) -> None:
    async with Studio(children=1, scratch=scratch) as studio:
        status = _seen(_pids(studio)[0], "status").decode()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status


PARENT = """
import asyncio, sys
from pathlib import Path
from models.recipe import Avif, Recipe, Resize
from pipeline.studio import Studio

ENDLESS = Recipe(resize=Resize(width=2000), output=Avif(effort=9))

async def main():
    async with Studio(children=2, scratch=Path(sys.argv[1])) as studio:
        orders = [asyncio.create_task(studio.render(Path(sys.argv[2]), [ENDLESS])) for _ in "ab"]
        while not all(child.begun for child in studio.children):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        print(*(child.pid for child in studio.children), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_children_at_work_die_with_their_parent_and_the_next_studio_tidies_up(
    scratch: Path, photo: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, scratch, photo], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    deadline = time.monotonic() + 5
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(list(scratch.iterdir())) == 1
    Scratch(scratch).close()
    assert list(scratch.iterdir()) == []


async def test_a_word_that_no_child_should_say_is_a_crash(photo: Path, tmp_path: Path) -> None:
    child = await bear(tmp_path, Limits())
    job = RenderJob(source=str(photo), folder=str(tmp_path), recipes=(SMALL,))

    def disbelieve(_: object) -> None:
        raise ValueError("not what was asked for")

    with pytest.raises(RenderCrashed):
        await child.ask(job, 30, disbelieve)
    assert child.gone.done()


@given(st.binary())
def test_a_line_of_noise_is_refused_and_never_run(noise: bytes) -> None:
    with pytest.raises((ValueError, UnicodeDecodeError)):
        read_reply(noise)


@given(st.lists(st.tuples(st.integers(1, 120), st.integers(0, 3)), max_size=25))
async def test_loans_never_exceed_the_budget_and_all_are_served(
    loans: list[tuple[int, int]],
) -> None:
    budget, served = Budget(100), []

    async def borrow(number: int, amount: int, turns: int) -> None:
        async with budget.loan(amount):
            assert budget.lent <= 100
            for _ in range(turns):
                await asyncio.sleep(0)
            served.append(number)
            if turns == 3:
                raise RenderCrashed

    tasks = [asyncio.create_task(borrow(n, *loan)) for n, loan in enumerate(loans)]
    for task in tasks[1::5]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(served) >= len(tasks[::1]) - len(tasks[1::5])
    assert len(outcomes) == len(tasks)
    assert budget.lent == 0


async def test_nobody_overtakes_a_large_loan() -> None:
    budget, order = Budget(10), []

    async def borrow(amount: int) -> None:
        async with budget.loan(amount):
            order.append(amount)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for amount in (6, 10, 1, 2):
            group.create_task(borrow(amount))
    assert order == [6, 10, 1, 2]
