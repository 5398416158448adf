"""An API key: what its holder may do, and the digest that stands for its secret.

A token is `ftl_<id>_<secret>`. The id is public: it finds the key, and tells in lists and logs which one is
meant. The secret is 256 random bits, so a plain SHA-256 keeps it: a slow hash protects secrets that people
choose and others guess, while nobody can guess one of 2^256, and a fast one costs a request a microsecond.
"""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import Literal

import msgspec

from foretell.errors import ConfigError
from foretell.serve.backend import Priority

PREFIX = "ftl"
EVERY_MODEL = "*"
CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{8}})_[A-Za-z0-9_-]{{43}}")
_NOBODY = hashlib.sha256(b"").hexdigest()

Class = Literal["low", "medium", "high"]


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key without its secret.

    Attributes:
        id: 8 hexadecimal digits. client: who holds it; several keys of one client share its limits.
        sha256: of the token, hexadecimal.
        models: names, or `*` for every model. max_priority: the highest class that may be asked for.
        rate: requests a second; unset: as the settings say.
        high_budget: rows a second of high priority, above which a request is served as medium; unset: all.
        created: ISO 8601, UTC.
    """

    id: str
    client: str
    sha256: str
    models: tuple[str, ...]
    max_priority: Class
    rate: float | None = None
    high_budget: float | None = None
    created: str = ""

    def __post_init__(self) -> None:
        """Wrong values raise ValueError, which msgspec reports with the place in the file."""
        if not re.fullmatch(r"[0-9a-f]{8}", self.id) or not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("id wants 8 and sha256 wants 64 hexadecimal digits")
        if not CLIENT.fullmatch(self.client):
            raise ValueError(f"{self.client!r} is no client name: letters, digits, `.`, `_`, `-`")
        if not self.models or not all(self.models):
            raise ValueError("models wants names, or `*` for all")
        for name, value in (("rate", self.rate), ("high_budget", self.high_budget)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} wants a number above 0")

    @property
    def priority(self) -> Priority:
        return Priority[self.max_priority.upper()]

    def allows(self, model: str) -> bool:
        return model in self.models or EVERY_MODEL in self.models


def issue(
    client: str,
    models: tuple[str, ...],
    max_priority: Class,
    rate: float | None = None,
    high_budget: float | None = None,
) -> tuple[str, Key]:
    """A new token, which is in nobody's hands but the caller's from here on, and its key.

    Raises:
        ConfigError: a name or a figure is wrong.
    """
    name = secrets.token_hex(4)
    token = f"{PREFIX}_{name}_{secrets.token_urlsafe(32)}"
    try:
        key = Key(
            id=name,
            client=client,
            sha256=digest(token),
            models=models,
            max_priority=max_priority,
            rate=rate,
            high_budget=high_budget,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    except ValueError as error:
        raise ConfigError(
            f"no such key can be made: {error}", cure="see `foretell keys new --help`"
        ) from None
    return token, key


def digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def id_of(token: str) -> str | None:
    """The public part of a token; `None` when it has not the form of one."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None


def opens(token: str, key: Key | None) -> bool:
    """Whether the token is this key's. The time it takes tells nothing: not how much of the digest agrees,
    and not whether there is such a key at all."""
    same = hmac.compare_digest(digest(token), key.sha256 if key else _NOBODY)
    return same and key is not None
