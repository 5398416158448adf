"""ONNX models as they come."""

from foretell.importers.onnx.graph import read_onnx

__all__ = ["read_onnx"]
