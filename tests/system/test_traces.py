"""One trace tells where the time of an upload went; who asks for none pays for none."""

import asyncio
import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from PIL import Image

from gateway.otel import opened
from gateway.ports import free_port
from gateway.up import Ready, system
from models.settings import Settings
from models.traces import trace_with

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-Id": "a-request-of-tests"}

ONLY_ONCE = ("http", "staging", "transaction", "wait", "work", "fetch", "commit", "edge lookup")

# Who is whose child; a `publish` belongs to the transaction that announced what it says.
PARENTS = {
    "staging": {"http"},
    "transaction": {"http"},
    "wait": {"http"},
    "publish": {"transaction", "commit"},
    "work": {"publish"},
    "fetch": {"work"},
    "decode": {"work"},
    "resize": {"work"},
    "encode": {"work"},
    "put": {"work"},
    "commit": {"work"},
}

SLACK_NS = 50_000_000  # two clocks of one machine


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
async def test_one_trace_tells_an_upload_from_http_to_commit(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    trace_with(opened("up", SimpleSpanProcessor(exporter)))
    ports = {"port": free_port("127.0.0.1"), "edge_port": free_port("127.0.0.1")}
    settings = Settings(data=tmp_path / "data", children=1, **ports)
    async with system(settings) as ready, asyncio.timeout(120):
        await _upload_and_look(ready)
        spans = await _complete(exporter)

    named = {span.context.span_id: span.name for span in spans}
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE}
    for span in spans:
        parent = span.parent.span_id if span.parent else 0
        if span.name in ("http", "edge lookup"):
            assert f"{parent:016x}" == CALLER, "they belong to who called"
        else:
            assert named[parent] in PARENTS[span.name], span.name
    counts = Counter(named.values())
    assert [counts[name] for name in ONLY_ONCE] == [1] * len(ONLY_ONCE)
    assert counts["encode"] == 4  # two thumbnails, the variant, the working copy
    assert counts["put"] == 3
    assert counts["decode"] == counts["resize"] >= 1

    _check_words({span.name: span for span in spans})
    _check_times(spans)


async def _upload_and_look(ready: Ready) -> None:
    picture = io.BytesIO()
    Image.effect_noise((600, 400), 60).convert("RGB").save(picture, "JPEG")
    settings = ready.services.settings
    async with httpx2.AsyncClient(headers=HEADERS, timeout=60, trust_env=False) as client:
        answer = await client.post(
            f"{settings.public_api}/api/v1/images",
            headers={"Authorization": f"Bearer {ready.key}"},
            files={"image": ("private.jpg", picture.getvalue(), "image/jpeg")},
            data={"resizeOptions": '{"width": 300}'},
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Request-Id"] == "a-request-of-tests"
        seen = await client.get(answer.json()["simpleData"][0]["variants"]["webp"])
        assert seen.status_code == 200


async def _complete(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """All spans, as soon as the two last of them are there."""
    while True:
        spans = list(exporter.get_finished_spans())
        names = Counter(span.name for span in spans)
        if names["work"] and names["http"] and names["edge lookup"] and names["publish"] >= 2:
            return spans
        await asyncio.sleep(0.05)


def _check_words(spans: dict[str, ReadableSpan]) -> None:
    """Kinds and attributes are OpenTelemetry's own, and nothing in them is private."""
    http = spans["http"]
    assert http.kind == SpanKind.SERVER
    assert http.attributes == {
        "http.request.method": "POST",
        "http.route": "/api/v1/images",
        "http.response.status_code": 200,
    }
    assert spans["publish"].kind == SpanKind.PRODUCER
    assert spans["work"].kind == SpanKind.CONSUMER
    assert spans["decode"].attributes == {"calotype.format": "jpeg"}
    assert "private" not in "".join(span.to_json() for span in spans.values())


def _check_times(spans: list[ReadableSpan]) -> None:
    """What was measured in a child lies within the work that it was done for."""
    (work,) = (span for span in spans if span.name == "work")
    for span in spans:
        if span.name in ("decode", "resize", "encode"):
            assert work.start_time - SLACK_NS <= span.start_time
            assert span.start_time <= span.end_time <= work.end_time + SLACK_NS


def test_without_traces_nothing_of_opentelemetry_is_loaded() -> None:
    program = (
        "import sys, gateway.cli, gateway.run, gateway.tracing\n"
        "from models.settings import Settings\n"
        "gateway.tracing.start_traces(Settings(), 'up')\n"
        "from models.traces import span, trace_headers\n"
        "with span('work') as seen: seen.note(status=1)\n"
        "assert trace_headers() == {}\n"
        "print([name for name in sys.modules if 'opentelemetry' in name or name == 'gateway.otel'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_traces_without_the_extra_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError")
    program = (
        "from models.settings import Settings\n"
        "from gateway.tracing import start_traces\n"
        "start_traces(Settings(traces_url='http://127.0.0.1:4318'), 'up')"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert "pip install 'calotype[otel]'" in done.stderr
