"""The command line: `foretell COMMAND`, one short file a command."""

import os
import sys
from collections.abc import Sequence

from foretell.cli.commands import build
from foretell.cli.report import tell


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status; no traceback reaches a person.

    0 done, 1 unexpected, 2 wrong usage or setting, 3 to 9 as `foretell.errors` draws them, 130 Ctrl-C.
    """
    # As soon as its raylet dies, Ray ends a process whose parent is process 1 (systemd, a container's first);
    # not one that is told, before Ray is imported, that it is its own raylet.
    os.environ.setdefault("RAY_RAYLET_PID", str(os.getpid()))
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        build(arguments)(args=arguments, prog_name="foretell")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:
        # Whoever read the output has gone; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return tell(error)
    return 0
