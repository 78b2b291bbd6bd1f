"""The embedded dataset: actors perform 22 actions, 14 of them modelled on NTU's, before three cameras.

It is written in NTU's own files and read by NTU's reader.  Beside each clip lies what NTU cannot
tell: which hands decide, in which frames, and what every hand holds.
"""

from pcsta_book.synthetic.actions import REPERTOIRE
from pcsta_book.synthetic.actors import SUBJECTS, TEST, TRAIN
from pcsta_book.synthetic.generate import make, settings

__all__ = ["REPERTOIRE", "SUBJECTS", "TEST", "TRAIN", "make", "settings"]
