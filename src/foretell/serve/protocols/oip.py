"""The Open Inference Protocol v2, as its REST and its gRPC share it: parameters, inputs, outputs, metadata.

A model has one input, windows (n, lookback, features) in their own units, oldest step first, or channels
first where the network reads that. It is called `windows` in the metadata; as there is no other, any name
will do. Outputs are `forecast` (n, horizon, targets) in own units, and all others of the network by name.

Parameters of a request, beside the protocol's own:

    priority     low, medium, high, or 0, 1, 2 (unlike Triton's, a higher one is served first)
    deadline_ms  from arrival; timeout: the same in microseconds, as Triton's clients send it
    horizon      steps; the model's own unless told
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import foretell
from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Answer
from foretell.serve.protocols.errors import invalid
from foretell.serve.protocols.options import Options, deadline_s, horizon, priority
from foretell.serve.protocols.tensors import datatype

INPUT = "windows"
FORECAST = "forecast"
PLATFORM = "foretell_onnx"
SERVER = {"name": "foretell", "version": foretell.__version__, "extensions": ["binary_tensor_data"]}

Parameter = bool | int | float | str
_KNOWN = ("priority", "deadline_ms", "timeout", "horizon")


class TensorMetadata(msgspec.Struct):
    """A tensor of a model; -1 stands for a size that varies."""

    name: str
    datatype: str
    shape: list[int]


def inputs_of(manifest: Manifest) -> list[TensorMetadata]:
    return [TensorMetadata(INPUT, "FP64", [-1, *manifest.input_shape])]


def outputs_of(manifest: Manifest) -> list[TensorMetadata]:
    """As they come in an answer; a forecast has the model's horizon unless a request asks for another."""
    outputs = [TensorMetadata(output.name, "FP32", [-1, *output.shape]) for output in manifest.outputs]
    if manifest.task == "forecast":
        outputs[0] = TensorMetadata(FORECAST, "FP64", [-1, -1, len(manifest.targets)])
    return outputs


def properties_of(manifest: Manifest) -> dict[str, str]:
    """What the protocol has no field for: names and units, and how long in and out."""
    told = {
        "task": manifest.task,
        "layout": manifest.layout,
        "lookback": str(manifest.lookback),
        "features": ", ".join(_with_unit(c.name, c.unit) for c in manifest.inputs),
    }
    if manifest.task == "forecast":
        told["horizon"] = str(manifest.horizon)
        told["targets"] = ", ".join(_with_unit(c.name, c.unit) for c in manifest.targets)
    if manifest.step_s is not None:
        told["step_s"] = f"{manifest.step_s:g}"
    return told


def options(parameters: Mapping[str, Any] | None, path: str = "parameters") -> Options:
    """Of a request. Raises Refusal `invalid`, also for a parameter that nobody knows."""
    told = Options()
    for name, value in (parameters or {}).items():
        where = f"{path}.{name}"
        if name == "priority":
            told.priority = priority(value, where)
        elif name == "deadline_ms":
            told.deadline_s = deadline_s(value, 1e-3, where)
        elif name == "timeout":
            told.deadline_s = deadline_s(value, 1e-6, where) if told.deadline_s is None else told.deadline_s
        elif name == "horizon":
            told.horizon = horizon(value, where)
        else:
            raise invalid(where, "no such parameter", f"known: {', '.join(_KNOWN)}")
    return told


def check_one_input(count: int, manifest: Manifest) -> None:
    """Raises Refusal `invalid`; so do the next ones."""
    if count != 1:
        names = ", ".join(column.name for column in manifest.inputs)
        raise invalid(
            "inputs",
            f"{count} tensors; {manifest.name} reads one, {INPUT!r}",
            f"send one that holds {names} side by side",
        )


def check_shape(shape: Sequence[int], manifest: Manifest, path: str) -> None:
    """Of the input. Raises Refusal `invalid`."""
    if len(shape) != 3 or tuple(shape[1:]) != manifest.input_shape or shape[0] < 1:
        wanted = ", ".join(map(str, manifest.input_shape))
        names = ", ".join(column.name for column in manifest.inputs)
        order = (
            "oldest step first" if manifest.layout == "time_first" else "channels first, oldest step first"
        )
        raise invalid(
            path,
            f"{list(shape)}; {manifest.name} reads [n, {wanted}], n at least 1",
            f"give {manifest.lookback} steps of {names}, {order}",
        )


def check_finite(windows: NDArray[np.float64], path: str) -> None:
    """Raises Refusal `invalid` that names the first window, step and feature that is no number."""
    finite = np.isfinite(windows)
    if np.count_nonzero(finite) != finite.size:  # `.all()` takes ten times as long for one window
        where = "".join(f"[{i}]" for i in np.argwhere(~finite)[0].tolist())
        raise invalid(f"{path}{where}", "NaN or an infinity", "give finite numbers; fill or leave out gaps")


def check_outputs(names: Sequence[str], manifest: Manifest, path: str) -> None:
    """Raises Refusal `invalid` for an output that the model has not, or that is asked for twice."""
    known = [output.name for output in outputs_of(manifest)]
    for i, name in enumerate(names):
        if name not in known or name in names[:i]:
            said = "is asked for twice" if name in known else "is no output"
            raise invalid(
                f"{path}[{i}].name", f"{name[:60]!r} {said}", f"{manifest.name} has {', '.join(known)}"
            )


def answered(answer: Answer, wanted: Sequence[str] | None) -> list[tuple[str, str, NDArray[Any]]]:
    """Outputs as (name, datatype, array), in the order in which they were asked for."""
    names = wanted or answer.outputs
    return [(name, datatype(answer.outputs[name]), answer.outputs[name]) for name in names]


def notes(answer: Answer, manifest: Manifest) -> dict[str, Parameter]:
    """Parameters of an answer: only what is out of the ordinary is told.

    refused: windows (from 0) that failed alone, their outputs are NaN. steps: of each window, how many hold,
    where a roll-out stopped. notes: for instance, that it was served with a lower priority.
    """
    told: dict[str, Parameter] = {}
    if not answer.whole and np.count_nonzero(answer.refused):
        told["refused"] = ",".join(map(str, np.flatnonzero(answer.refused).tolist()))
    if not answer.whole and answer.steps is not None and manifest.task == "forecast":
        longest = answer.outputs[FORECAST].shape[1] if FORECAST in answer.outputs else 0
        if np.count_nonzero(answer.steps < longest):
            told["steps"] = ",".join(map(str, answer.steps.tolist()))
    if answer.notes:
        told["notes"] = "; ".join(answer.notes)
    return told


def _with_unit(name: str, unit: str | None) -> str:
    return f"{name} ({unit})" if unit else name
