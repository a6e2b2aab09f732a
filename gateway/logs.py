"""Logs go to standard error: for people on a terminal, as JSON lines otherwise."""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.redaction import Redactor, secrets_of
from models.settings import Settings
from models.trail import trail

_ROLES: Final = {"gateway": "gateway", "pipeline": "pipeline", "cdn_edge": "edge"}
_NUMBERS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class _Voice(structlog.WriteLogger):
    """Writes to standard error, and knows which module it speaks for."""

    def __init__(self, name: str = "") -> None:
        super().__init__(sys.stderr)
        self.name = name


def start_logs(settings: Settings, role: str) -> None:
    """Set up logging for the whole process of a `role`, or of all for "up".

    Other libraries' warnings come along. What they say below that is nobody's to turn on: queries
    with what they carry, addresses with what is in them.
    """
    levels = _levels(settings)
    before: list[Processor] = [_named_role(role), structlog.stdlib.add_log_level, _add_trail]
    stamp = structlog.processors.TimeStamper(fmt="iso")
    redact = Redactor(secrets_of(settings))
    shown: list[Processor] = [stamp, structlog.processors.format_exc_info, redact, _last()]
    structlog.configure(
        processors=[*before[:1], _heard(levels), *before[1:], *shown],
        wrapper_class=structlog.make_filtering_bound_logger(min(levels.values())),
        logger_factory=_Voice,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def no_logs() -> None:
    """What a command has to say is its output."""
    nothing = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=nothing, cache_logger_on_first_use=True)
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


def _levels(settings: Settings) -> dict[str, int]:
    """What each role says, and "" for who is none."""
    levels = dict.fromkeys(("", "up", *_ROLES.values()), _NUMBERS[settings.log_level])
    chosen = (one.split("=") for one in settings.log_levels.split(",") if one)
    return levels | {role: _NUMBERS[level] for role, level in chosen}


def _named_role(process: str) -> Processor:
    """A process of one role speaks for that; in one of all, the module says whose part it is."""

    def named(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        name = getattr(logger, "name", "")
        role = _ROLES.get(name.partition(".")[0], process) if process == "up" else process
        event.setdefault("role", role)
        event["logger"] = name
        return event

    return named


def _heard(levels: dict[str, int]) -> Processor:
    """Drops what is below the level of its role."""

    def heard(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        number = _NUMBERS.get(method, logging.ERROR)
        if number < levels.get(event["role"], levels[""]):
            raise structlog.DropEvent
        return event

    return heard


def _add_trail(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Whose work it was."""
    event.update((name, value) for name, value in trail()._asdict().items() if value)
    return event


def _last() -> Processor:
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback  # rich's shows variables, and what is in them
        return structlog.dev.ConsoleRenderer(exception_formatter=plain)
    return structlog.processors.JSONRenderer()
