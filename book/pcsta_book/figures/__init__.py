"""Figures and players, the same in a live notebook, in the static book and in a script.

Functions draw numpy arrays and Clips onto the axes they are given; call `figures.use()` once for
the book's look. Players return a widget.
"""

from IPython import get_ipython

from pcsta.data.clip import Clip
from pcsta_book.figures.arrays import answer_bars, attention_heatmap, temporal_bar, tensor_image
from pcsta_book.figures.body import card, contact_sheet, rest_pose, skeleton, tour
from pcsta_book.figures.confusion_cells import confusion, confusion_cells
from pcsta_book.figures.joint_orders import receptive_field_player, seen_joints, walk_player
from pcsta_book.figures.overlay import attention_per_frame, overlay
from pcsta_book.figures.paint import attention_picture, blank, paint, people_window
from pcsta_book.figures.pictures import encode
from pcsta_book.figures.player import attention_player, compare_attention, player
from pcsta_book.figures.source import source
from pcsta_book.figures.style import CHOSEN, HAND_COLOURS, PLAIN, hand_style, label_hands, use
from pcsta_book.figures.system import system

__all__ = [
    "CHOSEN", "HAND_COLOURS", "PLAIN", "answer_bars", "attention_heatmap", "attention_per_frame",
    "attention_picture", "attention_player", "blank", "card", "compare_attention", "confusion",
    "confusion_cells", "contact_sheet", "encode", "hand_style", "label_hands", "overlay", "paint",
    "people_window", "player", "receptive_field_player", "rest_pose", "seen_joints", "skeleton",
    "source", "system", "temporal_bar", "tensor_image", "tour", "use", "walk_player",
]  # fmt: skip

# Data knows nothing of figures: here a notebook learns to show a Clip as its card.
if (shell := get_ipython()) is not None:
    shell.display_formatter.formatters["text/html"].for_type(Clip, card)
