"""Figures and players, the same in a live notebook, in the static book and in a script.

Functions draw numpy arrays and Clips onto the axes they are given; call `show.use()` once for
the book's look. Players return a widget.
"""

from pcsta.show.arrays import attention_heatmap, confusion, temporal_bar, tensor_image
from pcsta.show.body import card, contact_sheet, frame, rest_pose, skeleton, tour
from pcsta.show.cells import confusion_cells
from pcsta.show.paint import attention_picture, blank, paint, people_window, temporal_strip
from pcsta.show.pictures import encode, raster
from pcsta.show.player import attention_player, compare_attention, player
from pcsta.show.source import source
from pcsta.show.style import (
    HAND_COLOURS,
    HAND_LINES,
    HAND_MARKERS,
    PERSON_COLOURS,
    hand_style,
    label_hands,
    use,
)
from pcsta.show.system import system
from pcsta.show.tables import effects, paper_table, provenance, result_table
from pcsta.show.walks import field_player, seen_joints, walk_player

__all__ = [
    "HAND_COLOURS", "HAND_LINES", "HAND_MARKERS", "PERSON_COLOURS",
    "attention_heatmap", "attention_picture", "attention_player", "blank", "card",
    "compare_attention", "confusion", "confusion_cells", "contact_sheet", "effects", "encode",
    "field_player", "frame", "hand_style", "label_hands", "paint", "paper_table", "people_window",
    "player", "provenance", "raster", "rest_pose", "result_table", "seen_joints", "skeleton",
    "source", "system", "temporal_bar", "temporal_strip", "tensor_image", "tour", "use",
    "walk_player",
]  # fmt: skip
