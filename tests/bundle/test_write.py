"""Written in one piece, and named by its content."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Meaning, Provenance
from foretell.bundle.write import write_bundle
from foretell.errors import BundleError, ManifestInvalid

NOBODY = Provenance(files={}, made_by="a test")


@pytest.fixture
def source(bundle_path: Path) -> Bundle:
    return open_bundle(bundle_path)


def meaning_of(bundle: Bundle, **changes: object) -> Meaning:
    fields = {name: getattr(bundle.manifest, name) for name in Meaning.__struct_fields__}
    return Meaning(**{**fields, **changes})


def test_name_time_and_provenance_do_not_change_the_version(source: Bundle, tmp_path: Path) -> None:
    notes = Provenance(files={}, made_by="somebody else", notes=("took an hour for granted",))
    again = write_bundle(
        tmp_path / "again",
        meaning_of(source),
        source.model_bytes(),
        source.golden(),
        name="renamed",
        provenance=notes,
    )
    assert again.manifest.version == source.manifest.version


def test_the_last_bits_of_golden_answers_do_not_change_the_version(source: Bundle, tmp_path: Path) -> None:
    golden = source.golden()
    answers = {name: np.nextafter(array, np.float32(9)) for name, array in golden.answers.items()}
    again = write_bundle(
        tmp_path / "again",
        meaning_of(source),
        source.model_bytes(),
        Golden(golden.windows, answers),
        name="weather",
        provenance=NOBODY,
    )
    assert again.manifest.version == source.manifest.version
    assert again.manifest.files["golden.npz"].sha256 != source.manifest.files["golden.npz"].sha256


@pytest.mark.parametrize("change", [{"step_s": 60.0}, {"target_scaling": None}, {"tolerance": 1e-4}])
def test_another_meaning_is_another_version(
    source: Bundle, tmp_path: Path, change: dict[str, object]
) -> None:
    other = write_bundle(
        tmp_path / "other",
        meaning_of(source, **change),
        source.model_bytes(),
        source.golden(),
        name="weather",
        provenance=NOBODY,
    )
    assert other.manifest.version != source.manifest.version
    assert open_bundle(other.path) == other


def test_another_model_is_another_version(
    source: Bundle, tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    assert open_bundle(make_bundle(tmp_path / "b", seed=1)).manifest.version != source.manifest.version


def test_writing_the_same_again_changes_nothing(source: Bundle, make_bundle: Callable[..., Path]) -> None:
    before = (source.path / "bundle.json").stat()
    make_bundle(source.path.parent)
    after = (source.path / "bundle.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_another_bundle_is_not_overwritten(source: Bundle, make_bundle: Callable[..., Path]) -> None:
    with pytest.raises(BundleError, match=f"holds weather:{source.manifest.version}"):
        make_bundle(source.path.parent, seed=1)
    assert open_bundle(source.path) == source


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, make_bundle: Callable[..., Path]) -> None:
    (tmp_path / "weather").mkdir()
    (tmp_path / "weather" / "diary.txt").write_text("mine")
    with pytest.raises(BundleError, match="not empty"):
        make_bundle(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["weather", "diary.txt"]


def test_a_write_that_fails_leaves_nothing(
    source: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_bundle: Callable[..., Path]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        make_bundle(tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []


def test_golden_of_another_shape_is_refused(source: Bundle, tmp_path: Path) -> None:
    golden = source.golden()
    with pytest.raises(ManifestInvalid, match=r"windows\.npy is \(16, 6, 3\)"):
        write_bundle(
            tmp_path / "x",
            meaning_of(source),
            source.model_bytes(),
            Golden(golden.windows[:, 1:], golden.answers),
            name="weather",
            provenance=NOBODY,
        )
    assert not (tmp_path / "x").exists()


def test_the_manifest_reads_back_as_it_was_written(source: Bundle) -> None:
    text = (source.path / "bundle.json").read_bytes()
    assert msgspec.json.decode(text)["format"] == 1
    assert list(msgspec.json.decode(text))[:4] == ["format", "name", "version", "created"]
