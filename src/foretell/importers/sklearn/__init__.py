"""Scalers of scikit-learn, from their state alone."""

from foretell.importers.sklearn.scalers import Scaler, read_scaler, scaler_of

__all__ = ["Scaler", "read_scaler", "scaler_of"]
