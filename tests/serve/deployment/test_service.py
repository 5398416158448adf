"""What is found out before Ray is even asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.config import Settings
from foretell.errors import ConfigError
from foretell.serve.deployment.service import Service


@pytest.mark.parametrize(
    ("step_s", "words"), [(3600.0, "no multiple of windows.every"), (None, "the model has no step")]
)
def test_a_spacing_of_windows_that_does_not_suit_a_model(
    tmp_path: Path, make_bundle: Callable[..., Path], step_s: float | None, words: str
) -> None:
    good, other = make_bundle(tmp_path / "a"), make_bundle(tmp_path / "b", step_s=step_s, name="other")
    every = "7m" if step_s else "30m"
    settings = Settings.model_validate({"windows": {"every": every}})
    with pytest.raises(ConfigError, match=words):
        Service(settings).start([str(good), str(other)])
