"""The embedded dataset: actors perform 22 actions, 14 of them modelled on NTU's, before three cameras.

It is written in NTU's own files and read by NTU's reader.  Beside each clip lies what NTU cannot
tell: which hands decide, in which frames, and what every hand holds.
"""

from pcsta_book.synthetic.actions import REPERTOIRE
from pcsta_book.synthetic.actors import SUBJECTS, TEST, TRAIN
from pcsta_book.synthetic.generate import fingerprint, is_made, make, settings

# NTU's numbers (above 120: our own), in the order of the labels
ACTIONS = tuple(action.ntu for action in REPERTOIRE)

__all__ = [
    "ACTIONS", "REPERTOIRE", "SUBJECTS", "TEST", "TRAIN",
    "fingerprint", "is_made", "make", "settings",
]  # fmt: skip
