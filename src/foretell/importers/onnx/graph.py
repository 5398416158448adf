"""An .onnx file → a network with an open batch, checked to answer window by window."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from foretell.bundle.manifest import Output
from foretell.bundle.network import tensors
from foretell.errors import MissingFact, UnreadableFile, UnsupportedModel
from foretell.importers.network import Network

_KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_EXPORT = "export it with one float32 input (batch, lookback, features) and a dynamic batch"
_ERRORS_ONLY = 4
_SAMPLE = 3
_ALIKE = 1e-4


def read_onnx(data: bytes, file: str, lookback: int | None = None, features: int | None = None) -> Network:
    """The network in a file's bytes.

    Args:
        lookback, features: sizes of a window, for models that leave them open.

    Raises:
        UnreadableFile: no ONNX model, or one that keeps its data elsewhere.
        UnsupportedModel: operators of its own, other inputs than one window, or a batch that means something.
        MissingFact: its input leaves a size open that nobody named.
    """
    model = _load(data, file)
    given = _window_input(model, file)
    _open_batch(model, given, file, lookback, features)
    shape = tuple(dim.dim_value for dim in given.type.tensor_type.shape.dim)[1:]
    run = _Runner(model, given.name, file)
    sample = np.random.default_rng(0).normal(size=(_SAMPLE, *shape)).astype(np.float32)
    answers = _checked_answers(run, sample, file)
    if any(answer.ndim == 1 for answer in answers):
        _lift_scalars(model, answers)
        run = _Runner(model, given.name, file)
        answers = run(sample)
    outputs = _declare_outputs(model, answers)
    return Network(
        file=file,
        made_by=f"{model.producer_name or 'unknown'} {model.producer_version}".strip() + " (ONNX)",
        model=model.SerializeToString(deterministic=True),
        input_shape=(shape[0], shape[1]),
        outputs=outputs,
        reference=run.one_by_one,
    )


def _load(data: bytes, file: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError):
        raise UnreadableFile(f"{file}: is no ONNX model, or damaged") from None
    for tensor in tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise UnreadableFile(
                f"{file}: tensor {tensor.name} keeps its data in another file",
                cure="save it in a single file: onnx.save(model, path, save_as_external_data=False)",
            )
    foreign = sorted({node.domain for node in model.graph.node} - _KNOWN_DOMAINS)
    if foreign:
        raise UnsupportedModel(
            f"{file}: uses operators that are not of ONNX itself, of {', '.join(foreign)}",
            cure="export it with standard operators",
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise UnreadableFile(f"{file}: is no valid ONNX model: {str(error).splitlines()[0]}") from None
    del model.graph.value_info[:]  # their batch sizes may be stale; runtimes infer them
    return model


def _window_input(model: onnx.ModelProto, file: str) -> onnx.ValueInfoProto:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise UnsupportedModel(f"{file}: takes {len(inputs)} inputs, one window is supported", cure=_EXPORT)
    tensor = inputs[0].type.tensor_type
    sizes = [dim.dim_value or dim.dim_param or "?" for dim in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT or len(sizes) != 3:
        kind = TensorProto.DataType.Name(tensor.elem_type)
        raise UnsupportedModel(f"{file}: takes {kind} {sizes}, not windows of three sizes", cure=_EXPORT)
    return inputs[0]


def _open_batch(
    model: onnx.ModelProto,
    given: onnx.ValueInfoProto,
    file: str,
    lookback: int | None,
    features: int | None,
) -> None:
    """Leave the batch open, and close what else is."""
    batch, steps, columns = given.type.tensor_type.shape.dim
    if batch.dim_value > 1:
        raise UnsupportedModel(f"{file}: takes exactly {batch.dim_value} windows at once", cure=_EXPORT)
    batch.Clear()
    batch.dim_param = "batch"
    for dim, said, flag in ((steps, lookback, "--lookback N"), (columns, features, "--features A,B")):
        if dim.dim_value < 1:
            if said is None:
                raise MissingFact(f"{file}: leaves a size of its windows open", cure=f"say it: {flag}")
            dim.Clear()
            dim.dim_value = said


class _Runner:
    """ONNX Runtime on the model as it stands: its own answers are the right ones."""

    def __init__(self, model: onnx.ModelProto, name: str, file: str) -> None:
        stripped = onnx.ModelProto()
        stripped.CopyFrom(model)
        for output in stripped.graph.output:
            output.type.tensor_type.ClearField("shape")  # an exporter's batch of one may be written there
        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = 1
        self._name, self._file = name, file
        try:
            self._session = ort.InferenceSession(
                stripped.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its classes have no common root
            raise UnsupportedModel(f"{file}: ONNX Runtime does not take it: {_first_line(error)}") from None

    def __call__(self, windows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        try:
            return [np.asarray(a) for a in self._session.run(None, {self._name: windows})]
        except Exception as error:
            raise UnsupportedModel(
                f"{self._file}: ONNX Runtime fails on {len(windows)} windows: {_first_line(error)}",
                cure=_EXPORT,
            ) from None

    def one_by_one(self, windows: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        """The answers to each window by itself."""
        each = [self(windows[i : i + 1]) for i in range(len(windows))]
        return [np.concatenate(parts).astype(np.float64) for parts in zip(*each, strict=True)]


def _checked_answers(run: _Runner, sample: NDArray[np.float32], file: str) -> list[NDArray[np.float32]]:
    """A block must get what its windows get one by one; some exports fix a batch of one deep inside."""
    answers, alone = run(sample), run.one_by_one(sample)
    for together, apart in zip(answers, alone, strict=True):
        if together.dtype != np.float32 or together.ndim == 0 or together.shape != apart.shape:
            raise UnsupportedModel(
                f"{file}: {len(sample)} windows give {together.dtype} {together.shape}", cure=_EXPORT
            )
        reach = max(float(np.ptp(apart)), 1e-6)
        if not np.isfinite(together).all() or float(np.abs(together - apart).max()) > _ALIKE * reach:
            raise UnsupportedModel(f"{file}: a window's answer depends on its neighbours", cure=_EXPORT)
    return answers


def _lift_scalars(model: onnx.ModelProto, answers: Sequence[NDArray[np.float32]]) -> None:
    """One number a window becomes a row of one."""
    axes = numpy_helper.from_array(np.asarray([1], np.int64), "foretell_axes")
    model.graph.initializer.append(axes)
    for output, answer in zip(model.graph.output, answers, strict=True):
        if answer.ndim == 1:
            inner, output.name = output.name, f"{output.name}_row"
            model.graph.node.append(helper.make_node("Unsqueeze", [inner, axes.name], [output.name]))


def _declare_outputs(model: onnx.ModelProto, answers: Sequence[NDArray[np.float32]]) -> tuple[Output, ...]:
    """Write the shapes that really come out, with an open batch."""
    found = []
    for output, answer in zip(model.graph.output, answers, strict=True):
        found.append(Output(output.name, answer.shape[1:]))
        declared = helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["batch", *answer.shape[1:]])
        output.CopyFrom(declared)
    return tuple(found)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
