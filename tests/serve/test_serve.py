"""The names that callers of the trading models use come from one place."""

import subprocess
import sys

import pytest

import foretell.serve


@pytest.mark.parametrize("name", foretell.serve.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(foretell.serve, name).__name__ == name


def test_no_other_is() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Deployment'"):
        foretell.serve.Deployment  # noqa: B018


def test_the_room_opens_without_ray() -> None:
    told = "import sys, foretell.serve; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0
