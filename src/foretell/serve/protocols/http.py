"""A request that came in whole, and what is sent back."""

from collections.abc import Mapping, Sequence

import msgspec

from foretell.serve.protocols.gate import Caller

Header = tuple[bytes, bytes]

JSON = b"application/json"
NDJSON = b"application/x-ndjson"


class Head(msgspec.Struct):
    """What comes before a body. Several requests may share one.

    Attributes:
        path, query: without escapes; undecoded. named: the last header of each name, in lower case.
        size: bytes of the headers.
    """

    method: str
    path: str
    query: bytes
    named: dict[bytes, bytes]
    size: int

    @classmethod
    def of(cls, method: str, path: str, query: bytes, headers: Sequence[Header]) -> "Head":
        size = sum(len(name) + len(value) for name, value in headers)
        return cls(method, path, query, dict(headers), size)


class Request(msgspec.Struct):
    """What a protocol reads.

    Attributes:
        model, version: of the path, where it names them.
        query: as it came, undecoded. headers: names in lower case.
    """

    caller: Caller
    model: str
    version: str | None
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class Response(msgspec.Struct):
    """What a protocol answers."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


Answered = tuple[Response, list[Header]]  # all headers that tell of it
