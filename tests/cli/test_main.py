"""The frame of the command line: errors told in one way, exit statuses, and a start that loads little."""

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from foretell.cli import main
from foretell.cli.commands import COMMANDS, Command
from foretell.errors import EngineError, ForetellError, RayUnreachable


def raising(error: BaseException) -> Callable[..., typer.Typer]:
    """Stands for `build`: an application whose one command raises."""

    def fail() -> None:
        raise error

    def build(arguments: list[str]) -> typer.Typer:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.command("fail")(fail)
        return app

    return build


@pytest.mark.parametrize(
    "error", [EngineError("it broke", cure="mend it"), RayUnreachable("no way", cure=None)]
)
def test_an_error_of_ours_is_told_with_its_cure(
    error: ForetellError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foretell.cli.build", raising(error))
    assert main(["--"]) == error.exit_status
    told = capsys.readouterr().err
    assert told == f"error: {error.message}\n" + (f"  {error.cure}\n" if error.cure else "")


def test_many_lines_stay_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foretell.cli.build", raising(EngineError("one\ntwo", cure="three\nfour")))
    assert main(["--"]) == EngineError.exit_status
    assert capsys.readouterr().err == "error: one\n  two\n  three\n  four\n"


def test_an_unexpected_error_is_one_line_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    monkeypatch.setattr("foretell.cli.build", raising(ValueError("[odd] text")))
    assert main(["--"]) == 1
    assert capsys.readouterr().err == (
        "error: unexpected ValueError: [odd] text\n  LOG_LEVEL=DEBUG shows the traceback\n"
    )


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setattr("foretell.cli.build", raising(ValueError("odd")))
    assert main(["--"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretell.cli.build", raising(KeyboardInterrupt()))
    assert main(["--"]) == 130


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(command.name in shown and command.line in shown for command in COMMANDS)


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "foretell", "config", "show"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in {0, 1, -signal.SIGPIPE}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from foretell.cli import main; main(['--help'])\n"
        "heavy = {'ray', 'numpy', 'onnxruntime', 'confluent_kafka', 'pydantic'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_a_command_explains_itself(command: Command) -> None:
    loaded = command.load()
    functions = (
        [c.callback for c in loaded.registered_commands] if isinstance(loaded, typer.Typer) else [loaded]
    )
    assert functions
    assert all(function and function.__doc__ for function in functions)
