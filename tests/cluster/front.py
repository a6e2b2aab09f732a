"""nginx before the roles, with deploy/nginx as it is but for ports and folders."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.cluster.composed import DEPLOY
from tests.cluster.ground import answers
from tests.cluster.member import Member
from tests.nginx import NGINX


def nginx(folder: Path, port: int, gateways: list[int], edges: list[int]) -> Member | None:
    """None when this machine has no nginx."""
    if NGINX is None:
        return None
    own = folder / "nginx"
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(DEPLOY / "nginx", own)
    _edit(own / "upstreams.conf", lambda text: _upstreams(text, gateways, edges))
    _edit(own / "nginx.conf", lambda text: _main(text, folder, port))
    (folder / "tmp").mkdir(exist_ok=True)
    command = [NGINX, "-p", str(own), "-c", str(own / "nginx.conf"), "-g", "daemon off;"]
    return Member(
        "nginx", command, folder, ready=lambda: answers(f"http://127.0.0.1:{port}/healthz")
    )


def _edit(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text()))


def _upstreams(text: str, gateways: list[int], edges: list[int]) -> str:
    """Every process by its port, where Docker's names lead to all of them."""
    for name, ports in (("gateway", gateways), ("edge", edges)):
        line = re.compile(rf"^( *server ){name}:\d+ resolve (.*)$", re.MULTILINE)
        lines = "\n".join(rf"\g<1>127.0.0.1:{port} \g<2>" for port in ports)
        text = line.sub(lines, text)
    return re.sub(r"^resolver .*$", "", text, flags=re.MULTILINE)


def _main(text: str, folder: Path, port: int) -> str:
    text = text.replace("/tmp/", f"{folder}/tmp/")  # noqa: S108 of the container
    return text.replace("listen 8080 ", f"listen 127.0.0.1:{port} ")
