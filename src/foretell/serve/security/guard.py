"""The one who stands at the door: authorization in, identity or refusal out."""

from collections import Counter

import msgspec

from foretell.config import LimitSettings, SecuritySettings
from foretell.serve.backend import Priority, Refusal
from foretell.serve.security.key_ring import KeyRing
from foretell.serve.security.keys import EVERY_MODEL, Key
from foretell.serve.security.limits import Limits

_CROWDED = 0.1  # seconds to wait when a client has too much under way: one of them will have ended


class Identity(msgspec.Struct):
    """Who is inside, and what was granted; `release` takes it back.

    Attributes:
        client: the key's, or `local` / `anonymous` where no keys are asked for.
        key: that opened the door. priority: granted. notes: what the caller should be told.
    """

    client: str
    key: Key | None
    priority: Priority = Priority.LOW
    notes: list[str] = msgspec.field(default_factory=list)
    inside: bool = True


class Guard:
    """Two steps, so that a stranger's body is not even read: `enter` with the headers, then `grant` with what
    the body asks for. `admit` is both. Not for several threads: it lives on the loop that serves.

    Without a file of keys everybody is one client; it is held to `limits.rate`, but not to a number of
    requests under way: nobody can be told from anybody, and the queue bounds them all.
    """

    def __init__(
        self,
        security: SecuritySettings,
        settings: LimitSettings,
        *,
        loopback: bool,
        replicas: int = 1,
    ) -> None:
        """Raises `ConfigError` when the file of keys is missing or bad. `limits` is for `keep_exchanging`."""
        self.limits = Limits(replicas)
        self._ring = KeyRing(security.keys) if security.keys else None
        self._settings = settings
        self._nobody = "local" if loopback else "anonymous"
        self._inside: Counter[str] = Counter()

    def admit(
        self, authorization: str | None, model: str, priority: Priority, rows: int, now: float
    ) -> Identity:
        """`enter` and `grant` in one; who is refused is not inside.

        Args:
            authorization: the header's (or gRPC metadata's) value, `Bearer` and the key.
            rows: windows of the request. now: seconds on a clock that does not jump.

        Raises:
            Refusal: unauthenticated, forbidden, rate_limited, too_large.
        """
        identity = self.enter(authorization, now)
        try:
            self.grant(identity, model, priority, rows, now)
        except Refusal:
            self.release(identity)
            raise
        return identity

    def enter(self, authorization: str | None, now: float) -> Identity:
        """Who it is, and whether this client may ask once more. Raises unauthenticated, rate_limited."""
        key = self._identify(authorization, now)
        client = key.client if key else self._nobody
        most = self._settings.concurrency
        if key and self._inside[client] >= most:
            raise Refusal(
                "rate_limited",
                f"{most} requests of this client are under way, and no more may be",
                cure="wait for one of them to be answered, or put more windows in a request",
                retry_after=_CROWDED,
            )
        rate = key.rate if key and key.rate else self._settings.rate
        if rate and (wait := self.limits.take(f"{client}/requests", rate, 1, now)):
            raise Refusal(
                "rate_limited",
                f"more than the {rate:g} requests a second that this client may ask",
                cure="wait as Retry-After says, put more windows in a request, or ask for a higher rate",
                retry_after=wait,
            )
        self._inside[client] += 1
        return Identity(client, key)

    def grant(self, identity: Identity, model: str, priority: Priority, rows: int, now: float) -> None:
        """Set the priority that the client gets. Raises forbidden, too_large; the identity stays inside."""
        key = identity.key
        self.grant_model(identity, model)
        if key and priority > key.priority:
            raise Refusal(
                "forbidden",
                f"this key may not ask for priority {priority.name.lower()}",
                cure=f"ask for {key.max_priority} or lower, or use a key with --max-priority "
                f"{priority.name.lower()}",
            )
        if rows > self._settings.rows:
            raise Refusal(
                "too_large",
                f"{rows:,} windows in a request, {self._settings.rows:,} are the most",
                cure="send them in several requests",
            )
        identity.priority = self._within_budget(identity, priority, rows, now) if key else priority

    def grant_model(self, identity: Identity, model: str) -> None:
        """Whether the key is for this model. Raises forbidden, in the same words whether it exists or not."""
        if identity.key and not identity.key.allows(model):
            raise Refusal(
                "forbidden",
                f"this key is not for model `{model[:100]}`",
                cure="use a key whose --models name it",
            )

    def grant_all(self, identity: Identity) -> None:
        """What tells of all models, as the figures do. Raises forbidden."""
        if identity.key and not identity.key.allows(EVERY_MODEL):
            raise Refusal(
                "forbidden",
                "this key is for some models, and the figures are of all",
                cure="use a key that was made with --models '*'",
            )

    def _within_budget(self, identity: Identity, priority: Priority, rows: int, now: float) -> Priority:
        budget = identity.key.high_budget if identity.key else None
        if priority is not Priority.HIGH or budget is None:
            return priority
        if not self.limits.take(f"{identity.client}/high", budget, rows, now):
            return priority
        identity.notes.append(
            f"served as medium: more than the {budget:g} rows a second of high priority that this client has"
        )
        return Priority.MEDIUM

    def release(self, identity: Identity) -> None:
        """The request was answered, refused or given up; a second call does nothing."""
        if identity.inside:
            identity.inside = False
            self._inside[identity.client] -= 1
            if not self._inside[identity.client]:
                del self._inside[identity.client]

    def _identify(self, authorization: str | None, now: float) -> Key | None:
        if self._ring is None:
            return None
        scheme, _, token = (authorization or "").partition(" ")
        key = self._ring.find(token.strip(), now) if scheme.lower() == "bearer" else None
        if key is None:
            raise Refusal(
                "unauthenticated",
                "no key came with the request" if not authorization else "the key is not known",
                cure="send the header `Authorization: Bearer KEY`; `foretell keys new` makes one",
            )
        return key
