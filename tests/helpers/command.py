"""The command, called as a reader calls it."""

import shlex
import sys

import pytest
import typer
from typer.testing import CliRunner

from pcsta import cli

run = CliRunner()


def call(*arguments, ok=True):
    """The outcome of `pcsta ARGUMENTS`, which must succeed, or fail, as `ok` says."""
    result = run.invoke(cli.full_app(), [str(a) for a in arguments], catch_exceptions=True)
    assert (result.exit_code == 0) == ok, result.output + str(result.exception)
    return result


class Said:
    """What `pcsta ARGUMENTS` said, as it would in a console: rc, standard output and error."""

    def __init__(self, monkeypatch, capsys):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments):
        self.monkeypatch.setattr(sys, "argv", ["pcsta", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        self.out, self.err = self.capsys.readouterr()
        self.rc = ended.value.code or 0
        if isinstance(self.rc, str):
            self.rc, self.err = 1, f"{self.err}{self.rc}\n"
        return self


def parses(command: str) -> dict:
    """The options of a command, which is not run. Raises when the command line is wrong."""
    words = shlex.split(command)
    assert words.pop(0) == "pcsta"

    def disarm(command):
        for inner in getattr(command, "commands", {}).values():
            disarm(inner)
        if not hasattr(command, "commands"):
            command.callback = lambda **options: options
        return command

    return disarm(typer.main.get_command(cli.full_app())).main(words, standalone_mode=False)
