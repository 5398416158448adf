"""Pickles that execute when pickle reads them, and pickles that grow: neither may happen here."""

import builtins
import functools
import os
import pickle
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.errors import ImportFailed, UnreadableFile, UnsafePickle
from foretell.importers.sklearn import read_scaler
from foretell.importers.unpickle import read_pickle
from foretell.importers.unpickle.machine import MAX_OPCODES

MAX_PEAK = 300 * 2**20


class Calls:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def touch(trap: Path) -> str:
    return f"touch '{trap}'"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def by_reduce(trap: Path) -> bytes:
    return pickle.dumps(Calls(os.system, touch(trap)))


def by_eval(trap: Path) -> bytes:
    return pickle.dumps(Calls(builtins.eval, f"open({str(trap)!r}, 'w').close()"))


def inside_a_dictionary(trap: Path) -> bytes:
    return pickle.dumps({"mean_": [1, (Calls(os.system, touch(trap)),)]})


def by_inst(trap: Path) -> bytes:
    return b"(" + text(touch(trap)) + b"ios\nsystem\n."


def by_obj(trap: Path) -> bytes:
    return b"(cos\nsystem\n" + text(touch(trap)) + b"o."


def by_dotted_name(trap: Path) -> bytes:
    return b"\x80\x04" + text("shutil") + text("os.system") + b"\x93" + text(touch(trap)) + b"\x85R."


def by_partial(trap: Path) -> bytes:
    return pickle.dumps(Calls(functools.partial(os.system, touch(trap))))


def by_a_state_that_is_set_later(trap: Path) -> bytes:
    """A harmless partial, made by a call, is given a function by its state and then called itself."""
    made = b"cfunctools\npartial\n(cbuiltins\nlen\ntR"
    state = b"(cos\nsystem\n(" + text(touch(trap)) + b"t}Ntb"
    return b"\x80\x02" + made + state + b")R."


EXECUTING = [
    by_reduce,
    by_eval,
    inside_a_dictionary,
    by_inst,
    by_obj,
    by_dotted_name,
    by_partial,
    by_a_state_that_is_set_later,
]


@pytest.mark.parametrize("attack", EXECUTING)
def test_the_attack_is_one(attack: Callable[[Path], bytes], trap: Path) -> None:
    pickle.loads(attack(trap))
    assert trap.exists()


@pytest.mark.parametrize("attack", EXECUTING)
@pytest.mark.parametrize("pack", [bytes, zlib.compress])
def test_a_pickle_that_executes_is_refused_by_name(
    attack: Callable[[Path], bytes], pack: Callable[[bytes], bytes], trap: Path
) -> None:
    with pytest.raises(UnsafePickle, match=r"scaler_X\.pkl: ") as caught:
        read_scaler(pack(attack(trap)), "scaler_X.pkl")
    assert not trap.exists()
    assert caught.value.cure


def test_the_message_names_what_would_be_called(trap: Path) -> None:
    with pytest.raises(UnsafePickle, match=r"would call (posix|nt)\.system to be read"):
        read_pickle(by_reduce(trap), "x.pkl")


@pytest.mark.parametrize(
    "function",
    [
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.testing._private.utils", "runstring"),
        ("joblib", "load"),
        ("sklearn.preprocessing._data", "StandardScaler"),
        ("builtins", "getattr"),
        ("operator", "attrgetter"),
        ("importlib", "import_module"),
        ("foretell.cli", "main"),
    ],
)
def test_no_call_outside_the_list(function: tuple[str, str]) -> None:
    module, name = function
    with pytest.raises(UnsafePickle, match=rf"{module}\.{name}"):
        read_pickle(f"c{module}\n{name}\n".encode() + b"(" + text("x") + b"tR.", "x.pkl")


def test_reconstruct_makes_arrays_and_nothing_else() -> None:
    data = b"cnumpy.core.multiarray\n_reconstruct\n(csubprocess\nPopen\n(K\x00tC\x01btR."
    with pytest.raises(UnsafePickle, match="no array"):
        read_pickle(data, "x.pkl")


def test_codecs_encode_knows_latin1_alone() -> None:
    data = b"c_codecs\nencode\n(" + text("x") + text("rot13") + b"tR."
    with pytest.raises(UnsafePickle, match="_codecs"):
        read_pickle(data, "x.pkl")


