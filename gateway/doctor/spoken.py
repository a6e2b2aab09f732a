"""Settings: what is written wrong, what is secret and weak, what strangers can reach."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gateway.doctor.finding import Finding, Patient, ok, warning, wrong
from gateway.status.look import place_of
from gateway.up import refuse_unsafe
from models.settings import PREFIX, Settings, SettingsError, read_settings

_NAMED = re.compile(rf"{PREFIX}[A-Z0-9_]+")
_SHORTEST = 32
_FEWEST_SIGNS = 10
_GUESSES = ("change", "secret", "password", "example", "calotype", "default", "12345", "qwert")


def settings_and_faults(
    environment: Mapping[str, str], **given: object
) -> tuple[Settings, list[Finding]]:
    """The settings without what is wrong in them, and each fault as a finding."""
    left, faults = dict(environment), list[Finding]()
    while True:
        try:
            return read_settings(left, **given), faults
        except SettingsError as error:
            faults.append(wrong("settings", str(error), "correct it, or take it out"))
            name = _NAMED.match(str(error))
            if name is None or left.pop(name[0], None) is None:
                given = {}


async def secret(patient: Patient) -> list[Finding]:
    """Keys are hashed and buckets' credentials sealed with it."""
    what, settings = "secret", patient.settings
    make = "make one with 'openssl rand -hex 32' and set CALOTYPE_SECRET"
    if settings.secret:
        return [_strength(settings.secret, make)]
    if settings.database_url:
        says = "every process would make its own: no key of one would be good at another"
        return [wrong(what, says, f"{make}, the same for all")]
    file = settings.data / "secret"
    if file.exists():
        if file.stat().st_mode & 0o077:
            return [wrong(what, f"{file} can be read by others", f"chmod 600 {file}")]
        return [ok(what, f"in {file}, for its owner alone")]
    if (settings.data / "calotype.sqlite").exists():
        says = f"{file} is gone: no API key of this system is good any more"
        return [wrong(what, says, "bring it back from a backup")]
    return [ok(what, "the first start makes one")]


def _strength(text: str, make: str) -> Finding:
    if len(text) < _SHORTEST:
        return wrong("secret", f"it has {len(text)} characters, {_SHORTEST} are needed", make)
    guessed = next((word for word in _GUESSES if word in text.lower()), None)
    if guessed or len(set(text)) < _FEWEST_SIGNS:
        says = f"it has the word '{guessed}' in it" if guessed else "it repeats a few characters"
        return warning("secret", f"{says}: somebody may guess it", make)
    return ok("secret", "long and mixed")


async def exposure(patient: Patient) -> list[Finding]:
    """Who may reach what listens here, and what they may read on the way."""
    found = list(_exposed(patient.settings))
    return found or [ok("exposure", "nothing is open that should not be")]


def _exposed(settings: Settings) -> Iterator[Finding]:
    what = "exposure"
    try:
        refuse_unsafe(settings)
    except SettingsError as error:
        yield wrong(what, str(error))
    for address in (settings.public_api, settings.public_edge):
        if address.startswith("http://") and not _is_private(urlsplit(address).hostname or ""):
            says = f"{address} is not encrypted: keys and pictures can be read on the way"
            yield warning(what, says, "put TLS in front, see deploy/nginx, and say https:// here")
    if not _is_loopback(settings.metrics_host):
        says = f"metrics and readiness answer on {settings.metrics_host} without a password"
        yield warning(what, says, "let only Prometheus reach them")
    for network in filter(None, settings.trusted_proxies.split(",")):
        if network.strip().endswith("/0"):
            says = f"CALOTYPE_TRUSTED_PROXIES has {network}: anybody can say who they are"
            yield wrong(what, says, "name the networks of your own proxies")
    if settings.source_loopback_ports:
        says = "CALOTYPE_SOURCE_LOOPBACK_PORTS lets strangers fetch from this machine"
        yield wrong(what, says, "it is for tests: take it out")
    if not settings.rate_limit or not settings.rate_limit_strangers:
        yield warning(what, "there is no limit of requests", "set CALOTYPE_RATE_LIMIT")
    yield from _open_bus(settings)


def _open_bus(settings: Settings) -> Iterator[Finding]:
    known = settings.nats_token or settings.nats_credentials or settings.nats_nkey
    for url in filter(None, settings.nats_url.split(",")):
        parts = urlsplit(url.strip())
        if not known and not parts.username:
            says = f"the message bus at {place_of(url)} asks for no password"
            yield warning("exposure", says, "give it one, and set CALOTYPE_NATS_TOKEN")
        sealed = settings.nats_ca or settings.nats_certificate or parts.scheme == "tls"
        if not sealed and not _is_private(parts.hostname or ""):
            says = f"what is said to the message bus at {place_of(url)} is not encrypted"
            yield warning("exposure", says, "use tls://, or a network of your own")


def _is_loopback(host: str) -> bool:
    return host == "localhost" or _address(host, "is_loopback", otherwise=False)


def _is_private(host: str) -> bool:
    """Names without a dot are of a network of one's own, as those of compose.yaml."""
    return host == "localhost" or _address(host, "is_private", otherwise="." not in host)


def _address(host: str, kind: str, *, otherwise: bool) -> bool:
    try:
        return bool(getattr(ipaddress.ip_address(host), kind))
    except ValueError:
        return otherwise


async def shape(patient: Patient) -> list[Finding]:
    """Settings that contradict each other."""
    settings = patient.settings
    found = []
    if bool(settings.nats_url) != bool(settings.database_url):
        says = "one of the message bus and the database is shared, the other is this folder's"
        todo = "several processes need both CALOTYPE_NATS_URL and CALOTYPE_DATABASE_URL"
        found.append(warning("settings", says, todo))
    if settings.nats_replicas == 1 and "," in settings.nats_url:
        says = "there are several NATS servers and one copy of each message"
        found.append(warning("settings", says, "set CALOTYPE_NATS_REPLICAS to 3"))
    return found or [ok("settings", "they fit together")]
