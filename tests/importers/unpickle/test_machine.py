"""Pickles are read as data: whatever protocol and compressor they were written with."""

import bz2
import gzip
import lzma
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.errors import ImportFailed, UnreadableFile, UnsupportedModel
from foretell.importers.unpickle import Instance, read_pickle

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(value=plain, protocol=st.integers(0, 5))
@settings(max_examples=200)
def test_plain_values_come_out_as_pickle_reads_them(value: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol), "x.pkl") == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        np.array(["a", "bcd"]),
        np.array([True, False]),
        np.array([1.5], ">f4"),
        np.array(["x", "y"], object),
        np.zeros((0, 3)),
    ],
)
def test_arrays_of_any_protocol(array: np.ndarray[Any, Any], protocol: int) -> None:
    found = read_pickle(pickle.dumps({"a": array}, protocol), "x.pkl")["a"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_scalars(protocol: int) -> None:
    assert read_pickle(pickle.dumps([np.float64(2.5), np.int64(7)], protocol), "x.pkl") == [2.5, 7]


def test_ordered_dictionaries() -> None:
    assert read_pickle(pickle.dumps(OrderedDict(a=1)), "x.pkl") == {"a": 1}


@pytest.mark.parametrize("protocol", range(6))
def test_a_class_of_the_users_own_becomes_its_state(pickled: Callable[..., bytes], protocol: int) -> None:
    data = pickled("src.ray.training.feature_adapter.FeatureAdapter", {"defaults": {"a": 1.0}}, protocol)
    found = read_pickle(data, "feature_adapter.pkl")
    assert isinstance(found, Instance)
    assert str(found.of) == "src.ray.training.feature_adapter.FeatureAdapter"
    assert found.state == {"defaults": {"a": 1.0}}


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_joblib_files_of_every_compressor(
    joblibbed: Callable[..., bytes], compress: Callable[[bytes], bytes]
) -> None:
    state = {"mean_": np.arange(3.0), "names": np.array(["a", "b"], object), "after": 5}
    for data in (joblibbed("somewhere.Scaler", state), compress(joblibbed("somewhere.Scaler", state))):
        found = read_pickle(data, "scaler.pkl")
        np.testing.assert_array_equal(found.state["mean_"], np.arange(3.0))
        assert found.state["names"].tolist() == ["a", "b"]
        assert found.state["after"] == 5


def test_lz4_is_named_with_a_cure() -> None:
    with pytest.raises(UnsupportedModel, match="lz4") as caught:
        read_pickle(b"\x04\x22\x4d\x18rest", "scaler.pkl")
    assert "compress=3" in str(caught.value)


@given(cut=st.integers(0, 200), flip=st.integers(0, 200), byte=st.integers(0, 255))
@settings(max_examples=300)
def test_damage_is_an_error_of_ours(cut: int, flip: int, byte: int) -> None:
    whole = bytearray(pickle.dumps({"a": [1, 2.5, "x", (1,)], "b": np.arange(3.0)}))
    whole[flip % len(whole)] = byte
    for data in (bytes(whole[: cut + 1]), bytes(whole)):
        with suppress(ImportFailed):  # anything else fails the test
            read_pickle(data, "x.pkl")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x04.", b"\x80\x04]", b'{"json": 1}'])
def test_what_is_no_pickle_is_named(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"x\.pkl"):
        read_pickle(data, "x.pkl")
