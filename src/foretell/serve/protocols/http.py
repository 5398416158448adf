"""A request that came in whole, and what is sent back."""

from collections.abc import Mapping
from dataclasses import dataclass

from foretell.serve.protocols.gate import Caller

Header = tuple[bytes, bytes]

JSON = b"application/json"
NDJSON = b"application/x-ndjson"


@dataclass(slots=True)
class Request:
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


@dataclass(slots=True)
class Response:
    """What a protocol answers."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
