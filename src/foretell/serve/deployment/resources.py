"""What a replica asks of its node, and how its batches are made: the callers' words for it."""

from dataclasses import dataclass
from typing import Any

from foretell.config import BatchSettings

_GB = 1024**3


@dataclass(frozen=True)
class ResourceConfig:
    """Attributes:
    num_cpus, num_gpus: shares of the node's, for placement.
    memory_gb: likewise; a replica is not stopped above it.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.25
    memory_gb: float = 1.0

    @classmethod
    def small(cls) -> "ResourceConfig":
        """1 CPU, a quarter of a GPU, 1 GB."""
        return cls()

    @classmethod
    def medium(cls) -> "ResourceConfig":
        """2 CPUs, half a GPU, 2 GB."""
        return cls(2.0, 0.5, 2.0)

    @classmethod
    def large(cls) -> "ResourceConfig":
        """4 CPUs, a GPU, 4 GB."""
        return cls(4.0, 1.0, 4.0)

    @classmethod
    def named(cls, name: str) -> "ResourceConfig":
        """`small`, `medium` or `large`."""
        return {"small": cls.small, "medium": cls.medium, "large": cls.large}[name]()

    def for_ray(self, gpu: bool) -> dict[str, Any]:
        """Options of a Ray actor; `gpu`: whether there is one, and it is wanted."""
        return {
            "num_cpus": self.num_cpus,
            "num_gpus": self.num_gpus if gpu else 0,
            "memory": int(self.memory_gb * _GB),
        }


@dataclass(frozen=True)
class BatchConfig:
    """Batches as callers of document 000 set them; sizes in rows."""

    max_batch_size: int = 32
    batch_wait_timeout_s: float = 0.01

    def settings(self, others: BatchSettings | None = None) -> BatchSettings:
        """Put over the other settings of batches."""
        update = {"max_batch_size": self.max_batch_size, "batch_wait_timeout_s": self.batch_wait_timeout_s}
        return (others or BatchSettings()).model_copy(update=update)
