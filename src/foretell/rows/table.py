"""Tables of rows in files: CSV, JSON lines and Parquet, as the records that the decoder reads.

A row of a file becomes the bytes of a JSON object, so that the same rules and the same errors hold as for a
record of a topic.
"""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from foretell.errors import InputError

Row = tuple[int, bytes]  # its number in the file, from 1 (a line, where the file has lines), and its JSON

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}
_PARQUET_ROWS = 10_000
# NaN becomes null, which is how a table of floats says that a cell is empty.
_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def read_table(path: Path, number_fields: frozenset[str]) -> Iterator[Row]:
    """The rows of a file, by its extension, one after the other; the file is never held whole.

    Args:
        path: `.csv` (with a header; a dotted name is a path into objects; an empty cell is a missing field),
            `.jsonl`, `.ndjson`, `.json` (a JSON object a line; empty lines are passed over), `.parquet`.
        number_fields: dotted paths whose CSV cells are numbers; all others are text.

    Raises:
        InputError: no such file, an unknown extension, a damaged file; names the line where there is one.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: unknown kind of file", cure=f"known: {', '.join(KINDS)}")
    try:
        if kind == "parquet":
            yield from _parquet(path)
            return
        with path.open("rb") as file:
            yield from _csv(file, str(path), number_fields) if kind == "csv" else json_lines(file)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", cure="check the path") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def json_lines(file: IO[bytes]) -> Iterator[Row]:
    """A row a line, as it is; empty lines are passed over."""
    for number, line in enumerate(file, 1):
        if stripped := line.strip():
            yield number, stripped


def _csv(file: IO[bytes], name: str, number_fields: frozenset[str]) -> Iterator[Row]:
    reader = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""))
    try:
        header = next(reader, [])
        _check_header(name, header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{name}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns",
                    cure="quote cells that hold commas",
                )
            yield reader.line_num, _encode(_cells(dict(zip(header, cells, strict=True)), number_fields))
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{name}, line {reader.line_num}: no valid CSV in UTF-8: {error}") from None


def _check_header(name: str, header: list[str]) -> None:
    if not header:
        raise InputError(f"{name} is empty", cure="its first line must name the columns")
    for i, column in enumerate(header):
        if column in header[:i]:
            raise InputError(f"{name}: column {column!r} stands twice", cure="rename one of them")
        if any(other.startswith(column + ".") for other in header):
            raise InputError(f"{name}: column {column!r} holds others", cure="rename it: a dot is a path")


def _cells(row: dict[str, str], number_fields: frozenset[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for column, cell in row.items():
        if cell == "":
            continue
        *parents, last = column.split(".")
        here = tree
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = _number(cell) if column in number_fields else cell
    return tree


def _number(cell: str) -> Any:
    """What is no number stays text, and what is not finite stays that: the decoder refuses both by name."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    if "_" in cell:
        return cell
    return number if math.isfinite(number) else msgspec.Raw(b"NaN")


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path}: reading Parquet needs pyarrow", cure='pip install "foretell[parquet]"'
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(_PARQUET_ROWS):
                for row in _in_microseconds(pyarrow, batch).to_pylist():
                    number += 1
                    yield number, _encode(row)
    except pyarrow.ArrowException as error:
        raise InputError(f"{path} is no readable Parquet file: {error}") from None


def _in_microseconds(pyarrow: Any, batch: Any) -> Any:
    """Python's datetime holds microseconds; a column of nanoseconds is cut to them."""
    for i, column in enumerate(batch.schema):
        if pyarrow.types.is_timestamp(column.type) and column.type.unit == "ns":
            cut = batch.column(i).cast(pyarrow.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(i, column.name, cut)
    return batch
