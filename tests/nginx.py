"""Debian's nginx as a cache in front of an edge."""

import contextlib
import http.client
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.edge_world import free_port, wait_for_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
CONFIG = """
worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log; {user}
events {{ worker_connections 64; }}
http {{
    access_log off; proxy_cache_path {home}/cache keys_zone=edge:1m;
    client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
    uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{edge}; proxy_cache edge; proxy_http_version 1.1;
            proxy_cache_background_update on; proxy_cache_revalidate on;
            proxy_set_header Connection ""; add_header x-cache $upstream_cache_status always;
        }}
    }}
}}
"""


@contextlib.contextmanager
def nginx_before(edge: int, home: Path) -> Iterator[int]:
    """The port of an nginx with an empty cache."""
    port = free_port()
    user = "user root;" if home.owner() == "root" else ""
    config = home / "nginx.conf"
    config.write_text(CONFIG.format(home=home, port=port, edge=edge, user=user))
    with subprocess.Popen([NGINX or "", "-c", str(config)]) as nginx:
        wait_for_port(port)
        yield port
        nginx.send_signal(signal.SIGTERM)


def ask(
    port: int, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers with names in lower case, body."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    link.request(method, path, headers=named)
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body
