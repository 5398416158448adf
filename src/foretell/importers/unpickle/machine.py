"""The pickle machine: every opcode as an operation on data.

The opcodes and their arguments are those of the standard library's `pickletools`; what each does follows
`pickle._Unpickler`, except that no global is looked up, no object is made and nothing is called.
"""

import io
import pickletools
from typing import Any

from foretell.errors import ImportFailed, UnreadableFile, UnsafePickle
from foretell.importers.unpickle import arrays
from foretell.importers.unpickle.calls import call
from foretell.importers.unpickle.stand_ins import ArrayShell, DtypeShell, Global, Instance
from foretell.importers.unpickle.stream import unpacked

MAX_OPCODES = 250_000
MAX_NESTED = 4  # a joblib array of objects is a pickle within the pickle
MAX_LONG_BYTES = 64
_CURE = "foretell reads files as data and runs nothing in them; save the scaler itself with joblib or pickle"
_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_MARK = object()
_OPCODES = {op.code: op for op in pickletools.opcodes}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


def read_pickle(data: bytes, name: str) -> Any:
    """The object in a pickle or joblib file: numbers, texts, lists, dicts, arrays, and `Instance`s.

    Args:
        data: the file's bytes, compressed or not.
        name: of the file, for messages.

    Raises:
        UnsafePickle: to be read as pickle reads it, something would have to be called; names it.
        UnreadableFile: damaged, no pickle, or larger than a scaler can be.
    """
    try:
        return _Machine(io.BytesIO(unpacked(data, name))).run()
    except UnsafePickle as error:
        raise UnsafePickle(f"{name}: {error.message}", cure=_CURE) from None
    except UnreadableFile as error:
        raise UnreadableFile(f"{name}: {error.message.removeprefix(f'{name}: ')}") from None
    except ImportFailed:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError) as error:
        raise UnreadableFile(f"{name}: is no pickle, or damaged ({type(error).__name__})") from None


