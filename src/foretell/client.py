"""`from foretell.client import Client`: ask a running server for forecasts."""

from foretell.serve.backend import Priority, Refusal
from foretell.serve.client import Client
from foretell.serve.client_answers import Inference, ServerUnreachable
from foretell.serve.client_sync import SyncClient

__all__ = ["Client", "Inference", "Priority", "Refusal", "ServerUnreachable", "SyncClient"]
