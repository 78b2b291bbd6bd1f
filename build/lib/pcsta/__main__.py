"""`python -m pcsta` is the command `pcsta`."""

from pcsta.cli import main

main()
