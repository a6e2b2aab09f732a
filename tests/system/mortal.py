"""`calotype` that kills itself at a named moment: python -m tests.system.mortal NAME up ...

The moment may come in any process of it; the one that comes to it is gone as with kill -9.
"""

import os
import signal
import sys


def die_at(name: str) -> None:
    """Listen for the moment, and die of it."""

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "calotype.failpoint" and arguments[0] == name:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


if __name__ == "__main__":
    die_at(sys.argv.pop(1))
    from gateway.cli import main

    main()
