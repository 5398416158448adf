"""The few functions whose calls in a pickle are known, each answered by what it would have built."""

from collections.abc import Callable
from typing import Any

from foretell.errors import UnreadableFile, UnsafePickle
from foretell.importers.unpickle import arrays
from foretell.importers.unpickle.stand_ins import ArrayShell, DtypeShell, Global, Instance


def _reconstruct(args: tuple[Any, ...]) -> ArrayShell:
    if not args or args[0] not in _NDARRAY:
        raise UnsafePickle("asks NumPy to reconstruct something that is no array")
    return ArrayShell()


def _frombuffer(args: tuple[Any, ...]) -> ArrayShell:
    if len(args) != 4 or not isinstance(args[1], DtypeShell):
        raise UnreadableFile("holds an array without a dtype")
    return ArrayShell(arrays.build(args[2], args[1], args[3] == "F", args[0]))


def _encode(args: tuple[Any, ...]) -> bytes:
    # Pickles of protocol 2 and below write bytes as latin1 text.
    if len(args) == 2 and isinstance(args[0], str) and args[1] in ("latin1", "latin-1"):
        return args[0].encode("latin1", "replace")
    raise UnsafePickle("calls _codecs.encode for something else than bytes as latin1 text")


def _empty_bytes(args: tuple[Any, ...]) -> bytes:
    if args:
        raise UnsafePickle("calls bytes with arguments")
    return b""


def _reconstructor(args: tuple[Any, ...]) -> Instance:
    if len(args) == 3 and isinstance(args[0], Global) and args[1] in _OBJECT and args[2] is None:
        return Instance(args[0])
    raise UnsafePickle("calls copyreg._reconstructor for something else than a plain object")


def _ordered_dict(args: tuple[Any, ...]) -> dict[Any, Any]:
    if args:
        raise UnsafePickle("calls collections.OrderedDict with arguments")
    return {}


_NUMPY = ("numpy.core", "numpy._core")
_NDARRAY = (Global("numpy", "ndarray"),)
_OBJECT = (Global("builtins", "object"), Global("__builtin__", "object"))
_CALLS: dict[Global, Callable[[tuple[Any, ...]], Any]] = {
    Global("numpy", "dtype"): arrays.dtype_shell,
    Global("_codecs", "encode"): _encode,
    Global("__builtin__", "bytes"): _empty_bytes,
    Global("builtins", "bytes"): _empty_bytes,
    Global("copy_reg", "_reconstructor"): _reconstructor,
    Global("copyreg", "_reconstructor"): _reconstructor,
    Global("collections", "OrderedDict"): _ordered_dict,
}
for _root in _NUMPY:
    _CALLS[Global(f"{_root}.multiarray", "_reconstruct")] = _reconstruct
    _CALLS[Global(f"{_root}.multiarray", "scalar")] = arrays.scalar
    _CALLS[Global(f"{_root}.numeric", "_frombuffer")] = _frombuffer


def call(function: Any, args: Any) -> Any:
    """What the call would have built, from the list above.

    Raises:
        UnsafePickle: names the function when it is not on the list.
    """
    if not isinstance(function, Global):
        raise UnsafePickle("calls something that is no named function")
    known = _CALLS.get(function)
    if known is None:
        raise UnsafePickle(f"would call {function} to be read")
    if not isinstance(args, tuple):
        raise UnreadableFile(f"calls {function} without arguments")
    return known(args)
