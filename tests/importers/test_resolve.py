"""Which folder the settings mean, and that a model's files are imported once."""

import json
from pathlib import Path

import pytest

from foretell.bundle.manifest import MANIFEST
from foretell.config import Settings
from foretell.errors import BundleNotFound, ConfigError, ForetellError, ImportFailed, SourceNotFound
from foretell.importers.resolve import resolve_bundle


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "foretell"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "models"


def settings(storage: Path, **model: object) -> Settings:
    return Settings.model_validate({"model": {"storage_path": storage, **model}})


def folder(path: Path, *names: str) -> Path:
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_text(name)
    return path


class Importer:
    """Stands for the importers: writes a manifest that says how often it was asked."""

    def __init__(self) -> None:
        self.sources: list[Path] = []

    def __call__(self, source: Path, out: Path, settings: Settings) -> None:
        self.sources.append(source)
        folder(out, MANIFEST)


@pytest.mark.parametrize("under", ["trained/forecasting/weather", "weather"])
def test_a_bundle_is_found_by_name_in_either_place(storage: Path, under: str) -> None:
    bundle = folder(storage / under, MANIFEST)
    assert resolve_bundle(settings(storage, name="weather")) == bundle


def test_the_place_of_the_requirements_comes_first(storage: Path) -> None:
    folder(storage / "weather", MANIFEST)
    first = folder(storage / "trained/forecasting/weather", MANIFEST)
    assert resolve_bundle(settings(storage, name="weather")) == first


def test_a_store_is_asked_for_versions_and_aliases(storage: Path) -> None:
    one = folder(storage / "weather" / "0123456789ab", MANIFEST)
    two = folder(storage / "weather" / "ba9876543210", MANIFEST)
    (folder(storage / "weather" / "aliases") / "latest").write_text("ba9876543210\n")
    assert resolve_bundle(settings(storage, name="weather")) == two
    assert resolve_bundle(settings(storage, name="weather:0123456789ab")) == one
    for missing in ("weather@production", "weather:fedcba987654"):
        with pytest.raises(BundleNotFound, match=missing) as caught:
            resolve_bundle(settings(storage, name=missing))
        assert "weather:ba9876543210 @latest" in str(caught.value.cure)


def test_a_path_is_taken_as_it_is(tmp_path: Path, storage: Path) -> None:
    bundle = folder(tmp_path / "elsewhere", MANIFEST)
    assert resolve_bundle(settings(storage, bundle=bundle, name="other")) == bundle
    with pytest.raises(BundleNotFound, match="nowhere"):
        resolve_bundle(settings(storage, bundle=tmp_path / "nowhere"))


def test_files_are_imported_once_until_something_changes(storage: Path, tmp_path: Path) -> None:
    source, run = folder(storage / "lstm", "model.h5"), Importer()
    first = resolve_bundle(settings(storage, name="lstm"), run)
    assert first.parent == storage / ".foretell"
    assert resolve_bundle(settings(storage, name="lstm"), run) == first
    assert run.sources == [source]
    (source / "model.h5").write_text("trained again")
    second = resolve_bundle(settings(storage, name="lstm"), run)
    third = resolve_bundle(settings(storage, name="lstm", step="1h"), run)
    adapter = tmp_path / "adapter.yaml"
    adapter.write_text("features: {}")
    told = settings(storage, name="lstm", step="1h").model_copy(
        update={"rows": Settings().rows.model_copy(update={"adapter": adapter})}
    )
    fourth = resolve_bundle(told, run)
    assert len({first, second, third, fourth}) == len(run.sources) == 4


def test_a_storage_that_is_read_only_is_left_alone(
    storage: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(storage / "lstm", "model.h5")
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).is_relative_to(cache))
    bundle = resolve_bundle(settings(storage, name="lstm"), Importer())
    assert bundle.parent == cache
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert resolve_bundle(settings(storage, name="lstm"), Importer()) == bundle
    (storage / "lstm" / "model.h5").write_text("new")
    with pytest.raises(ForetellError, match="no folder can be written") as raised:
        resolve_bundle(settings(storage, name="lstm"), Importer())
    assert "XDG_CACHE_HOME" in (raised.value.cure or "")


def test_an_import_that_fails_leaves_nothing(storage: Path) -> None:
    def fail(source: Path, out: Path, settings: Settings) -> None:
        folder(out, "model.onnx")
        raise ImportFailed("a layer is not known")

    folder(storage / "lstm", "model.h5")
    with pytest.raises(ImportFailed):
        resolve_bundle(settings(storage, name="lstm"), fail)
    assert list((storage / ".foretell").iterdir()) == []


def test_of_two_imports_at_a_time_one_result_stands(storage: Path) -> None:
    def slow(source: Path, out: Path, given: Settings) -> None:
        others.append(resolve_bundle(given, Importer()))
        folder(out, MANIFEST)

    others: list[Path] = []
    folder(storage / "lstm", "model.h5")
    mine = resolve_bundle(settings(storage, name="lstm"), slow)
    assert others == [mine]
    assert [p.name for p in mine.parent.iterdir()] == [mine.name]


def test_not_found_names_the_places_and_what_is_there(storage: Path) -> None:
    folder(storage / "trained/forecasting/lstm", "model.h5")
    folder(storage / "other", "model.h5")
    with pytest.raises(SourceNotFound, match="Model directory not found: nope") as raised:
        resolve_bundle(settings(storage, name="nope"))
    assert str(storage / "trained/forecasting/nope") in raised.value.message
    assert str(storage / "nope") in raised.value.message
    assert "there is: lstm, other\n" in (raised.value.cure or "")


@pytest.mark.parametrize("name", ["../secrets", "/etc", "a/../../b", "."])
def test_a_name_does_not_leave_the_storage(storage: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="leaves the storage path"):
        resolve_bundle(settings(storage, name=name))


def test_no_model_at_all(storage: Path) -> None:
    with pytest.raises(ConfigError, match="no model is named") as raised:
        resolve_bundle(settings(storage))
    assert "--model-name" in (raised.value.cure or "")


@pytest.mark.shared
def test_the_folder_of_the_requirements_becomes_a_bundle(shared: Path, storage: Path) -> None:
    name = "LSTM_FineTuned_20260124_193541"
    (storage / "trained/forecasting").mkdir(parents=True)
    (storage / "trained/forecasting" / name).symlink_to(shared / "models" / name)
    bundle = resolve_bundle(settings(storage, name=name, step="1h"))
    manifest = json.loads((bundle / MANIFEST).read_text())
    assert (manifest["name"], manifest["step_s"], manifest["horizon"]) == (name, 3600.0, 7)
