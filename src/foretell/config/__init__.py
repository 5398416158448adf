"""The settings of each part, from file, environment and flags."""

from foretell.config.layers import InForce, Loaded, load
from foretell.config.settings import (
    EngineSettings,
    KafkaSettings,
    LogSettings,
    ModelSettings,
    RaySettings,
    RowSettings,
    Settings,
    StreamSettings,
    WindowSettings,
)

__all__ = [
    "EngineSettings",
    "InForce",
    "KafkaSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "RaySettings",
    "RowSettings",
    "Settings",
    "StreamSettings",
    "WindowSettings",
    "load",
]
