"""Row 12: headers that would have a careless cache give one reader another one's picture."""

from tests.prove.readers import port_of
from tests.prove.row import Ground, Outcome, Row
from tests.system.mixups import judge, paths_of
from tests.system.world import world


def prove(ground: Ground) -> Outcome:
    """5,000 addresses, 4 classes of clients, 200,000 requests; every body is hashed."""
    pictures, widths = ground.times(50, short=3), ground.times(100, short=6)
    with world(ground.folder / "data", CALOTYPE_RATE_LIMIT_RENDERS="") as system:
        paths = paths_of(system, pictures, widths)
        ground.say(f"{len(paths)} addresses")
        verdict = judge(port_of(system), paths, ground.times(200_000, short=2000), ground.seed)
    return Outcome(
        tried=verdict.asked,
        survived=verdict.right,
        figures={"addresses": len(paths), "addresses and classes": verdict.pairs},
        problems=tuple(f"{what}: {times}" for what, times in verdict.wrong.most_common(5)),
    )


ROW = Row("12", "cache mix-ups", "bodies of another address or format", prove)
