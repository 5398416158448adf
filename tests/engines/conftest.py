"""Bundles for engines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.bundle.bundle import Bundle, open_bundle


@pytest.fixture
def bundle(tmp_path: Path, make_bundle: Callable[..., Path]) -> Bundle:
    return open_bundle(make_bundle(tmp_path))
