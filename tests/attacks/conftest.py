"""What every attack needs: something that exists only if the attack worked."""

from pathlib import Path

import pytest


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that attacks try to create; it must never exist at the end of a test."""
    return tmp_path / "trapped"
