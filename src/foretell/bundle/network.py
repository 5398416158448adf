"""What model.onnx says of itself, held against the manifest before any runtime reads it."""

from collections.abc import Iterator, Sequence

import onnx
from google.protobuf.message import DecodeError

from foretell.bundle.manifest import MODEL, Meaning
from foretell.errors import ManifestInvalid


def check_network(data: bytes, meaning: Meaning) -> None:
    """Refuse a network that reaches outside its file, or whose inputs and outputs are not the manifest's.

    A size that the graph leaves open is no contradiction; the golden sample decides there.

    Raises:
        ManifestInvalid: names the input, output or tensor.
    """
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ManifestInvalid(
            f"{MODEL}: not an ONNX model ({error})", cure="import the source again"
        ) from None
    for tensor in tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ManifestInvalid(
                f"{MODEL}: tensor `{tensor.name}` keeps its data in another file",
                cure="save the model in a single file (onnx.save with save_as_external_data=False)",
            )
    _check_input(model.graph, meaning)
    _check_outputs(model.graph, meaning)


def _check_input(graph: onnx.GraphProto, meaning: Meaning) -> None:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ManifestInvalid(
            f"{MODEL}: has {len(inputs)} inputs, {[v.name for v in inputs]}; foretell feeds one"
        )
    _check_value("input", inputs[0], meaning.input_shape)


def _check_outputs(graph: onnx.GraphProto, meaning: Meaning) -> None:
    outputs = {value.name: value for value in graph.output}
    for output in meaning.outputs:
        if output.name not in outputs:
            raise ManifestInvalid(
                f"{MODEL}: has no output `{output.name}` as the manifest says, but {list(outputs)}"
            )
        _check_value("output", outputs[output.name], output.shape)


def _check_value(role: str, value: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    tensor = value.type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        raise ManifestInvalid(f"{MODEL}: {role} `{value.name}` is not float32")
    if not tensor.HasField("shape"):
        return
    sizes: Sequence[int | None] = [
        dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim
    ]
    if not sizes or sizes[0] is not None:
        raise ManifestInvalid(f"{MODEL}: {role} `{value.name}` is {sizes}; its batch size must be open")
    if len(sizes) != len(shape) + 1 or any(
        s not in (None, wanted) for s, wanted in zip(sizes[1:], shape, strict=True)
    ):
        raise ManifestInvalid(
            f"{MODEL}: {role} `{value.name}` is (n, {', '.join(map(str, sizes[1:]))}) in the graph, "
            f"(n, {', '.join(map(str, shape))}) in the manifest"
        )


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All tensors of a model, wherever they stand."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)
    for training in model.training_info:
        yield from _of_graph(training.initialization)
        yield from _of_graph(training.algorithm)


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)
