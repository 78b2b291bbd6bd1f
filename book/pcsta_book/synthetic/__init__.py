"""The embedded dataset: actors perform fourteen of NTU's actions before three cameras.

It is written in NTU's own files and read by NTU's reader.  Beside each clip lies what NTU cannot
tell: which hand matters, in which frames, and what every hand holds.
"""

from pcsta_book.synthetic.actions import REPERTOIRE
from pcsta_book.synthetic.actors import SUBJECTS, TEST, TRAIN
from pcsta_book.synthetic.generate import fingerprint, is_made, make, settings

ACTIONS = tuple(action.ntu for action in REPERTOIRE)  # NTU's numbers, in the order of the labels

__all__ = [
    "ACTIONS", "REPERTOIRE", "SUBJECTS", "TEST", "TRAIN",
    "fingerprint", "is_made", "make", "settings",
]  # fmt: skip
