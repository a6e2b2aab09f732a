"""A Gemini of our own: Google's protocol over HTTP on loopback, and everything that can go wrong.

with gemini_server(jpeg(64, 64)) as gemini:
    gemini.will(blocked_prompt("SAFETY"), painted(picture))   # the next answers, in this order
    gemini.asked                                              # what was asked, as JSON
"""

import base64
import contextlib
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

KEY = "AIzaSyFakeFakeFakeFakeFakeFakeFake12345"
VERSION = "gemini-3-pro-image"


@dataclass(frozen=True)
class Answer:
    """One answer. `cut` ends its body after so many bytes; `seconds` is how long it takes."""

    body: bytes
    status: int = 200
    seconds: float = 0
    cut: int | None = None
    reset: bool = False
    drip: bool = False
    headers: tuple[tuple[str, str], ...] = ()


def said(value: Any, status: int = 200, **how: Any) -> Answer:
    """An answer of this JSON."""
    return Answer(json.dumps(value).encode(), status, **how)


def image_part(
    picture: bytes, kind: str = "image/png", *, snake: bool = False, **also: Any
) -> Json:
    """A picture as a part; with the plain alphabet or, as in requests, the URL-safe one."""
    if snake:
        data = base64.urlsafe_b64encode(picture).decode()
        return {"inline_data": {"mime_type": kind, "data": data}, **also}
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(picture).decode()}, **also}


def answer_of(*parts: Json, reason: str = "STOP", **also: Any) -> Json:
    """A whole answer with these parts."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}
    return {"candidates": [candidate], **TOKENS, **also}


def painted(picture: bytes, **how: Any) -> Answer:
    """What is answered when all is well."""
    return said(answer_of(image_part(picture)), **how)


def blocked_prompt(reason: str, message: str = "") -> Answer:
    feedback = {"blockReason": reason} | ({"blockReasonMessage": message} if message else {})
    return said({"promptFeedback": feedback, **TOKENS})


def finished(reason: str, message: str = "", *parts: Json) -> Answer:
    """No image: the model ended for another reason."""
    candidate: Json = {"finishReason": reason, "content": {"role": "model", "parts": list(parts)}}
    if message:
        candidate["finishMessage"] = message
    return said({"candidates": [candidate], **TOKENS})


def google_error(status: int, word: str, message: str, *details: Json, **how: Any) -> Answer:
    """An error as Google's services write it."""
    error = {"code": status, "message": message, "status": word, "details": list(details)}
    return said({"error": error}, status, **how)


def retry_info(delay: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def error_info(reason: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}


TOKENS: Json = {
    "responseId": "Nh7haKSiH42zxN8PzMe_GA",
    "modelVersion": VERSION,
    "usageMetadata": {
        "promptTokenCount": 1296,
        "candidatesTokenCount": 1290,
        "totalTokenCount": 2586,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 6},
            {"modality": "IMAGE", "tokenCount": 1290},
        ],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    },
}


@dataclass
class Asked:
    """One call: its path, its headers in lower case, its body."""

    path: str
    headers: dict[str, str]
    body: Json

    @property
    def prompt(self) -> str:
        return "".join(part.get("text", "") for part in self.parts)

    @property
    def template(self) -> bytes | None:
        """The picture that was sent along, in either spelling and either alphabet."""
        for part in self.parts:
            inline = part.get("inlineData") or part.get("inline_data")
            if inline:
                assert (inline.get("mimeType") or inline.get("mime_type")) == "image/png"
                plain = inline["data"].replace("-", "+").replace("_", "/")
                return base64.b64decode(plain, validate=True)
        return None

    @property
    def parts(self) -> list[Json]:
        return [part for content in self.body["contents"] for part in content["parts"]]

    @property
    def config(self) -> Json:
        found: Json = self.body.get("generationConfig", {})
        return found


@dataclass
class Gemini:
    """The server: what it was asked, and what it will answer."""

    usual: Answer
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    _next: deque[Answer] = field(default_factory=deque)

    def will(self, *answers: Answer) -> None:
        """The next answers; after them the usual one again."""
        self._next.extend(answers)

    def hear(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self._next.popleft() if self._next else self.usual

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead here."""
        return {"CALOTYPE_GEMINI_KEY": KEY, "CALOTYPE_GEMINI_URL": self.url}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        gemini = self.server.gemini
        answer = gemini.hear(Asked(self.path, headers, json.loads(body)))
        gemini.gate.wait(answer.seconds) if answer.seconds else None
        with contextlib.suppress(OSError):
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        self.close_connection = True
        if answer.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = answer.body[: answer.cut]
        if not answer.drip:
            self.wfile.write(body)
            return
        for one in body:  # never silent for long, and never done
            self.wfile.write(bytes([one]))
            if self.server.gemini.gate.wait(0.1):
                return

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gemini: Gemini

    def handle_error(self, *_: Any) -> None:
        """A client that left is not our concern."""


@contextlib.contextmanager
def gemini_server(picture: bytes) -> Iterator[Gemini]:
    """A server that answers with this picture unless it is told otherwise."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.gemini = Gemini(painted(picture), f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.gemini
        finally:
            server.gemini.gate.set()
            server.shutdown()
            thread.join()
