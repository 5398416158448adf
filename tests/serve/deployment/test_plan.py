"""What travels to the replicas."""

from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.bundle.bundle import open_bundle
from foretell.errors import AdapterError
from foretell.rows.adapter import Adapter, FeatureRule
from foretell.serve.deployment.plan import ModelFiles


def test_an_adapter_of_the_settings_takes_the_place_of_the_bundles_own(
    tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    """As if the bundle had been imported with it: same content, same version."""
    file = tmp_path / "adapter.yaml"
    file.write_text("features: {temperature: {field: air.temperature, unit: degC, model_unit: degF}}")
    adapter = Adapter({"temperature": FeatureRule("air.temperature", "degC", None, "degF")})
    plain = open_bundle(make_bundle(tmp_path / "plain"))
    imported = open_bundle(make_bundle(tmp_path / "imported", adapter=adapter))
    files = ModelFiles.of(plain, file)
    assert files.version == imported.manifest.version != plain.manifest.version
    folder = tmp_path / "there"
    folder.mkdir()
    for name, content in files.files.items():
        (folder / name).write_bytes(content)
    assert open_bundle(folder).manifest.adapter == adapter
    assert ModelFiles.of(plain).version == plain.manifest.version


def test_an_adapter_that_does_not_fit_is_told_with_its_line(
    tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text("features:\n  pressure: {field: p}")
    with pytest.raises(AdapterError, match=r"line 2: .*no feature 'pressure'"):
        ModelFiles.of(open_bundle(make_bundle(tmp_path)), file)