def test_an_object_of_a_dangerous_class_is_a_name_and_nothing_more(trap: Path) -> None:
    popen = (
        b"\x80\x02csubprocess\nPopen\n" + text(touch(trap)) + b"\x85\x81}" + text("args") + text("x") + b"sb."
    )
    with pytest.raises(ImportFailed, match=r"subprocess\.Popen"):
        read_scaler(popen, "x.pkl")
    assert not trap.exists()


@pytest.mark.parametrize("opcode", [b"Pid\n", b"NQ", b"\x82\x01", b"\x97", b"N\x98"])
def test_instructions_that_reach_outside(opcode: bytes) -> None:
    with pytest.raises(UnsafePickle):
        read_pickle(b"\x80\x05" + opcode + b".", "x.pkl")


def test_inside_a_joblib_array_of_objects(joblib_attack: bytes, trap: Path) -> None:
    with pytest.raises(UnsafePickle, match="system"):
        read_scaler(joblib_attack, "scaler_X.pkl")
    assert not trap.exists()


@pytest.fixture
def joblib_attack(trap: Path) -> bytes:
    """joblib's form: an array of objects is a pickle of its own behind the object that describes it."""
    wrapper = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}("
    state = (
        *(text("subclass") + b"cnumpy\nndarray\n", text("shape") + b"K\x01\x85", text("order") + text("C")),
        *(text("dtype") + b"cnumpy\ndtype\n" + text("O8") + b"\x85R", text("allow_mmap") + b"\x89"),
    )
    return wrapper + b"".join(state) + b"ub" + by_reduce(trap) + b"."


@pytest.fixture
def measured() -> Iterator[None]:
    """What a hostile file makes us allocate stays within bounds."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_PEAK


def nested_tuples(depth: int) -> bytes:
    return b"\x80\x02)" + b"\x85" * depth


def array_state(dtype: bytes, shape: bytes, raw: bytes) -> bytes:
    head = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    return head + b"(K\x01" + shape + b"cnumpy\ndtype\n" + text(dtype.decode()) + b"\x85R\x89" + raw + b"tb."


GROWING = {
    "number of a million bytes": b"\x80\x02\x8b" + struct.pack("<i", 10**6) + b"\x01" * 10**6 + b".",
    "number of a million digits": b"L" + b"9" * 10**6 + b"L\n.",
    "text that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "far too many instructions": b"\x80\x02" + b"N0" * MAX_OPCODES + b"N.",
    "deep key": b"\x80\x02}" + nested_tuples(100_000)[2:] + b"Ns.",
    "shape without bytes": array_state(b"f8", b"\x8a\x05\x00\x00\x00\x00\x10\x85", b"C\x00"),
    "negative shape": array_state(b"f8", b"J\xff\xff\xff\xff\x85", b"C\x00"),
    "items of no size": array_state(b"S", b"\x8a\x05\x00\x00\x00\x00\x10\x85", b"C\x00"),
    "objects that are not there": array_state(b"O8", b"\x8a\x05\x00\x00\x00\x00\x10\x85", b"]"),
    "text of a gigabyte each": array_state(b"S999999", b"K\x05\x85", b"C\x00"),
    "void": array_state(b"V8", b"K\x01\x85", b"C\x08aaaaaaaa"),
    "bomb of zlib": zlib.compress(bytes(80 * 2**20)),
}


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("data", GROWING.values(), ids=GROWING.keys())
def test_a_pickle_that_grows_is_refused(data: bytes) -> None:
    with pytest.raises((UnreadableFile, UnsafePickle), match=r"x\.pkl"):
        read_pickle(data, "x.pkl")


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("opcode", [b"\x85", b"]\x94a"])
def test_a_pickle_that_is_deep_is_no_scaler(opcode: bytes) -> None:
    data = nested_tuples(100_000) if opcode == b"\x85" else b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999
    with pytest.raises(ImportFailed, match=r"x\.pkl"):
        read_scaler(data + b".", "x.pkl")


def test_pickles_in_pickles_have_an_end(joblib_attack: bytes) -> None:
    head = joblib_attack[: joblib_attack.index(b"\x89ub") + 3]
    with pytest.raises(UnreadableFile, match="nested"):
        read_pickle(head * 50, "x.pkl")


def test_an_ordinary_pickle_is_still_read() -> None:
    assert read_pickle(pickle.dumps({"mean_": np.arange(3.0)}), "x.pkl")["mean_"].tolist() == [0, 1, 2]
