"""How many replicas there are: the callers' words for it, and the policy that Ray Serve asks."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import AliasChoices, Field, ValidationError, model_validator

from foretell.config.parts import Duration, Part
from foretell.errors import ConfigError

ONGOING = "foretell_ongoing"  # requests under way at a replica, from whichever door, since it last told
POLICY = f"{__name__}:by_ongoing"


class AutoscalingConfig(Part):
    """Between `min_replicas` and `max_replicas`, so many that each has the target under way.

    The target also goes by its older name in Ray Serve, `target_num_ongoing_requests_per_replica` (and
    `target_num_ongoing_requests`).
    """

    min_replicas: int = Field(default=2, ge=1, description="at least")
    max_replicas: int = Field(default=20, ge=1, description="at most")
    target_ongoing_requests: float = Field(
        default=5,
        gt=0,
        description="requests under way at a replica",
        validation_alias=AliasChoices(
            "target_ongoing_requests",
            "target_num_ongoing_requests_per_replica",
            "target_num_ongoing_requests",
        ),
    )
    upscale_delay_s: Duration = Field(default=30, description="load must last so long before replicas come")
    downscale_delay_s: Duration = Field(default=300, description="calm must last so long before they go")
    upscale_smoothing_factor: float = Field(default=1.0, gt=0, description="above 1: more than it takes")
    downscale_smoothing_factor: float = Field(
        default=0.5, gt=0, description="below 1: a part of it at a time"
    )
    metrics_interval_s: Duration = Field(default=10, description="how often load is told")
    look_back_period_s: Duration = Field(default=120, description="load is averaged over it")

    @model_validator(mode="after")
    def _in_order(self) -> "AutoscalingConfig":
        if self.max_replicas < self.min_replicas:
            raise ValueError(
                f"max_replicas ({self.max_replicas}) is below min_replicas ({self.min_replicas})"
            )
        return self

    @property
    def target_num_ongoing_requests_per_replica(self) -> float:
        return self.target_ongoing_requests

    def within(self, most: int) -> "AutoscalingConfig":
        """The same on a machine that has room for no more than so many."""
        most = max(1, most)
        return self.model_copy(
            update={
                "min_replicas": min(self.min_replicas, most),
                "max_replicas": min(self.max_replicas, most),
            }
        )

    def for_serve(self) -> dict[str, Any]:
        """As Ray Serve takes it."""
        return {
            "min_replicas": self.min_replicas,
            "max_replicas": self.max_replicas,
            "target_ongoing_requests": self.target_ongoing_requests,
            "upscale_delay_s": self.upscale_delay_s,
            "downscale_delay_s": self.downscale_delay_s,
            "upscaling_factor": self.upscale_smoothing_factor,
            "downscaling_factor": self.downscale_smoothing_factor,
            "metrics_interval_s": self.metrics_interval_s,
            "look_back_period_s": self.look_back_period_s,
            "policy": {"policy_function": POLICY},
        }


class TradingWorkloadAutoscaler:
    """The figures that trading hours ask for."""

    @staticmethod
    def get_market_hours_config() -> AutoscalingConfig:
        """Quick up, slow down."""
        return AutoscalingConfig(
            min_replicas=5,
            max_replicas=30,
            target_ongoing_requests=3,
            upscale_delay_s=15,
            downscale_delay_s=120,
            upscale_smoothing_factor=1.5,
            downscale_smoothing_factor=0.3,
        )

    @staticmethod
    def get_off_hours_config() -> AutoscalingConfig:
        """Few, and in no hurry."""
        return AutoscalingConfig(
            min_replicas=2,
            max_replicas=10,
            target_ongoing_requests=10,
            upscale_delay_s=60,
            downscale_delay_s=300,
            upscale_smoothing_factor=1.0,
            downscale_smoothing_factor=0.5,
        )

    @staticmethod
    def get_stress_test_config() -> AutoscalingConfig:
        """As many as it takes, at once."""
        return AutoscalingConfig(
            min_replicas=10,
            max_replicas=50,
            target_ongoing_requests=2,
            upscale_delay_s=5,
            downscale_delay_s=60,
            upscale_smoothing_factor=2.0,
            downscale_smoothing_factor=0.1,
        )


PRESETS = {
    "default": AutoscalingConfig,
    "market-hours": TradingWorkloadAutoscaler.get_market_hours_config,
    "off-hours": TradingWorkloadAutoscaler.get_off_hours_config,
    "stress-test": TradingWorkloadAutoscaler.get_stress_test_config,
}


def named_autoscaling(name: str) -> AutoscalingConfig:
    """A preset, or a YAML file with the fields of `AutoscalingConfig`.

    Raises:
        ConfigError: neither; or the file holds something else.
    """
    if name in PRESETS:
        return PRESETS[name]()
    file = Path(name)
    if not file.is_file():
        raise ConfigError(
            f"--autoscale {name}: no preset and no file",
            cure=f"give a YAML file, or one of {', '.join(PRESETS)}",
        )
    fields = ", ".join(AutoscalingConfig.model_fields)
    cure = f"it is YAML, for instance `max_replicas: 8`; its fields are {fields}"
    try:
        return AutoscalingConfig.model_validate(yaml.safe_load(file.read_text()) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}", cure=cure) from None
    except ValidationError as error:
        wrong = [_in_words(problem["type"], problem["loc"], problem["msg"]) for problem in error.errors()]
        raise ConfigError(f"{file}: " + "; ".join(wrong), cure=cure) from None


def _in_words(kind: str, where: tuple[int | str, ...], message: str) -> str:
    name = ".".join(map(str, where))
    if kind == "extra_forbidden":
        return f"there is no field {name}"
    if kind == "model_type":
        return "no fields with values"
    message = message.removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


@dataclass
class Ongoing:
    """The mean of what was under way, from samples taken at even steps, since it was last asked for.

    Attributes:
        last: the mean that was given last.
    """

    last: float = 0.0
    _sum: float = 0.0
    _count: int = 0

    def add(self, sample: float) -> None:
        self._sum += sample
        self._count += 1

    def take(self) -> float:
        """The mean; the next one begins anew."""
        self.last = self._sum / self._count if self._count else 0.0
        self._sum, self._count = 0.0, 0
        return self.last


def by_ongoing(context: Any) -> tuple[float, dict[str, Any]]:
    """Replicas that the load asks for, whichever door it came by; Serve applies bounds, delays and factors.

    Serve itself counts only what passes its handles, which the lane's requests never do; what replicas tell
    holds both. Source: the policy of `ray.serve.config.AutoscalingPolicy`.

    Args:
        context: `ray.serve.config.AutoscalingContext`.
    """
    told = context.aggregated_metrics or {}
    load = sum((told.get(ONGOING) or {}).values())
    return math.ceil(load / context.config.target_ongoing_requests - 1e-9), {}
