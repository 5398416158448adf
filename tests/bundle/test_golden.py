"""The golden sample as a file that nobody vouches for, and as a judge."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.bundle.golden import Golden, pack, unpack, worst_difference
from foretell.bundle.manifest import Manifest
from foretell.errors import ManifestInvalid


@pytest.fixture
def manifest(bundle_path: Path) -> Manifest:
    return open_bundle(bundle_path).manifest


@pytest.fixture
def golden(bundle_path: Path) -> Golden:
    return open_bundle(bundle_path).golden()


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy(array: object, **options: bool) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(array), **options)
    return out.getvalue()


def test_the_same_arrays_give_the_same_bytes(golden: Golden, manifest: Manifest) -> None:
    assert pack(golden, manifest) == pack(golden, manifest)


def test_numpy_reads_the_file_too(bundle_path: Path, golden: Golden) -> None:
    with np.load(bundle_path / "golden.npz", allow_pickle=False) as file:
        assert np.array_equal(file["windows"], golden.windows)
        assert np.array_equal(file["answer_0"], golden.answers["forecast"])


WINDOWS = npy(np.zeros((2, 7, 3), np.float32))
ANSWERS = npy(np.zeros((2, 7), np.float32))


def lying_header() -> bytes:
    """Eight terabytes by its header, nothing by its body."""
    out = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**11, 7, 3)}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"no archive", "zip"),
        (archive(windows=WINDOWS), "answer_0"),
        (
            archive(windows=npy(np.zeros((2, 6, 3), np.float32)), answer_0=ANSWERS),
            r"windows\.npy is \(2, 6, 3\)",
        ),
        (archive(windows=npy(np.zeros((0, 7, 3), np.float32)), answer_0=ANSWERS), r"\(0, 7, 3\)"),
        (
            archive(windows=WINDOWS, answer_0=npy(np.zeros((3, 7), np.float32))),
            "3 answers of `forecast` for 2",
        ),
        (archive(windows=WINDOWS, answer_0=npy(np.full((2, 7), np.nan, np.float32))), "not finite"),
        (archive(windows=npy(np.zeros((2, 7, 3))), answer_0=ANSWERS), "header"),
        (archive(windows=npy([object()], allow_pickle=True), answer_0=ANSWERS), "header"),
        (archive(windows=lying_header(), answer_0=ANSWERS), "header"),
        (archive(windows=WINDOWS[:-1], answer_0=ANSWERS), "header"),
        (archive(windows=b"", answer_0=ANSWERS), "cannot be read"),
    ],
)
def test_other_content_is_refused(data: bytes, complaint: str, manifest: Manifest) -> None:
    with pytest.raises(ManifestInvalid, match=complaint):
        unpack(data, manifest)


def test_what_unpacks_to_more_than_the_limit_is_not_unpacked(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretell.bundle.golden.LARGEST", 10_000)
    with pytest.raises(ManifestInvalid, match="unpacks to 10001 bytes"):
        unpack(archive(windows=bytes(10_001), answer_0=ANSWERS), manifest)


def test_a_difference_is_a_share_of_the_outputs_own_range() -> None:
    answers = {"small": np.array([[0.0], [0.1]], np.float32), "large": np.array([[0.0], [100.0]], np.float32)}
    golden = Golden(np.zeros((2, 1, 1), np.float32), answers)
    worst = worst_difference(golden, {"small": answers["small"] + 0.01, "large": answers["large"] + 1})
    assert worst.output == "small"
    assert worst.share == pytest.approx(0.1)


def test_equal_answers_differ_by_nothing(golden: Golden) -> None:
    assert worst_difference(golden, golden.answers).share == 0.0


def test_an_answer_that_is_not_a_number_differs_without_limit(golden: Golden) -> None:
    answers = {name: array.copy() for name, array in golden.answers.items()}
    answers["forecast"][3, 2] = np.nan
    assert worst_difference(golden, answers).share == float("inf")


def test_a_constant_output_is_measured_by_its_size() -> None:
    golden = Golden(np.zeros((2, 1, 1), np.float32), {"same": np.full((2, 1), 4.0, np.float32)})
    assert worst_difference(golden, {"same": np.full((2, 1), 5.0, np.float32)}).share == pytest.approx(0.25)
