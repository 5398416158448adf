"""Models of Keras 2 and 3 in HDF5 and .keras files: layout → meaning → ONNX, without Keras."""

from foretell.bundle.manifest import Output
from foretell.importers.keras.evaluate import evaluate
from foretell.importers.keras.layout import read_layout
from foretell.importers.keras.lower import lower, output_names
from foretell.importers.keras.meaning import graph_of
from foretell.importers.network import Network


def read_keras(data: bytes, file: str, lookback: int | None = None) -> Network:
    """The network in a file's bytes.

    Args:
        lookback: steps of a window, for models that take any number of them.

    Raises:
        UnreadableFile, UnsupportedModel, MissingFact: see `read_layout`, `graph_of` and `lower`.
    """
    saved = read_layout(data, file)
    graph = graph_of(saved, lookback)
    names = output_names(graph)
    outputs = tuple(Output(name, graph.shape(i)) for name, i in zip(names, graph.outputs, strict=True))
    return Network(
        file=file,
        made_by=f"Keras {saved.version} ({saved.layout})",
        model=lower(graph).SerializeToString(deterministic=True),
        input_shape=(graph.input_shape[0], graph.input_shape[1]),
        outputs=outputs,
        reference=lambda windows: evaluate(graph, windows),
        notes=tuple(graph.notes),
    )
