"""The Open Inference Protocol v2 over gRPC: GRPCInferenceService, as KServe and Triton have it.

The call's own deadline holds, and `priority` may come as metadata too. Tensors are answered as they came: raw
when the inputs were raw. What goes wrong has a status, a message with its cure, and in the trailing metadata
`foretell-code`, `foretell-path` and `retry-after`, as the errors of HTTP have them.
"""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

import grpc
import grpc.aio
import msgspec
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import ServeSettings
from foretell.serve.backend import Answer, Backend, Refusal
from foretell.serve.protocols import oip
from foretell.serve.protocols.access import log_access, trace_context
from foretell.serve.protocols.errors import invalid, one_line
from foretell.serve.protocols.gate import Caller, Gate, Observe, observe_nothing
from foretell.serve.protocols.oip_messages import SERVICE, message, methods
from foretell.serve.protocols.options import Options, priority, priority_word, request_id
from foretell.serve.protocols.tensors import from_bytes, from_numbers
from foretell.serve.security.guard import Guard, Identity

Handler = Callable[[Any, Caller], Awaitable[Any]]

_OLDEST_S = 5.0  # a connection; then its client is asked to open another
_STATUS = {
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "model_not_found": grpc.StatusCode.NOT_FOUND,
    "too_large": grpc.StatusCode.INVALID_ARGUMENT,  # RESOURCE_EXHAUSTED would be tried again
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "rate_limited": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "shed": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "not_ready": grpc.StatusCode.UNAVAILABLE,
    "deadline_unreachable": grpc.StatusCode.DEADLINE_EXCEEDED,
    "deadline_passed": grpc.StatusCode.DEADLINE_EXCEEDED,
}
_CONTENTS = {
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
}
_OPEN = {"ServerLive", "ServerReady"}  # answer without a key
_NOBODY = Identity(client="", key=None, inside=False)


def make_server(servicer: "OipGrpc", settings: ServeSettings) -> grpc.aio.Server:
    """A server with the service and its limits; the caller adds ports, and starts it on a loop of its own."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", settings.limits.body_bytes),
            ("grpc.max_send_message_length", -1),
            # Between the two it would refuse by chance, the more the larger.
            ("grpc.max_metadata_size", settings.limits.header_bytes),
            ("grpc.absolute_max_metadata_size", settings.limits.header_bytes),
            ("grpc.max_connection_idle_ms", int(settings.limits.idle * 1000)),
            # A replica that leaves waits for it (`replica.grpc_leave`); replicas that come get their share.
            ("grpc.max_connection_age_ms", int(1000 * min(settings.drain / 3, _OLDEST_S))),
        ]
    )
    server.add_generic_rpc_handlers((servicer.handlers(),))
    return server


class OipGrpc:
    """The service; one a replica, beside the `App` of the same backend and guard."""

    def __init__(
        self, backend: Backend, guard: Guard, settings: ServeSettings, observe: Observe = observe_nothing
    ) -> None:
        self._gate = Gate(backend, guard, settings, observe)
        self._count = itertools.count()
        self._prefix = secrets.token_hex(4)
        self._types = methods()
        self._log = settings.access_log

    def handlers(self) -> grpc.GenericRpcHandler:
        """For `Server.add_generic_rpc_handlers`."""
        by_name: dict[str, Handler] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ServerMetadata": self.server_metadata,
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._guarded(handler, name),
                    request_deserializer=_reader(self._types[name][0]),
                    response_serializer=self._types[name][1].SerializeToString,
                )
                for name, handler in by_name.items()
            },
        )

    async def server_live(self, request: Any, caller: Caller) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def server_ready(self, request: Any, caller: Caller) -> Any:
        return message("ServerReadyResponse")(ready=self._gate.backend.ready())

    async def server_metadata(self, request: Any, caller: Caller) -> Any:
        return message("ServerMetadataResponse")(**oip.SERVER)

    async def model_ready(self, request: Any, caller: Caller) -> Any:
        self._gate.manifest(caller, request.name, request.version or None)
        return message("ModelReadyResponse")(ready=self._gate.backend.ready())

    async def model_metadata(self, request: Any, caller: Caller) -> Any:
        manifest = self._gate.manifest(caller, request.name, request.version or None)
        told = message("ModelMetadataResponse")(
            name=manifest.name, versions=[manifest.version], platform=oip.PLATFORM
        )
        for tensors, into in (
            (oip.inputs_of(manifest), told.inputs),
            (oip.outputs_of(manifest), told.outputs),
        ):
            for tensor in tensors:
                into.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        return told

    async def model_infer(self, request: Any, caller: Caller) -> Any:
        version = request.model_version or None
        manifest = self._gate.manifest(caller, request.model_name, version)
        windows = _windows(request, manifest)
        told = _options(request, manifest, caller)
        answer = await self._gate.infer(caller, manifest, version, windows, told)
        return _response(answer, manifest, request.id, told.outputs, raw=bool(request.raw_input_contents))

    def _guarded(self, handler: Handler, name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        async def handle(request: Any, context: Any) -> Any:
            caller = _GrpcCaller.of(context, f"{self._prefix}-{next(self._count):x}")
            if name == "ModelInfer":
                caller.door, caller.asked = "oip_grpc", "" if request is None else request.model_name
            if caller.trace:
                context.set_trailing_metadata((("traceparent", caller.trace.decode()),))
            try:
                if name not in _OPEN:
                    caller.identity = self._gate.guard.enter(
                        caller.metadata.get("authorization"), monotonic()
                    )
                if request is None:
                    raise invalid("", f"the bytes are no {name}Request", "see open_inference.proto")
                response = await handler(request, caller)
            except BaseException as error:
                refusal = self._gate.over(caller, error)
                if refusal is None:
                    self._log_access(caller, name, "CANCELLED")
                    raise
                self._log_access(caller, name, _status(refusal).name)
                await _abort(context, refusal, caller.trace)
            else:
                self._gate.over(caller, None)
                self._log_access(caller, name, "OK", response)
                return response
            finally:
                self._gate.guard.release(caller.identity)

        return handle

    def _log_access(self, caller: "_GrpcCaller", name: str, status: str, response: Any = None) -> None:
        if self._log:
            size = 0 if response is None else response.ByteSize()
            log_access(caller, "gRPC", f"/{SERVICE}/{name}", status, size, caller.trace)


class _GrpcCaller(Caller):
    """With what the call's context says of it."""

    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    remaining: float | None = None
    trace: bytes | None = None

    @classmethod
    def of(cls, context: Any, id_: str) -> "_GrpcCaller":
        caller = cls(_NOBODY, monotonic(), id_)
        caller.metadata = dict(context.invocation_metadata() or ())
        caller.remaining = context.time_remaining()
        caller.trace = trace_context(str(caller.metadata.get("traceparent", "")).encode())
        return caller


