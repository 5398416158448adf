"""How the versions of Keras lay a model out in a file."""

from foretell.importers.keras.layout.saved import SavedModel, read_layout

__all__ = ["SavedModel", "read_layout"]
