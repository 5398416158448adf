"""The settings of each part, from file, environment and flags."""

from foretell.config.layers import InForce, Loaded, load
from foretell.config.serve_settings import BatchSettings, LimitSettings, SecuritySettings, ServeSettings
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
    "BatchSettings",
    "EngineSettings",
    "InForce",
    "KafkaSettings",
    "LimitSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "RaySettings",
    "RowSettings",
    "SecuritySettings",
    "ServeSettings",
    "Settings",
    "StreamSettings",
    "WindowSettings",
    "load",
]