def _reader(kind: Any) -> Callable[[bytes], Any]:
    """Gives `None` for what is no message of this kind: gRPC would call an error here a defect of ours."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return None

    return read


def _status(refusal: Refusal) -> grpc.StatusCode:
    return _STATUS.get(refusal.reason, grpc.StatusCode.INTERNAL)


async def _abort(context: Any, refusal: Refusal, trace: bytes | None) -> None:
    trailing = [("foretell-code", refusal.reason)]
    if trace:
        trailing.append(("traceparent", trace.decode()))
    if refusal.path:
        trailing.append(("foretell-path", refusal.path.encode("unicode_escape").decode()))
    if refusal.retry_after is not None:
        trailing.append(("retry-after", f"{refusal.retry_after:.3f}"))
    await context.abort(_status(refusal), one_line(refusal), tuple(trailing))


def _options(request: Any, manifest: Manifest, caller: Caller) -> Options:
    told = oip.options({name: _value(p, f"parameters.{name}") for name, p in request.parameters.items()})
    assert isinstance(caller, _GrpcCaller)
    if "priority" in caller.metadata and "priority" not in request.parameters:
        told.priority = priority(priority_word(caller.metadata["priority"]), "metadata.priority")
    if caller.remaining is not None:
        told.deadline_s = min(caller.remaining, told.deadline_s or caller.remaining)
    if request.outputs:
        told.outputs = [output.name for output in request.outputs]
        oip.check_outputs(told.outputs, manifest, "outputs")
    caller.id = request_id(request.id, caller.id)
    return told


def _value(parameter: Any, path: str) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    if choice is None:
        raise invalid(path, "a parameter without a value", "fill one of its kinds")
    return getattr(parameter, choice)


def _windows(request: Any, manifest: Manifest) -> NDArray[np.float64]:
    oip.check_one_input(len(request.inputs), manifest)
    tensor, path = request.inputs[0], "inputs[0]"
    shape = list(tensor.shape)
    oip.check_shape(shape, manifest, f"{path}.shape")
    raw = request.raw_input_contents
    if raw:
        if len(raw) != 1 or tensor.HasField("contents"):
            raise invalid(
                "raw_input_contents", "one for the one input, and no `contents`", "send one of the two"
            )
        windows = from_bytes(raw[0], tensor.datatype, shape, path)
    else:
        field = _CONTENTS.get(tensor.datatype, "fp64_contents")
        windows = from_numbers(getattr(tensor.contents, field), tensor.datatype, shape, path)
    oip.check_finite(windows, f"{path}.data")
    return windows


def _response(
    answer: Answer, manifest: Manifest, id_: str, wanted: Sequence[str] | None, *, raw: bool
) -> Any:
    response = message("ModelInferResponse")(model_name=answer.model, model_version=answer.version, id=id_)
    for name, datatype, array in oip.answered(answer, wanted):
        output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(array.tobytes())
        else:
            getattr(output.contents, _CONTENTS[datatype]).extend(array.ravel().tolist())
    for name, value in oip.notes(answer, manifest).items():
        response.parameters[name].string_param = str(value)
    return response
