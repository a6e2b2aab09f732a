"""compose.yaml's topology on this machine, with as many pipelines as are asked for."""

import contextlib
from collections.abc import Iterator

from benchmarks.scaling.costs import Shape
from benchmarks.scaling.embedded import PLENTY, System
from tests.cluster.member import Member
from tests.cluster.whole import Cluster, cluster
from tests.servers import free_ports, server_folder
from tests.system.world import CALOTYPE


@contextlib.contextmanager
def clustered() -> Iterator[Cluster]:
    """Postgres, three NATS servers, S3, shared counts, and one gateway and edge that are asked."""
    with server_folder(programs=True) as folder, cluster(folder, **PLENTY) as made:  # on a disk
        for name in list(made.members):
            if (name.endswith("-2") and not name.startswith("nats")) or name.startswith("pipeline"):
                made.members.pop(name).stop()
        yield made


@contextlib.contextmanager
def with_pipelines(made: Cluster, pipelines: int, children: int) -> Iterator[System]:
    """So many pipelines with so many children each."""
    ports = free_ports(pipelines)
    members = [_pipeline(made, port, children) for port in ports]
    try:
        for member in members:
            member.start()
        for member in members:
            member.wait()
        yield _seen(made, Shape(system="cluster", pipelines=pipelines, children=children), ports)
    finally:
        for member in members:
            member.stop()


def _pipeline(made: Cluster, port: int, children: int) -> Member:
    name = f"pipeline-{port}"
    own = {
        "CALOTYPE_DATA": str(made.folder / name),
        "CALOTYPE_CHILDREN": str(children),
        "CALOTYPE_METRICS_PORT": str(port),
    }
    log = made.folder / f"{name}.log"
    return Member(
        name,
        [str(CALOTYPE), "pipeline"],
        made.folder,
        environment=made.environment | own,
        ready=lambda: log.exists() and "ready" in log.read_text(),
    )


def _seen(made: Cluster, shape: Shape, ports: list[int]) -> System:
    environment = made.environment
    gateway, edge = (made.of(role)[0] for role in ("gateway", "edge"))
    return System(
        shape=shape,
        api=made.address(gateway),
        edge=made.address(edge),
        key=made.key,
        database_url=environment["CALOTYPE_DATABASE_URL"],
        data=made.folder,
        nats=(environment["CALOTYPE_NATS_URL"], environment.get("CALOTYPE_NATS_TOKEN", "")),
        operators=[made.operators[gateway], *(f"http://127.0.0.1:{port}" for port in ports)],
        monitors=[
            f"http://{place}" for name, place in made.places.items() if name.endswith(":8222")
        ],
    )
