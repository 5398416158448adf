"""From typed layers to an ONNX graph: one lowering a layer, in one registry."""

from foretell.importers.keras.lower.lowering import lower, output_names

__all__ = ["lower", "output_names"]