class _Machine:
    """One pickle stream: a stack of stacks (a mark opens a new one) and a memo."""

    def __init__(self, file: io.BytesIO, nested: int = 0) -> None:
        if nested > MAX_NESTED:
            raise UnreadableFile("holds pickles nested in pickles too deeply")
        self.file = file
        self.nested = nested
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = MAX_OPCODES

    def run(self) -> Any:
        """Read up to STOP, and leave the file there."""
        while True:
            code = self.file.read(1)
            op = _OPCODES.get(code.decode("latin1"))
            if op is None:
                raise UnreadableFile("is no pickle, or ends before its end")
            self.left -= 1
            if self.left < 0:
                raise UnreadableFile(f"takes more than {MAX_OPCODES:,} steps to read, too many for a scaler")
            if op.name in ("LONG4", "BINSTRING", "LONG1"):
                self._bounded(op.name)
            argument = op.arg.reader(self.file) if op.arg else None
            if op.name == "STOP":
                return _finished(self.stack.pop())
            self._step(op.name, argument)

    def _bounded(self, name: str) -> None:
        """Numbers of thousands of digits cost quadratic time wherever they go."""
        at = self.file.tell()
        width = 1 if name == "LONG1" else 4
        size = int.from_bytes(self.file.read(width), "little", signed=width == 4)
        self.file.seek(at)
        if name != "BINSTRING" and size > MAX_LONG_BYTES:
            raise UnreadableFile(f"holds a number of {size} bytes")

    def _step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _PUSHES:
            self.stack.append(argument)
        else:
            handler = getattr(self, f"_op_{name.lower()}", None)
            if handler is None:
                raise UnsafePickle(f"uses the pickle instruction {name}, which no scaler needs")
            handler(argument)

    def _to_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise UnreadableFile("is damaged: a group has no start")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    # The stack and the memo.
    def _op_proto(self, _: Any) -> None: ...
    def _op_frame(self, _: Any) -> None: ...
    def _op_mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _op_pop(self, _: Any) -> None:
        self.stack.pop()

    def _op_pop_mark(self, _: Any) -> None:
        self._to_mark()

    def _op_dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _op_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _op_put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    _op_binput = _op_long_binput = _op_put

    def _op_get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _op_binget = _op_long_binget = _op_get

    # Containers.
    def _op_empty_list(self, _: Any) -> None:
        self.stack.append([])

    def _op_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _op_empty_set(self, _: Any) -> None:
        self.stack.append(set())

    def _op_list(self, _: Any) -> None:
        self.stack.append(self._to_mark())

    def _op_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._to_mark()))

    def _tuple_of(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def _op_tuple1(self, _: Any) -> None:
        self._tuple_of(1)

    def _op_tuple2(self, _: Any) -> None:
        self._tuple_of(2)

    def _op_tuple3(self, _: Any) -> None:
        self._tuple_of(3)

    def _op_dict(self, _: Any) -> None:
        self.stack.append(_filled({}, self._to_mark()))

    def _op_frozenset(self, _: Any) -> None:
        self.stack.append(frozenset(_key(item) for item in self._to_mark()))

    def _op_append(self, _: Any) -> None:
        item = self.stack.pop()
        _a(list, self.stack[-1]).append(item)

    def _op_appends(self, _: Any) -> None:
        items = self._to_mark()
        _a(list, self.stack[-1]).extend(items)

    def _op_additems(self, _: Any) -> None:
        items = self._to_mark()
        _a(set, self.stack[-1]).update(_key(item) for item in items)

    def _op_setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _filled(_a(dict, self.stack[-1]), [key, value])

    def _op_setitems(self, _: Any) -> None:
        items = self._to_mark()
        _filled(_a(dict, self.stack[-1]), items)

    # Names, objects and calls: what pickle would do, as data.
    def _op_global(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self.stack.append(Global(module, name))

    def _op_stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise UnsafePickle("names a global by something that is no text")
        self.stack.append(Global(module, name))

    def _op_newobj(self, _: Any) -> None:
        self.stack.pop()  # arguments of __new__, which is not called
        self.stack[-1] = Instance(_class(self.stack[-1]))

    def _op_newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._op_newobj(None)

    def _op_reduce(self, _: Any) -> None:
        args = self.stack.pop()
        self.stack[-1] = call(self.stack[-1], args)

    def _op_obj(self, _: Any) -> None:
        items = self._to_mark()
        raise UnsafePickle(
            f"would call {items[0] if isinstance(items[0], Global) else 'something'} to be read"
        )

    def _op_inst(self, argument: str) -> None:
        raise UnsafePickle(f"would call {argument.replace(' ', '.')} to be read")

    def _op_build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, DtypeShell):
            arrays.set_dtype_state(target, state)
        elif isinstance(target, ArrayShell):
            arrays.set_array_state(target, state)
        elif isinstance(target, Instance):
            _set_state(target, state)
            if target.of == _WRAPPER:
                self.stack[-1] = self._inline_array(target.state)
        else:
            raise UnsafePickle("gives a state to something that has none")

    def _inline_array(self, wrapper: dict[str, Any]) -> ArrayShell:
        """joblib writes an array's bytes right behind the object that describes it."""
        dtype = wrapper.get("dtype")
        if wrapper.get("subclass") != Global("numpy", "ndarray") or not isinstance(dtype, DtypeShell):
            raise UnsafePickle("holds a joblib array that is no numpy.ndarray")
        if dtype.code.startswith("O"):
            return ArrayShell(_Machine(self.file, self.nested + 1).run())
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            padding = self.file.read(1)
            self.file.read(padding[0])
        shape = wrapper.get("shape")
        size = arrays.element_count(shape) * dtype.dtype().itemsize
        raw = self.file.read(min(size, len(self.file.getbuffer())))
        return ArrayShell(arrays.build(shape, dtype, wrapper.get("order") == "F", raw))


_PUSHES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise UnreadableFile(f"is damaged: expected a {kind.__name__}")
    return value


def _class(value: Any) -> Global:
    if not isinstance(value, Global):
        raise UnsafePickle("makes an object of something that is no named class")
    return value


def _key(value: Any) -> Any:
    """A dictionary key: plain values only, since hashing deep ones would exhaust the C stack."""
    flat = value if isinstance(value, tuple) else (value,)
    if not all(part is None or isinstance(part, str | bytes | int | float) for part in flat):
        raise UnreadableFile("holds a dictionary with keys that are no plain values")
    return value


def _filled(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise UnreadableFile("is damaged: a dictionary's last key has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_key(key)] = _finished(value)
    return target


def _set_state(target: Instance, state: Any) -> None:
    plain, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (plain, slots):
        if part is not None:
            target.state.update({str(key): value for key, value in _a(dict, part).items()})


def _finished(value: Any) -> Any:
    """The array in its shell; everything else as it is."""
    if isinstance(value, ArrayShell):
        if value.value is None:
            raise UnreadableFile("holds an array without a state")
        return value.value
    return value
