"""Which bundle a path or a name stands for."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.config import Settings
from foretell.errors import BundleNotFound, ConfigError
from foretell.serve.deployment.sources import find_bundle, only_model


def stored(folder: Path) -> Settings:
    """Settings whose models lie in the folder."""
    settings = Settings()
    return settings.model_copy(
        update={"model": settings.model.model_copy(update={"storage_path": folder, "name": None})}
    )


def test_a_path_and_a_name_under_the_storage_path(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    path, settings = make_bundle(tmp_path), stored(tmp_path)
    assert find_bundle(str(path), settings).path == find_bundle(path.name, settings).path == path


def test_a_folder_that_is_not_there_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="there is no such folder"):
        find_bundle(str(tmp_path / "nothing"), stored(tmp_path))


@pytest.mark.parametrize(("there", "told"), [((), "none"), (("a", "b"), "a, b")])
def test_which_is_the_only_one_cannot_be_told(there: tuple[str, ...], told: str, tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=re.escape(f"under {tmp_path} there is {told}")):
        only_model(stored(tmp_path))


def test_the_only_one_is_meant(tmp_path: Path) -> None:
    (tmp_path / "oslo").mkdir()
    (tmp_path / ".cache").mkdir()
    assert only_model(stored(tmp_path)) == "oslo"
