"""The command `pcsta`, also as `python -m pcsta`. It hears Ctrl-C before it imports anything else."""

import signal
import sys

from pcsta import console


def main() -> None:
    """Run the command; one that was stopped ends with 130, as shells expect."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is to be ignored
        console.hear_interrupts()
    try:
        from pcsta import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # nothing is left to lose: while the interpreter ends, Ctrl-C ends it at once
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
