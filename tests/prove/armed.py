"""`calotype` with a crash point armed.

    PROVE_FAILPOINT=W3.before_commit:2 python -m tests.prove.armed up

The product says the names of its crash points to Python's audit hooks (models/failpoint.py). The
hook here kills the process when the named one comes for the second time.

`PROVE_FAULTY_CHILDREN=1` gives render children a `sitecustomize` (tests/prove/faulty): they die,
hang or eat memory when a picture tells them to.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

FAULTY = Path(__file__).with_name("faulty")


def hook(point: str, hits: int) -> Callable[[str, tuple[object, ...]], None]:
    """What kills this process when `point` comes for the `hits`-th time."""
    left = hits

    def hear(event: str, said: tuple[object, ...]) -> None:
        nonlocal left
        if event == "calotype.failpoint" and said[0] == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hear


def arm() -> None:
    """Do what the environment asks for."""
    point, _, hits = os.environ.get("PROVE_FAILPOINT", "").partition(":")
    if point:
        sys.addaudithook(hook(point, int(hits or 1)))
    if os.environ.get("PROVE_FAULTY_CHILDREN"):
        sys.path.insert(0, str(FAULTY))


def main() -> None:
    """`calotype`, armed."""
    arm()
    from gateway import cli  # noqa: PLC0415 what arms has to be there before anything else

    cli.main()


if __name__ == "__main__":
    main()
