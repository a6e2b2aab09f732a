"""Ports: refused when taken, found when any will do."""

import socket

from models.settings import Settings, SettingsError


def refuse_taken_ports(settings: Settings) -> None:
    """Raise SettingsError for a port that somebody listens on: granian would share it silently."""
    for option, port in (("--port", settings.port), ("--edge-port", settings.edge_port)):
        refuse_taken(settings.host, port, option)
    if settings.port == settings.edge_port:
        raise SettingsError("--port and --edge-port must differ.")


def refuse_taken(host: str, port: int, option: str) -> None:
    """Raise SettingsError when host:port cannot be listened on, naming the option."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"Cannot listen on {host}:{port} ({error.strerror}): choose another {option}."
            ) from None


def free_port(host: str) -> int:
    """A port that nobody listens on right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
