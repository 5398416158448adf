"""`from foretell.client import Client`: ask a running server for forecasts."""

from foretell.errors import ServerUnreachable
from foretell.serve.backend import Priority, Refusal
from foretell.serve.client.answers import Inference
from foretell.serve.client.client import Client
from foretell.serve.client.sync import SyncClient

__all__ = ["Client", "Inference", "Priority", "Refusal", "ServerUnreachable", "SyncClient"]
