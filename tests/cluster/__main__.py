"""`python -m tests.cluster`: compose.yaml's topology on this machine, until Ctrl-C."""

import contextlib
import signal
import time
from pathlib import Path

import rich_click as click

from tests.cluster.whole import Cluster, cluster


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("cluster-data"))
@click.option("--port", type=int, default=8080, help="Of nginx; 0 takes a free one.")
def main(*, data: Path, port: int) -> None:
    """Two of each role, Postgres, three NATS servers, S3, shared counts, nginx in front."""
    data.mkdir(exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), cluster(data.resolve(), port) as made:
        click.echo(_shown(made))
        while True:
            time.sleep(1)
            for name in made.keep():
                click.echo(f"{name} had ended and is started again, see {made.members[name].log}")


def _shown(made: Cluster) -> str:
    lines = [f"API and edge  {made.public}", f"Key           {made.key}"]
    for name in made.members:
        port = made.ports.get(name)
        where = [made.address(name)] if port and not name.startswith("pipeline") else []
        where += [made.operators[name]] if name in made.operators else []
        lines.append(f"{name:<13} process {made.members[name].pid}  {'  '.join(where)}".rstrip())
    lines.append(f"State and logs are in {made.folder}; Ctrl-C stops everything.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
