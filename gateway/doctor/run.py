"""Every check, one after the other; what fails keeps nobody from the next."""

from collections.abc import AsyncIterator, Mapping

from gateway.deadline import Away, answer_of
from gateway.doctor import clocks, machine, parts, releases, spoken
from gateway.doctor.finding import Check, Finding, Patient, wrong
from gateway.nats_server import NatsAddress
from gateway.status.look import bus_of, is_running
from models.settings import Settings, SettingsError

SECONDS = 8.0
"""Longest that one check may take. One that reaches out has its own, shorter time."""

CHECKS: dict[str, Check] = {
    "settings": spoken.shape,
    "secret": spoken.secret,
    "exposure": spoken.exposure,
    "releases": releases.installed,
    "disk": machine.disk,
    "limits": machine.limits,
    "ports": machine.ports,
    "database": parts.database,
    "message bus": parts.bus,
    "message bus durability": parts.bus_durability,
    "object storage": parts.objects,
    "rate limit store": parts.counters,
    "model": parts.model,
    "clock": clocks.clocks,
}
_LONG = {"releases": 30.0}


async def examine(environment: Mapping[str, str], **given: object) -> AsyncIterator[Finding]:
    """Every finding, as it is made."""
    settings, faults = spoken.settings_and_faults(environment, **given)
    for fault in faults:
        yield fault
    patient = _patient(settings)
    for name, check in CHECKS.items():
        found = await answer_of(_list(check, patient), _LONG.get(name, SECONDS))
        if isinstance(found, Away):
            yield wrong(name, str(found), parts.todo_for(name, settings))
        else:
            for one in found:
                yield one


async def _list(check: Check, patient: Patient) -> list[Finding]:
    return await check(patient)


def _patient(settings: Settings) -> Patient:
    running = is_running(settings)
    return Patient(settings=settings, running=running, bus=_bus(settings, running=running))


def _bus(settings: Settings, *, running: bool | None) -> NatsAddress | None:
    try:
        return bus_of(settings, running=running)
    except (SettingsError, OSError):
        return None
