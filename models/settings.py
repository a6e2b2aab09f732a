"""Settings: one frozen value, read once from CALOTYPE_* when a command starts."""

import difflib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PREFIX = "CALOTYPE_"
_NO_SETTING = f"{PREFIX}KEY"
"""The API key of who uses the API from this terminal, as 'calotype import' does."""

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]  # a day: infinity is no deadline


RateLimit = Annotated[str, Meta(pattern=r"^([1-9]\d{0,8}/(second|minute|hour|day))?$")]
UrlPrefix = Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]+)*$")]
_LEVEL = "(gateway|pipeline|edge)=(debug|info|warning|error)"
_LEVELS = rf"^({_LEVEL}(,{_LEVEL})*)?$"


class SettingsError(Exception):
    """The process must not start; the sentence says which setting and what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. An address left empty means: do it yourself, in here.

    Every field is the environment variable CALOTYPE_<FIELD>. Sizes are bytes, times seconds.
    """

    data: Path = Path("calotype-data")
    """Folder of the embedded parts: database, objects, stream, secret."""
    host: str = "127.0.0.1"
    """Address that the gateway and the edge listen on."""
    port: Port = 8000
    """Port of the gateway."""
    edge_port: Port = 8001
    """Port of the edge."""
    api_url: str = ""
    """Public address of the gateway; empty means http://host:port."""
    edge_url: str = ""
    """Public address of the edge; empty means http://host:edge_port."""
    photo_url: str = ""
    """Public address of the photos of the photo API; empty means the edge's."""
    snapix_host: str = ""
    """Host name that the image API answers to; empty means any."""
    snapix_prefix: UrlPrefix = ""
    """Path in front of the image API's paths, as /images."""
    snapas_host: str = ""
    """Host name that the photo API answers to; empty means any, beside the image API by path."""
    snapas_prefix: UrlPrefix = ""
    """Path in front of the photo API's paths, as /photos."""
    token_days: Annotated[int, Meta(ge=0, le=36_500)] = 365
    """How long a token of the photo API is good; 0 means until it is logged out."""
    database_url: str = ""
    """postgresql://...; empty opens SQLite in the data folder."""
    database_pool: Count = 8
    """Connections that one process may hold."""
    database_seconds: Seconds = 8
    """Longest that a call of Postgres may take, and all of one request; then it counts as away."""
    nats_url: str = ""
    """nats://..., several separated by commas; empty starts the nats-server of this install."""
    nats_token: str = ""
    """Token for NATS, if it asks for one."""
    nats_credentials: str = ""
    """File of credentials (.creds: JWT and seed) for NATS; read again at each connection."""
    nats_nkey: str = ""
    """File with the seed of a user's nkey for NATS."""
    nats_ca: str = ""
    """File of the authorities that sign NATS' certificates; with it, or with tls://, only TLS is
    spoken. Empty means the usual ones.
    """
    nats_certificate: str = ""
    """File of our own certificate, if NATS asks for one."""
    nats_certificate_key: str = ""
    """File of its key."""
    nats_proof: Annotated[str, Meta(pattern=r"^(promised|((http|https|nats|tls)://\S+))?$")] = ""
    """Where it is read that those servers sync every message to disk before they acknowledge it.

    Either http://host:8222, the monitoring of each of them, separated by commas, or
    nats://user:password@host:4222, a user of their system account, or the word promised, when
    you know it and nobody can read it.
    """
    nats_replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    """Copies of every stream and key-value bucket."""
    objects_url: str = ""
    """s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; empty uses a folder in the
    data folder.
    """
    objects_endpoint: str = ""
    """Endpoint of that store, when it is not the one of AWS, Google or Azure."""
    objects_region: str = "us-east-1"
    """Region of the S3 store."""
    objects_access_key: str = ""
    """Access key of the S3 store, or account name of the Azure one; empty asks the environment's
    usual sources.
    """
    objects_secret_key: str = ""
    """Secret key of the S3 store, or key of the Azure account."""
    objects_credentials: str = ""
    """File with the key of a Google service account; empty asks the environment's usual sources."""
    secret: str = ""
    """At least 32 characters; keys are hashed and buckets' credentials sealed with it.

    Empty makes one in the data folder.
    """
    children: Annotated[int, Meta(ge=0)] = 0
    """Render children of one pipeline; 0 means one per core."""
    render_seconds: Seconds = 60
    """Longest that one render may take."""
    develop_seconds: Seconds = 4
    """Longest that reading and resizing one original may take, within the render."""
    render_memory_bytes: Annotated[int, Meta(ge=2**28)] = 2**30
    """Memory that one render may take; what is estimated to need more is refused."""
    render_queue: Annotated[int, Meta(ge=0)] = 64
    """Renders that may wait for a child of one process; the next one is told to come back."""
    max_pixels: Count = 100_000_000
    """Most pixels of an original and of a result, all kept frames together."""
    max_side: Count = 12_000
    """Longest side of a result, in pixels."""
    max_frames: Count = 500
    """Most frames of an animation."""
    attempts: Count = 3
    """How often an order is tried before it fails and is refunded."""
    bucket_seconds: Seconds = 600
    """How long an order is tried while the customer's own storage fails, then it is refunded."""
    job_seconds: Seconds = 600
    """Longest that one order may take, all its renders together; then it is tried again."""
    dead_days: Annotated[float, Meta(gt=0, le=3650)] = 7
    """How long a dead letter is kept with its original, so that it can be retried."""
    sweep_seconds: Seconds = 21_600
    """How often all objects are compared with all rows; also at start."""
    max_file_bytes: Count = 50_000_000
    """Largest file that is accepted."""
    source_seconds: Seconds = 30
    """Longest that fetching an original by URL may take."""
    source_loopback_ports: Annotated[str, Meta(pattern=r"^(\d+(,\d+)*)?$")] = ""
    """For tests only: ports of this machine that originals may be fetched from."""
    gemini_key: str = ""
    """Key of the Gemini API; empty means that images cannot be generated."""
    gemini_model: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}$")] = "gemini-3-pro-image"
    """Model that generates images."""
    gemini_url: Annotated[str, Meta(pattern=r"^https?://.+$")] = (
        "https://generativelanguage.googleapis.com"
    )
    """Address of the Gemini API."""
    gemini_seconds: Seconds = 180
    """Longest that the model may take for one image."""
    gemini_calls: Count = 8
    """Images that one pipeline has generated at the same time; more wait."""
    max_uploads: Count = 64
    """Uploads that one gateway receives at the same time; more are told to come back."""
    max_streams: Count = 256
    """Order event streams that one gateway keeps open at the same time."""
    body_seconds: Seconds = 300
    """Longest that the body of one request may take to arrive."""
    read_seconds: Seconds = 20
    """Longest silence within a body."""
    answer_seconds: Seconds = 60
    """How long an upload or a generation waits for its variants before it is answered 202."""
    rate_limit: RateLimit = "6000/minute"
    """Requests of one API key, as N/second, N/minute, N/hour or N/day; empty means no limit."""
    rate_limit_pixels: RateLimit = "1200/minute"
    """Those of them that make pixels: uploads, updates, generations and conversions."""
    rate_limit_strangers: RateLimit = "60/minute"
    """Wrong API keys from one address."""
    rate_limit_renders: RateLimit = "200/second"
    """Renders that one edge makes for one account; what it has already is not counted."""
    rate_limit_logins: RateLimit = "10/minute"
    """Log-ins that are tried for one user, and from one address."""
    rate_limit_store: Annotated[str, Meta(pattern=r"^((redis|rediss|valkey|valkeys)://.+)?$")] = ""
    """redis://..., when several gateways count together; empty counts in each process alone."""
    trusted_proxies: str = ""
    """Networks of proxies in front of the gateway, as 10.0.0.0/8,fd00::/8, whose X-Forwarded-For
    is believed; empty believes nobody's.
    """
    drain_seconds: Seconds = 8
    """How long a stopping process finishes what it has in hand."""
    linger_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0
    """How much of that a stopping gateway or edge still answers who is connected.

    Longer than a proxy in front keeps idle connections: none of its requests is then lost.
    """
    free_credits: Annotated[int, Meta(ge=0)] = 10_000
    """Credits of a new account."""
    total_storage: Annotated[int, Meta(ge=0)] = 10_000_000_000
    """Storage of a new account."""
    edge_children: Annotated[int, Meta(ge=0)] = 0
    """Render children of an edge on its own, started by its first render; 0 means one per core."""
    edge_renders: Count = 48
    """Renders that one edge has in hand or waiting; the next one is told to come back."""
    edge_memory_bytes: Annotated[int, Meta(ge=0)] = 256_000_000
    """Memory cache of the edge."""
    edge_disk_bytes: Annotated[int, Meta(ge=0)] = 10_000_000_000
    """Disk cache of the edge."""
    metrics: bool = True
    """Whether anything is counted for Prometheus."""
    metrics_host: str = "127.0.0.1"
    """Address that operators ask: /metrics, /healthz, /readyz. Never the public one's port."""
    metrics_port: Annotated[int, Meta(ge=-1, le=65535)] = -1
    """Port of that address; -1 means 8002, an edge's 8003, a pipeline's 8004, or a free one."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is worth a line on stderr: debug, info, warning or error."""
    log_levels: Annotated[str, Meta(pattern=_LEVELS)] = ""
    """The same for single roles, as edge=debug,pipeline=warning."""
    access_log: Literal["none", "gateway", "edge", "gateway,edge"] = "gateway"
    """Who writes a line for every answer: none, gateway, edge or gateway,edge."""
    traces_url: Annotated[str, Meta(pattern=r"^(https?://.+)?$")] = ""
    """Where spans are sent by OTLP over HTTP, as http://collector:4318; empty traces nothing."""

    @property
    def public_api(self) -> str:
        """Where clients reach the gateway, without a slash at the end."""
        here = f"http://{_in_url(self.host)}:{self.port}{self.snapix_prefix}"
        return (self.api_url or here).rstrip("/")

    @property
    def public_edge(self) -> str:
        """Where browsers reach the edge, without a slash at the end."""
        return (self.edge_url or f"http://{_in_url(self.host)}:{self.edge_port}").rstrip("/")

    @property
    def public_photos(self) -> str:
        """Where browsers find the photos of the photo API, without a slash at the end."""
        return (self.photo_url or self.public_edge).rstrip("/")

    @property
    def embedded_bus(self) -> bool:
        """True when this process starts its own nats-server."""
        return not self.nats_url

    @property
    def scratch(self) -> Path:
        """Where short-lived files of this data folder go when there is no tmpfs."""
        return self.data / "scratch"


def _in_url(host: str) -> str:
    """How others name this host: who listens everywhere is known by the machine's name."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def read_settings(environment: Mapping[str, str], **given: object) -> Settings:
    """Settings from CALOTYPE_* variables, then from options `given` on the command line.

    Raises SettingsError naming the variable that is unknown or wrong.
    """
    named = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name != _NO_SETTING
    }
    _refuse_unknown(named)
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(named | chosen, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise SettingsError(_sentence(str(error))) from None


def _path(wanted: type, value: object) -> object:
    return wanted(value)


def _refuse_unknown(named: Mapping[str, str]) -> None:
    known = Settings.__struct_fields__
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {PREFIX}{near[0].upper()}?" if near else ""
            raise SettingsError(f"{PREFIX}{name.upper()} is not a setting.{hint}")


def _sentence(problem: str) -> str:
    what, _, where = problem.partition(" - at `$.")
    return f"{PREFIX}{where.rstrip('`').upper()}: {what}" if where else problem
