"""The request door: forecasts over HTTP and gRPC on Ray Serve, urgent first, honest when full."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretell.serve.deployment.autoscaling import AutoscalingConfig, TradingWorkloadAutoscaler
    from foretell.serve.deployment.resources import BatchConfig, ResourceConfig
    from foretell.serve.manager.deployment_manager import DeploymentManager
    from foretell.serve.manager.sync import SyncDeploymentManager

__all__ = [
    "AutoscalingConfig",
    "BatchConfig",
    "DeploymentManager",
    "ResourceConfig",
    "SyncDeploymentManager",
    "TradingWorkloadAutoscaler",
]
_WHERE = {
    "AutoscalingConfig": "deployment.autoscaling",
    "BatchConfig": "deployment.resources",
    "DeploymentManager": "manager.deployment_manager",
    "ResourceConfig": "deployment.resources",
    "SyncDeploymentManager": "manager.sync",
    "TradingWorkloadAutoscaler": "deployment.autoscaling",
}


def __getattr__(name: str) -> object:
    """Load what is asked for: most of this room wants no Ray, and starts without it."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"foretell.serve.{_WHERE[name]}"), name)
