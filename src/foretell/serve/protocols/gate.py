"""What all protocols do around a call: find the model, grant, set the deadline, ask the backend."""

from collections.abc import Callable
from time import monotonic

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import ServeSettings
from foretell.serve.backend import Answer, Backend, Call, Outcome, Priority, Refusal
from foretell.serve.protocols.errors import as_refusal, invalid, no_answer
from foretell.serve.protocols.options import Options
from foretell.serve.security.guard import Guard, Identity


class Caller(msgspec.Struct):
    """Who asks, through which door, since when; and what becomes of it, as far as it has come.

    Attributes:
        identity: as the guard let it in.
        arrived: on the clock of `time.monotonic`; deadlines count from here.
        id: the client's own, or one made here. heard: all that it sent has come in.
        door: `oip_rest`, `oip_grpc` or `forecast` where it is a call; empty for questions about the server.
        asked: the model that it names, as it came: nobody has looked yet whether there is one.
        model, version: where there is such a model. priority: as granted, once it is known. rows: windows.
    """

    identity: Identity
    arrived: float
    id: str
    heard: bool = False
    door: str = ""
    asked: str = ""
    model: str = ""
    version: str = ""
    priority: Priority | None = None
    rows: int = 0


Observe = Callable[[Outcome], None]


def observe_nothing(outcome: Outcome) -> None:
    """Nobody wants to know."""


class Gate:
    """Stands between the protocols and the backend."""

    def __init__(
        self, backend: Backend, guard: Guard, settings: ServeSettings, observe: Observe = observe_nothing
    ) -> None:
        self.backend = backend
        self.guard = guard
        self._deadline_s = settings.default_deadline
        self._observe = observe

    def manifest(self, caller: Caller, model: str, version: str | None) -> Manifest:
        """The model that a request names.

        Raises:
            Refusal: forbidden (whether there is such a model or not), model_not_found, not_ready.
        """
        self.guard.grant_model(caller.identity, model)
        manifests = self.backend.manifests()
        manifest = manifests.get(model)
        if manifest is None:
            if not self.backend.ready():
                raise Refusal("not_ready", "no model is ready", cure="ask /v2/health/ready, then again")
            known = ", ".join(self.manifests(caller))
            raise Refusal("model_not_found", f"no model `{model[:100]}`", cure=f"there is: {known}")
        if version is not None and version != manifest.version:
            raise Refusal(
                "model_not_found",
                f"{model} has no version `{version[:100]}` here",
                cure=f"in force is {manifest.version}; name no version to have what is in force",
            )
        caller.model, caller.version = manifest.name, manifest.version
        return manifest

    def manifests(self, caller: Caller) -> dict[str, Manifest]:
        """Of the models that the caller may ask, by name."""
        key = caller.identity.key
        return {
            name: manifest
            for name, manifest in sorted(self.backend.manifests().items())
            if key is None or key.allows(name)
        }

    async def infer(
        self,
        caller: Caller,
        manifest: Manifest,
        version: str | None,
        windows: NDArray[np.float64],
        told: Options,
    ) -> Answer:
        """Ask for the answers to windows (n, …) as the network's layout has them, own units.

        Raises:
            Refusal: see its table; `engine` where the network failed on all of them.
        """
        if not len(windows):
            raise invalid("", "no window at all", "send at least one")
        identity = caller.identity
        caller.rows, caller.priority = len(windows), told.priority
        self.guard.grant(identity, manifest.name, told.priority, len(windows), monotonic())
        caller.priority = identity.priority
        seconds = self._deadline_s if told.deadline_s is None else told.deadline_s
        call = Call(
            model=manifest.name,
            windows=windows,
            version=version,
            newest_us=told.newest_us,
            horizon=told.horizon,
            priority=identity.priority,
            deadline=None if seconds is None else caller.arrived + seconds,
            asked=caller.arrived,
            client=identity.client,
            id=caller.id,
            outputs=told.outputs,
        )
        answer = await self.backend.infer(call)
        if not answer.whole and np.count_nonzero(answer.refused) == len(answer.refused):
            raise no_answer()
        answer.notes.extend(identity.notes)
        caller.version = answer.version
        return answer

    def over(self, caller: Caller, error: BaseException | None) -> Refusal | None:
        """What the caller is told when all is done, if anything went wrong; calls are observed."""
        refusal = as_refusal(error, caller.id) if isinstance(error, Exception) else None
        if caller.door:
            outcome = "ok" if error is None else refusal.reason if refusal else "cancelled"
            seconds = monotonic() - caller.arrived
            model = caller.model or (caller.asked if caller.asked in self.backend.manifests() else "")
            self._observe(
                Outcome(caller.door, model, caller.version, caller.priority, outcome, seconds, caller.rows)
            )
        return refusal
