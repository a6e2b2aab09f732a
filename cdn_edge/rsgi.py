"""The part of RSGI that the edge uses, in types. granian's own are not exported as such."""

from typing import Protocol


class RequestHeaders(Protocol):
    """Request headers; names in lower case. A value that is not text is left out."""

    def __contains__(self, name: str) -> bool:
        """Whether there is such a header."""

    def items(self) -> list[tuple[str, str]]:
        """Every line, repeated names included."""


class Scope(Protocol):
    """A request: `path` is percent-decoded and not normalised, `query_string` is raw."""

    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> RequestHeaders:
        """The request headers."""


class HTTPProtocol(Protocol):
    """Where the answer goes; exactly one call per request."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with these bytes."""
