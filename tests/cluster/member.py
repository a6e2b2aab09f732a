"""A process of the cluster: started, stopped, killed, and started again when it has ended."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers import start

READY_SECONDS = 240.0
_END_SECONDS = 45.0


class Member:
    """One process under a name; its log is the file of that name in the cluster's folder."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        ready: Callable[[], bool] = lambda: True,
        ends_at: int = signal.SIGTERM,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.ready = ready
        self.user = user
        self._command = command
        self._environment = environment
        self._ends_at = ends_at
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """0 when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def start(self) -> None:
        """Start it, and wait for nothing."""
        self._process = start(
            self._command,
            self.log,
            last_signal=self._ends_at,
            user=self.user,
            environment=self._environment,
        )

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it is ready. Raises RuntimeError with the end of its log."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if not self.pid or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def tell(self) -> None:
        """Tell it to end, and wait for nothing."""
        if self.pid and self._process:
            self._process.send_signal(self._ends_at)

    def stop(self, seconds: float = _END_SECONDS) -> int:
        """Have it end politely; its exit code, -9 when it took longer."""
        self.tell()
        if self._process is None:
            return 0
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """kill -9."""
        if self._process is None:
            return 0
        self._process.kill()
        return self._process.wait()
