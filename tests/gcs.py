"""Google Cloud Storage as far as we use it: its XML API, on loopback, in memory.

No emulator that can be had speaks that API (fake-gcs-server answers a plain PUT with "invalid
uploadType", others know JSON alone). This one is written after Google's reference of it: headers,
codes, XML, and tokens that are proven by the key of a service account.
"""

import base64
import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import gmtime, strftime
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_PAGE = 3
_STATUS = {
    "NoSuchKey": 404,
    "NoSuchBucket": 404,
    "PreconditionFailed": 412,
    "AuthenticationRequired": 401,
}


class _Object(NamedTuple):
    data: bytes
    generation: int

    @property
    def etag(self) -> str:
        return f'"{md5(self.data, usedforsecurity=False).hexdigest()}"'


class Refused(Exception):
    """The code of an error, as it stands in its XML."""


class Gcs(ThreadingHTTPServer):
    """Buckets of objects. Only who has the key of its service account gets in."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.buckets: dict[str, dict[str, _Object]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.turn = threading.Lock()
        self.asked = 0
        self._generation = 0
        self._failures: list[int] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def make_bucket(self, name: str) -> None:
        self.buckets[name] = {}

    def drop_bucket(self, name: str) -> None:
        """With all that is in it."""
        del self.buckets[name]

    def key_file(self, folder: Path, *, stranger: bool = False) -> str:
        """The file of a service account, ours or one that nobody here knows."""
        key = rsa.generate_private_key(65537, 2048) if stranger else self._key
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = {
            "type": "service_account",
            "client_email": "tests@example.org",
            "private_key": pem.decode(),
            "private_key_id": "1",
        }
        accounts = folder / "accounts"
        accounts.mkdir(exist_ok=True)
        file = accounts / f"{stranger}.json"
        file.write_text(json.dumps(account))
        return str(file)

    def fail(self, *statuses: int) -> None:
        """Answer the next requests so, before anything is looked at."""
        self._failures.extend(statuses)

    def failure(self) -> int | None:
        return self._failures.pop(0) if self._failures else None

    def knows(self, token: str) -> bool:
        head, _, signature = token.rpartition(".")
        try:
            signed = base64.urlsafe_b64decode(signature + "==")
            self._key.public_key().verify(
                signed, head.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except (InvalidSignature, ValueError):
            return False
        return True

    def kept(self, bucket: str, key: str, data: bytes) -> _Object:
        self._generation += 1
        made = self.buckets[bucket][key] = _Object(data, self._generation)
        return made


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gcs

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name there
        """Say nothing: what goes wrong is seen in the answer."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path.lstrip("/")).partition("/")
        asked = {name: values[0] for name, values in parse_qs(url.query, True).items()}
        with self.server.turn:
            self.server.asked += 1
            if status := self.server.failure():
                self._answer(status)
                return
            try:
                self._enter(bucket)
                self._do(bucket, key, asked, body)
            except Refused as refused:
                code = str(refused)
                xml = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
                self._answer(_STATUS[code], xml.encode())

    def _enter(self, bucket: str) -> None:
        if not self.server.knows(self.headers.get("Authorization", "").removeprefix("Bearer ")):
            raise Refused("AuthenticationRequired")
        if bucket not in self.server.buckets:
            raise Refused("NoSuchBucket")

    def _do(self, bucket: str, key: str, asked: dict[str, str], body: bytes) -> None:
        if not key:
            self._list(self.server.buckets[bucket], asked)
        elif "uploads" in asked or "uploadId" in asked:
            self._multipart(bucket, key, asked, body)
        elif self.command == "PUT":
            self._put(bucket, key, body)
        elif self.command == "DELETE":
            self._find(bucket, key)
            del self.server.buckets[bucket][key]
            self._answer(204)
        else:
            self._get(self._find(bucket, key))

    def _find(self, bucket: str, key: str) -> _Object:
        try:
            return self.server.buckets[bucket][key]
        except KeyError:
            raise Refused("NoSuchKey") from None

    def _put(self, bucket: str, key: str, body: bytes) -> None:
        generation = self.headers.get("x-goog-if-generation-match")
        if generation == "0" and key in self.server.buckets[bucket]:
            raise Refused("PreconditionFailed")
        if source := self.headers.get("x-goog-copy-source"):
            origin, _, name = unquote(source).lstrip("/").partition("/")
            body = self._find(origin, name).data
        made = self.server.kept(bucket, key, body)
        self._say("CopyObjectResult", f"<ETag>{escape(made.etag)}</ETag>", made)

    def _get(self, found: _Object) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            self._answer(200, found.data, found)
            return
        first, _, last = asked.partition("-")
        size = len(found.data)
        begin, end = int(first), min(int(last or size), size - 1)
        told = {"Content-Range": f"bytes {begin}-{end}/{size}"}
        self._answer(206, found.data[begin : end + 1], found, told)

    def _list(self, objects: dict[str, _Object], asked: dict[str, str]) -> None:
        after, prefix = asked.get("continuation-token", ""), asked.get("prefix", "")
        keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
        now = strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime())
        page = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key].data)}</Size>"
            f"<ETag>{escape(objects[key].etag)}</ETag><LastModified>{now}</LastModified></Contents>"
            for key in keys[:_PAGE]
        )
        if len(keys) > _PAGE:
            page += f"<NextContinuationToken>{escape(keys[_PAGE - 1])}</NextContinuationToken>"
        self._say("ListBucketResult", page)

    def _multipart(self, bucket: str, key: str, asked: dict[str, str], body: bytes) -> None:
        uploads = self.server.uploads
        if "uploads" in asked:
            name = f"upload-{self.server.asked}"
            uploads[name] = {}
            self._say("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")
        elif self.command == "PUT":
            uploads[asked["uploadId"]][int(asked["partNumber"])] = body
            self._answer(200, b"", _Object(body, 0))
        elif self.command == "DELETE":
            uploads.pop(asked["uploadId"], None)
            self._answer(204)
        else:
            self._complete(bucket, key, uploads.pop(asked["uploadId"]), body)

    def _complete(self, bucket: str, key: str, parts: dict[int, bytes], body: bytes) -> None:
        named = sorted(map(int, re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)))
        made = self.server.kept(bucket, key, b"".join(parts[number] for number in named))
        self._say("CompleteMultipartUploadResult", f"<ETag>{escape(made.etag)}</ETag>", made)

    def _say(self, name: str, xml: str, made: _Object | None = None) -> None:
        self._answer(200, f"<{name}>{xml}</{name}>".encode(), made)

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        made: _Object | None = None,
        told: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **(told or {})}
        if made:
            headers |= {"ETag": made.etag, "x-goog-generation": str(made.generation)}
            headers["Last-Modified"] = formatdate(usegmt=True)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def gcs_server() -> Iterator[Gcs]:
    with Gcs() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
