"""What a fleet of replicas is brought to."""

from dataclasses import dataclass

from foretell.serve.deployment.autoscaling import AutoscalingConfig
from foretell.serve.deployment.plan import Plan
from foretell.serve.deployment.resources import ResourceConfig

Scale = AutoscalingConfig | int


@dataclass(frozen=True)
class Deployed:
    """Of what replicas are made, how many, and how large."""

    plan: Plan
    scale: Scale
    resources: ResourceConfig
