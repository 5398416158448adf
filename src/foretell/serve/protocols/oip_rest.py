"""The Open Inference Protocol v2 over HTTP: health, metadata, and infer with JSON or binary tensors."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import LimitSettings
from foretell.serve.backend import Answer
from foretell.serve.protocols import oip, oip_binary
from foretell.serve.protocols.errors import invalid
from foretell.serve.protocols.gate import Gate
from foretell.serve.protocols.http import Request, Response
from foretell.serve.protocols.json_body import decode
from foretell.serve.protocols.options import Options, request_id
from foretell.serve.protocols.tensors import from_bytes, from_numbers

# Flat, or nested as the shape says: three dimensions at most. A bool or a text is no number.
Data = list[float | list[float | list[float]]]
Parameters = dict[str, Any]  # each is looked at by its name


class InputTensor(msgspec.Struct, forbid_unknown_fields=True):
    """Of a request; `data`, or the parameter `binary_data_size` where it follows as bytes."""

    name: str
    shape: list[int]
    datatype: str
    data: Data | None = None
    parameters: Parameters | None = None


class OutputWanted(msgspec.Struct, forbid_unknown_fields=True):
    """An output that is asked for; `binary_data`: as bytes."""

    name: str
    parameters: Parameters | None = None


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """See the protocol; parameters as in `oip`. KServe's client tells the model of the path again."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: Parameters | None = None
    outputs: list[OutputWanted] | None = None
    model_name: str | None = None


class OutputTensor(msgspec.Struct, omit_defaults=True):
    """Of an answer: as `data`, or as bytes behind the JSON."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[float] | None = None
    parameters: dict[str, int] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    """See the protocol; parameters as in `oip.notes`."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str = ""
    parameters: dict[str, oip.Parameter] = {}


class OipRest:
    """Handlers, one a route."""

    def __init__(self, gate: Gate, limits: LimitSettings) -> None:
        self._gate = gate
        self._depth = limits.json_depth
        self._decoder = msgspec.json.Decoder(InferRequest)
        self._encode = msgspec.json.Encoder().encode

    async def server(self, request: Request) -> Response:
        return self._json(oip.SERVER)

    async def live(self, request: Request) -> Response:
        return self._json({"live": True})

    async def ready(self, request: Request) -> Response:
        ready = self._gate.backend.ready()
        return Response(self._encode({"ready": ready}), 200 if ready else 503)

    async def models(self, request: Request) -> Response:
        return self._json({"models": list(self._gate.manifests(request.caller))})

    async def model_ready(self, request: Request) -> Response:
        manifest = self._manifest(request)
        ready = self._gate.backend.ready()
        return Response(self._encode({"name": manifest.name, "ready": ready}), 200 if ready else 503)

    async def model(self, request: Request) -> Response:
        manifest = self._manifest(request)
        told = {
            "name": manifest.name,
            "versions": [manifest.version],
            "platform": oip.PLATFORM,
            "inputs": oip.inputs_of(manifest),
            "outputs": oip.outputs_of(manifest),
            "properties": oip.properties_of(manifest),
        }
        return self._json(told)

    async def infer(self, request: Request) -> Response:
        """Raises Refusal: see its table."""
        manifest = self._manifest(request)
        body, tail = oip_binary.split(request.headers, request.body)
        asked = decode(self._decoder, body, self._depth)
        if asked.model_name is not None and asked.model_name != manifest.name:
            raise invalid("model_name", f"the path names {manifest.name}", "leave it out, or name the same")
        request.caller.id = request_id(asked.id, request.caller.id)
        windows = self._windows(asked.inputs, tail, manifest)
        told, all_binary, binary = Options(), False, None
        if asked.parameters:
            parameters = dict(asked.parameters)
            all_binary = oip_binary.flag(
                parameters.pop("binary_data_output", None), "parameters.binary_data_output"
            )
            told = oip.options(parameters)
        if asked.outputs is not None:
            told.outputs = [output.name for output in asked.outputs]
            oip.check_outputs(told.outputs, manifest, "outputs")
            binary = {
                o.name for i, o in enumerate(asked.outputs) if _as_bytes(o, f"outputs[{i}]", all_binary)
            }
            told.outputs = told.outputs or None
        answer = await self._gate.infer(request.caller, manifest, request.version, windows, told)
        if binary is None:
            binary = set(answer.outputs) if all_binary else set()
        return self._answer(answer, manifest, asked.id, told.outputs, binary)

    def _manifest(self, request: Request) -> Manifest:
        return self._gate.manifest(request.caller, request.model, request.version)

    def _json(self, told: object) -> Response:
        return Response(self._encode(told))

    def _windows(
        self, inputs: list[InputTensor], tail: memoryview, manifest: Manifest
    ) -> NDArray[np.float64]:
        oip.check_one_input(len(inputs), manifest)
        tensor, path = inputs[0], "inputs[0]"
        oip.check_shape(tensor.shape, manifest, f"{path}.shape")
        size = oip_binary.size_of(tensor.parameters, f"{path}.parameters")
        if (size is None) == (tensor.data is None):
            raise invalid(
                f"{path}.data", "wanted once: as JSON or as bytes", "send `data` or `binary_data_size`"
            )
        if tensor.data is not None:
            oip_binary.check_all_taken(tail, 0)
            windows = from_numbers(tensor.data, tensor.datatype, tensor.shape, path)
        else:
            oip_binary.check_all_taken(tail, size or 0)
            windows = from_bytes(tail, tensor.datatype, tensor.shape, path)
        oip.check_finite(windows, f"{path}.data")
        return windows

    def _answer(
        self, answer: Answer, manifest: Manifest, id_: str, wanted: list[str] | None, binary: set[str]
    ) -> Response:
        tails: list[bytes] = []
        outputs = []
        for name, datatype, array in oip.answered(answer, wanted):
            if name in binary:
                tails.append(array.tobytes())
                size = {"binary_data_size": len(tails[-1])}
                outputs.append(OutputTensor(name, datatype, array.shape, parameters=size))
            else:
                # JSON has no NaN; msgspec writes null in its place, which clients read as NaN.
                outputs.append(OutputTensor(name, datatype, array.shape, array.ravel().tolist()))
        body = self._encode(
            InferResponse(answer.model, answer.version, outputs, id_, oip.notes(answer, manifest))
        )
        return oip_binary.join(body, tails) if tails else Response(body)


def _as_bytes(output: OutputWanted, path: str, otherwise: bool) -> bool:
    parameters: dict[str, Any] = dict(output.parameters or {})
    told = parameters.pop("binary_data", None)
    for name in parameters:
        raise invalid(f"{path}.parameters.{name}", "no such parameter of an output", "known: binary_data")
    return otherwise if told is None else oip_binary.flag(told, f"{path}.parameters.binary_data")
