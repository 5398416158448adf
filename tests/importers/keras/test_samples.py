"""Models that Keras itself saved, held to the answers that Keras gave."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from foretell.importers.keras import read_keras

SAMPLES = Path(__file__).parent / "samples"
KINDS = sorted(path.stem for path in SAMPLES.glob("*.npz"))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("kind", KINDS)
def test_reference_and_lowering_answer_as_keras_does(kind: str, suffix: str) -> None:
    network = read_keras((SAMPLES / f"{kind}{suffix}").read_bytes(), kind)
    recorded = np.load(SAMPLES / f"{kind}.npz")
    windows = recorded["windows"]
    session = ort.InferenceSession(network.model, providers=["CPUExecutionProvider"])
    by_onnx = session.run([output.name for output in network.outputs], {"window": windows})
    for index, (ours, onnx) in enumerate(zip(network.reference(windows), by_onnx, strict=True)):
        theirs = recorded[f"answer_{index}"]
        reach = np.ptp(theirs)
        assert ours.shape == theirs.shape == (len(windows), *network.outputs[index].shape)
        assert np.abs(ours - theirs).max() <= 1e-6 * reach
        assert np.abs(onnx - theirs).max() <= 2e-6 * reach


def test_every_kind_has_a_sample() -> None:
    assert {"recurrent", "bidirectional", "convolution", "functional", "mixed_precision"} <= set(KINDS)


def test_outputs_keep_their_layers_names() -> None:
    network = read_keras((SAMPLES / "functional.keras").read_bytes(), "functional.keras")
    assert [output.name for output in network.outputs] == ["forecast", "kind"]
    assert network.made_by.startswith("Keras 3.")


def test_both_files_of_a_model_become_the_same_network() -> None:
    h5, archive = (read_keras((SAMPLES / f"recurrent{s}").read_bytes(), "m").model for s in (".h5", ".keras"))
    assert h5 == archive
