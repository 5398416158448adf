"""What all protocols do around a call: find the model, grant, set the deadline, ask the backend."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import ServeSettings
from foretell.serve.backend import Answer, Backend, Call, Priority, Refusal
from foretell.serve.protocols.errors import as_refusal, invalid
from foretell.serve.protocols.options import Options
from foretell.serve.security.guard import Guard, Identity


@dataclass(slots=True)
class Caller:
    """Who asks, through which door, and since when.

    Attributes:
        identity: as the guard let it in. door: `oip_rest`, `oip_grpc`, `forecast`, for metrics.
        arrived: on the clock of `time.monotonic`; deadlines count from here.
        id: the client's own, or one made here.
    """

    identity: Identity
    arrived: float
    id: str
    door: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of a call, for metrics. `outcome`: `ok`, `cancelled` or a refusal's reason."""

    door: str
    model: str
    version: str
    priority: Priority
    outcome: str
    seconds: float
    rows: int


Observe = Callable[[Outcome], None]


def observe_nothing(outcome: Outcome) -> None:
    """Nobody wants to know."""


class Gate:
    """Stands between the protocols and the backend. `observe` is told what became of every call."""

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
        self.guard.grant(caller.identity, model, Priority.LOW, 0, monotonic())
        manifests = self.backend.manifests()
        manifest = manifests.get(model)
        if manifest is None:
            if not self.backend.ready():
                raise Refusal("not_ready", "no model is ready", cure="ask /v2/health/ready, then again")
            known = ", ".join(sorted(manifests))
            raise Refusal("model_not_found", f"no model `{model[:100]}`", cure=f"there is: {known}")
        if version is not None and version != manifest.version:
            raise Refusal(
                "model_not_found",
                f"{model} has no version `{version[:100]}` here",
                cure=f"in force is {manifest.version}; name no version to have what is in force",
            )
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
            Refusal: see its table.
        """
        outcome = Outcome(
            caller.door, manifest.name, manifest.version, told.priority, "ok", 0.0, len(windows)
        )
        try:
            call = self._call(caller, manifest, version, windows, told)
            outcome.priority = call.priority
            answer = await self.backend.infer(call)
            answer.notes.extend(caller.identity.notes)
            outcome.version = answer.version
            return answer
        except Exception as error:
            refusal = as_refusal(error, caller.id)
            outcome.outcome = refusal.reason
            raise refusal from None
        except BaseException:
            outcome.outcome = "cancelled"
            raise
        finally:
            outcome.seconds = monotonic() - caller.arrived
            self._observe(outcome)

    def _call(
        self,
        caller: Caller,
        manifest: Manifest,
        version: str | None,
        windows: NDArray[np.float64],
        told: Options,
    ) -> Call:
        if not len(windows):
            raise invalid("", "no window at all", "send at least one")
        identity = caller.identity
        self.guard.grant(identity, manifest.name, told.priority, len(windows), monotonic())
        seconds = self._deadline_s if told.deadline_s is None else told.deadline_s
        return Call(
            model=manifest.name,
            windows=windows,
            version=version,
            newest_us=told.newest_us,
            horizon=told.horizon,
            priority=identity.priority,
            deadline=None if seconds is None else caller.arrived + seconds,
            client=identity.client,
            id=caller.id,
            outputs=told.outputs,
        )
