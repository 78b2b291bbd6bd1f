"""The command, called as a reader calls it."""

import shlex

import typer
from typer.testing import CliRunner

from pcsta import cli

run = CliRunner()


def call(*arguments, ok=True):
    """The outcome of `pcsta ARGUMENTS`, which must succeed, or fail, as `ok` says."""
    result = run.invoke(cli.full_app(), [str(a) for a in arguments], catch_exceptions=True)
    assert (result.exit_code == 0) == ok, result.output + str(result.exception)
    return result


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
