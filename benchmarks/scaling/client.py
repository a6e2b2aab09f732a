"""An upload by a client who spends next to nothing on it: he is on the cores that are measured."""

import time
from http import HTTPStatus
from typing import Final

import httpx2

_ASKED: Final = '{"width": 1200}'
_BORDER: Final = "border-of-the-parts-of-a-benchmark"


class Refused(Exception):
    """An upload that was not answered with its variants."""


def body_of(picture: bytes, name: str = "a.jpg") -> bytes:
    """A whole request's body."""
    file = f'name="image"; filename="{name}"\r\nContent-Type: image/jpeg'
    parts = ((file, picture), ('name="resizeOptions"', _ASKED.encode()))
    body = b"".join(
        f"--{_BORDER}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
        for head, value in parts
    )
    return body + f"--{_BORDER}--\r\n".encode()


def client_with(key: str) -> httpx2.AsyncClient:
    """Somebody with this API key."""
    kind = f"multipart/form-data; boundary={_BORDER}"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    return httpx2.AsyncClient(timeout=300, trust_env=False, headers=headers)


async def upload(http: httpx2.AsyncClient, api: str, body: bytes) -> float:
    """Seconds until it was answered. Raises Refused."""
    began = time.perf_counter()
    answer = await http.post(f"{api}/api/v1/images", content=body)
    if answer.status_code != HTTPStatus.OK:
        raise Refused(answer.text)
    return time.perf_counter() - began
