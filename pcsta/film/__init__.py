"""A run that comes with the package: a small model of real film. README.md says what it may be used for."""

from pathlib import Path

from pcsta.files import read_json

FILM = Path(__file__).parent


def about() -> str:
    """What to expect of it, in a sentence."""
    tested = read_json(FILM / "evaluation.json")
    return (
        f"(the small model that comes with pcsta: {len(tested['per_class'])} actions of J-HMDB, named "
        f"rightly in {100 * tested['accuracy']:.0f} % of {tested['clips']} test clips)"
    )
