"""The request door: forecasts over HTTP and gRPC on Ray Serve, urgent first, honest when full."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretell.serve.autoscaling import AutoscalingConfig, TradingWorkloadAutoscaler
    from foretell.serve.deployment_manager import DeploymentManager
    from foretell.serve.manager_sync import SyncDeploymentManager
    from foretell.serve.resources import BatchConfig, ResourceConfig

__all__ = [
    "AutoscalingConfig",
    "BatchConfig",
    "DeploymentManager",
    "ResourceConfig",
    "SyncDeploymentManager",
    "TradingWorkloadAutoscaler",
]
_WHERE = {
    "AutoscalingConfig": "autoscaling",
    "BatchConfig": "resources",
    "DeploymentManager": "deployment_manager",
    "ResourceConfig": "resources",
    "SyncDeploymentManager": "manager_sync",
    "TradingWorkloadAutoscaler": "autoscaling",
}


def __getattr__(name: str) -> object:
    """Load what is asked for: most of this room wants no Ray, and starts without it."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"foretell.serve.{_WHERE[name]}"), name)
