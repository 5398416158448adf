"""`ray.init` as it is called here: it prints nothing, and what it complains of fits a line."""

import logging
from typing import Any

import ray


def init(address: str, **options: Any) -> None:
    """Raises whatever Ray's layers raise."""
    ray.init(
        address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True, **options
    )


def in_a_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
