"""How an error is told to a person: what, where, and what to do; never a traceback that nobody asked for."""

import os
import traceback

from rich.console import Console
from rich.text import Text

from foretell.errors import ForetellError


def tell(error: Exception) -> int:
    """Write the error to stderr and give the exit status that goes with it."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(error, ForetellError):
        _write(console, error.message, error.cure)
        return error.exit_status
    _write(console, f"unexpected {type(error).__name__}: {error}", "LOG_LEVEL=DEBUG shows the traceback")
    if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
        console.print(Text("".join(traceback.format_exception(error))))
    return 1


def _write(console: Console, message: str, cure: str | None) -> None:
    # Text, not markup: a path or a list in a message may hold square brackets.
    first, *more = message.splitlines() or [""]
    console.print(Text.assemble(("error: ", "bold red"), first))
    for line in more:
        console.print(Text(f"  {line}"))
    for line in (cure or "").splitlines():
        console.print(Text.assemble(("  → " if console.is_terminal else "  ", "green"), line))
