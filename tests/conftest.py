"""What every test can count on."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def must_run() -> bool:
    """On the team's machines and in CI nothing may be skipped for want of a part."""
    return os.environ.get("FORETELL_MUST_RUN") == "1"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of real models and rows; tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared: the real model folders are on the team's machines only")
    return SHARED
