"""What stands between the protocols and the models: a call goes in, an answer or a refusal comes out.

Protocols know no Ray, no scheduler and no engine; models know no HTTP and no gRPC.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import ClassVar, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.errors import ForetellError


class Priority(IntEnum):
    """A higher one is served first."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class Refusal(ForetellError):
    """A call that gets no answer, and why. `path`: of the field that was wrong, as in `inputs[0].shape`.

    code                    http  when
    unauthenticated         401   no key, or an unknown one
    forbidden               403   the key has no right to this model or priority
    model_not_found         404   no such model or version
    too_large               413   more bytes or rows than the limits allow
    invalid                 422   a field is wrong; `path` names it
    rate_limited            429   the client's rate or budget; `retry_after`
    shed                    429   the queue is full; `retry_after`
    not_ready               503   no model is ready, draining, or stuck; `retry_after` where it is
    deadline_unreachable    504   by the estimate it cannot be met: refused at once
    deadline_passed         504   it passed while the call waited
    engine                  500   the runtime failed on it
    """

    HTTP: ClassVar[dict[str, int]] = {
        "unauthenticated": 401,
        "forbidden": 403,
        "model_not_found": 404,
        "too_large": 413,
        "invalid": 422,
        "rate_limited": 429,
        "shed": 429,
        "not_ready": 503,
        "deadline_unreachable": 504,
        "deadline_passed": 504,
        "engine": 500,
    }

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        cure: str,
        path: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, cure=cure)
        self.reason = reason
        self.path = path
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.reason, self.message, self.cure, self.path, self.retry_after)

    @property
    def status(self) -> int:
        return self.HTTP[self.reason]


def _rebuild(reason: str, message: str, cure: str, path: str | None, retry_after: float | None) -> Refusal:
    return Refusal(reason, message, cure=cure, path=path, retry_after=retry_after)


class Call(msgspec.Struct):
    """A request for inference.

    Attributes:
        model, version: `version` unset: the one that is in force.
        windows: (n, lookback, features) float64 own units, or as the network's layout says when it reads
            channels first. newest_us: (n,) event time of each newest step, when the caller told.
        horizon: steps; unset: the model's own.
        priority, deadline: `deadline` on the clock of `time.monotonic`, unset: none.
        asked: on the same clock, when it came in; unset: now.
        client: whose key it was. id: for answers and logs.
        outputs: of a model with several; unset: all.
    """

    model: str
    windows: NDArray[np.float64]
    version: str | None = None
    newest_us: NDArray[np.int64] | None = None
    horizon: int | None = None
    priority: Priority = Priority.LOW
    deadline: float | None = None
    asked: float | None = None
    client: str = ""
    id: str = ""
    outputs: Sequence[str] | None = None


class Answer(msgspec.Struct):
    """What came of a call.

    Attributes:
        outputs: by name, each (n, …) float: `forecast` (n, horizon, targets) own units for a forecast model,
            the network's own outputs by their names for others.
        steps: (n,) steps that hold, where a roll-out stopped; unset: all.
        refused: (n,) bool, items of the call that failed alone.
        queue_s, inference_s: where the time went. batch_rows: rows of the batch that it was part of.
        notes: what the caller should be told, for instance that it was served as medium.
        whole: known to have nothing refused and no roll-out that stopped.
    """

    model: str
    version: str
    outputs: Mapping[str, NDArray[np.floating]]
    refused: NDArray[np.bool_]
    steps: NDArray[np.int64] | None = None
    queue_s: float = 0.0
    inference_s: float = 0.0
    batch_rows: int = 0
    notes: list[str] = msgspec.field(default_factory=list)
    whole: bool = False


class Outcome(msgspec.Struct):
    """What became of a call, for metrics. `outcome`: `ok`, `cancelled` or a refusal's reason.

    `model` and `version` are empty, `priority` is unset where it was refused before they were known; a model
    that is not served is never named.
    """

    door: str
    model: str
    version: str
    priority: Priority | None
    outcome: str
    seconds: float
    rows: int


class Backend(Protocol):
    """The models of this replica."""

    def manifests(self) -> Mapping[str, Manifest]:
        """Models that are ready, by name."""
        ...

    def ready(self) -> bool:
        """Whether calls are taken: false while warming up and while draining."""
        ...

    async def infer(self, call: Call) -> Answer:
        """Schedule, batch, evaluate. Cancelling the task takes the call back.

        Raises:
            Refusal: see its table.
        """
        ...
