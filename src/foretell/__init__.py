"""foretell puts a trained forecasting model to work on Ray."""

__version__ = "0.1.0"
