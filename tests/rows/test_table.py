"""Files of rows become the records that the decoder reads, with the same rules and errors."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from foretell.config import RowSettings
from foretell.errors import InputError
from foretell.rows.adapter import Adapter, FeatureRule
from foretell.rows.block import RowBlock
from foretell.rows.decoder import RowDecoder
from foretell.rows.reasons import Reason
from foretell.rows.table import read_table

ADAPTER = Adapter({"wind": FeatureRule("air.wind")})


def read(path: Path) -> tuple[list[int], RowBlock]:
    decoder = RowDecoder(RowSettings(), ["temperature", "wind"], ADAPTER)
    rows = list(read_table(path, decoder.number_fields))
    values = [row for _, row in rows]
    block = decoder.decode(values, [None] * len(rows), np.zeros(len(rows), np.int64))
    return [number for number, _ in rows], block


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv(tmp_path: Path) -> None:
    lines = [
        "station,timestamp,temperature,air.wind,note",
        '007,2013-10-01 05:00:00, 18.5 ,.5,"of two',
        'lines"',
        "",
        "JFK,2013-10-01 05:00:00,,1,",
        "JFK,2013-10-01 05:00:00,warm,1,",
        "JFK,2013-10-01 05:00:00,nan,1,",
        "JFK,2013-10-01 05:00:00,-inf,1,",
        "JFK,2013-10-01 05:00:00,1_000,1,",
    ]
    numbers, block = read(write(tmp_path / "a.csv", "\ufeff" + "\r\n".join(lines)))
    assert numbers == [3, 5, 6, 7, 8, 9]
    assert block.series[0] == "007"
    assert block.values[0].tolist() == [18.5, 0.5]
    words = [Reason(r).word for r in block.reason[1:]]
    assert words == ["missing_field", "wrong_type", "not_finite", "not_finite", "wrong_type"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 cells under 2 columns"),
        ("a,b\n1\n", "line 2: 1 cells under 2 columns"),
        (b"a,b\n\xff,2\n", "no valid CSV in UTF-8"),
        ("a,a.b\n1,2\n", "column 'a' holds others"),
        ("a.b,a\n1,2\n", "column 'a' holds others"),
        ("a,a\n1,2\n", "column 'a' stands twice"),
    ],
)
def test_broken_csv(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(read_table(write(tmp_path / "a.csv", text), frozenset()))
    assert message in caught.value.message


def test_json_lines(tmp_path: Path) -> None:
    good = b'{"station": "JFK", "timestamp": "2013-10-01T05:00:00Z", "temperature": 1, "air": {"wind": 2}}'
    numbers, block = read(write(tmp_path / "a.jsonl", b"\n".join([good, b"", b"nonsense", good + b"\r"])))
    assert numbers == [1, 3, 4]
    assert [Reason(r).word for r in block.reason] == ["ok", "not_json", "ok"]
    assert block.values[0].tolist() == [1.0, 2.0]


def test_parquet(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    at = datetime(2013, 10, 1, 5, 0, 0, tzinfo=UTC)
    nanoseconds = pyarrow.array([at] * 4, pyarrow.timestamp("us", "UTC")).cast(pyarrow.timestamp("ns", "UTC"))
    table = pyarrow.table(
        {
            "station": [7, 8, 9, None],
            "timestamp": nanoseconds,
            "temperature": pyarrow.array([Decimal("1.5"), None, Decimal("2.5"), Decimal("3.5")]),
            "air": [{"wind": 2.0}, {"wind": 2.0}, {"wind": float("nan")}, {"wind": 2.0}],
            "raw": [b"\xff"] * 4,
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    numbers, block = read(tmp_path / "a.parquet")
    assert numbers == [1, 2, 3, 4]
    assert block.series[0] == "7"
    assert block.time_us[0] == 1380603600_000000
    assert block.values[0].tolist() == [1.5, 2.0]
    words = [Reason(r).word for r in block.reason]
    assert words == ["ok", "missing_field", "missing_field", "no_series"]


def test_parquet_without_pyarrow_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match="needs pyarrow") as caught:
        list(read_table(write(tmp_path / "a.parquet", b"x"), frozenset()))
    assert caught.value.cure == 'pip install "foretell[parquet]"'


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="no readable Parquet"):
        list(read_table(write(tmp_path / "a.parquet", b"x" * 20), frozenset()))
    with pytest.raises(InputError, match="unknown kind of file"):
        list(read_table(tmp_path / "a.xlsx", frozenset()))
    for name in ("no.csv", "no.jsonl", "no.parquet"):
        with pytest.raises(InputError, match="does not exist"):
            list(read_table(tmp_path / name, frozenset()))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_table(tmp_path.rename(tmp_path.with_suffix(".csv")), frozenset()))


def test_a_row_is_what_the_topic_would_carry(tmp_path: Path) -> None:
    row = {"station": "JFK", "timestamp": "2013-10-01T05:00:00Z", "temperature": 1.25}
    path = write(tmp_path / "a.csv", "station,timestamp,temperature\nJFK,2013-10-01T05:00:00Z,1.25\n")
    ((_, value),) = read_table(path, frozenset({"temperature"}))
    assert json.loads(value) == row
