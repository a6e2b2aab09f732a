"""Traces are begun with the process, or nothing of them is ever loaded."""

from models.settings import Settings, SettingsError
from models.traces import trace_with


def start_traces(settings: Settings, role: str) -> None:
    """Send spans where settings say. Raises SettingsError when what does it is not installed."""
    if not settings.traces_url:
        return
    try:
        from gateway.otel import sent_to  # noqa: PLC0415 nobody pays for it unasked
    except ImportError:
        raise SettingsError(
            "CALOTYPE_TRACES_URL needs OpenTelemetry: pip install 'calotype[otel]'."
        ) from None
    trace_with(sent_to(settings.traces_url, role))
