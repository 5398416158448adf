"""What a person sees of the demo: a live line on a terminal, plain lines elsewhere, then the tables."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from foretell.demo.brokers import Broker
from foretell.demo.picture import FORECAST, picture
from foretell.demo.report import Report, Week
from foretell.demo.score import Step

_PLAIN_EVERY_S = 2.0
_BAR = 24


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment.

    Attributes:
        total: rows in all, 0 in a loop.
        latency: p50 and p99 in seconds of the newest forecasts; NaN before the first.
    """

    rows: int
    total: int
    forecasts: int
    rows_per_s: float
    latency: tuple[float, float]
    note: str = ""

    def __str__(self) -> str:
        of = f" of {self.total:,}" if self.total else ""
        parts = [f"{self.rows:,}{of} rows", f"{self.forecasts:,} forecasts", f"{self.rows_per_s:,.0f} rows/s"]
        if self.latency[1] == self.latency[1]:  # not NaN: something has come
            parts.append(f"p50 {_ms(self.latency[0])}, p99 {_ms(self.latency[1])}")
        return "  ·  ".join([*parts, self.note] if self.note else parts)


class Show:
    """Use as a context while there is progress to show."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._told = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, redirect_stdout=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def say(self, text: str, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def broker(self, broker: Broker) -> None:
        """Which broker it is, and what that guarantees."""
        promise = "exactly once" if broker.real else "at least once"
        self._console.print(Text.assemble("Kafka  ", (broker.name, "bold"), f": {promise}"), soft_wrap=True)
        self._console.print(Padding(Text(broker.guarantee, style="dim"), (0, 0, 0, 7)))

    def progress(self, progress: Progress) -> None:
        if self._live:
            self._live.update(Text(str(progress), style="cyan", no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self._told >= _PLAIN_EVERY_S:
            self._told = time.monotonic()
            self.say(str(progress))

    def report(self, report: Report) -> None:
        """The score, the picture, the figures, and whether each forecast came once."""
        self.say("\nRoot mean squared error in °F, October to December (trained before that)")
        self._console.print(_skill_table(report.steps), "")
        self._picture(report.week)
        self._console.print(_figures(report), soft_wrap=True)

    def commands(self, commands: Sequence[tuple[str, str]]) -> None:
        """What to try next: command and purpose."""
        self.say("\nNext:")
        if shutil.which("foretell") is None:
            self.say(f"  . {Path(sys.prefix, 'bin', 'activate')}   so that your shell finds `foretell`")
        for command, purpose in commands:
            self._console.print(
                Text.assemble("  ", (command, "bold"), (f"   {purpose}", "dim")), soft_wrap=True
            )

    def _picture(self, week: Week) -> None:
        width = max(24, min(84, self._console.width - 7))
        colour = self._console.color_system is not None
        mark = "∘" if not colour else "cyan"
        ahead = max((len(values) - 1 for _, values in week.forecasts), default=0)
        title = f"{week.airport}, °F: what happened, and a forecast of 1 to {ahead} hours every {ahead} hours"
        self._console.print(Text.assemble(title, (f" ({mark})", FORECAST)))
        for line in picture(week.actual, week.forecasts, (width, 12), week.days, colour):
            self._console.print(line, no_wrap=True)
        self._console.print()


def _skill_table(steps: Sequence[Step]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ahead", "forecast", "persistence", "skill"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for step in steps:
        bar = "█" * round(_BAR * max(0.0, step.skill))
        figures = (f"{step.model:.2f}", f"{step.persistence:.2f}", f"{step.skill:.2f}")
        table.add_row(f"{step.hours} h", *figures, Text(bar, style="green"))
    return table


def _figures(report: Report) -> Text:
    seconds = report.seconds or 1.0
    lines = [
        f"{report.rows:,} rows in {report.seconds:.1f} s: {report.rows / seconds:,.0f} rows/s, "
        f"{report.forecasts / seconds:,.0f} forecasts/s (the replay's pace)",
        f"once warm, from sending a row to reading its forecast: p50 {_ms(report.latency[0])}, "
        f"p99 {_ms(report.latency[1])}",
    ]
    if report.kill:
        lines.append(
            f"worker {report.kill.pid} was killed (SIGKILL) after {report.kill.rows:,} rows; "
            f"its airports were silent for {report.silence:.1f} s"
        )
    told = Text("\n".join(lines) + "\n")
    count = report.count
    wrong = f"{count.missing:,} lost, {count.doubled:,} doubled, {count.unasked:,} unasked for"
    verdict = f"{count.due:,} forecasts due: {wrong}"
    return told.append(verdict, style="bold green" if count.exact else "bold red")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"
