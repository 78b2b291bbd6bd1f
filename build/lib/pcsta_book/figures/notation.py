"""Notation: one table for prose, code and figures. The book's appendix and axis labels come from here.

Shapes are written as jaxtyping writes them; where an axis has a size in the paper, that size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AXES: tuple[tuple[str, str, str], ...] = (  # letter, the paper's size, what it counts
    ("B", "64", "sub-sequences of a batch"),
    ("T", "20", "frames of a sub-sequence"),
    ("P", "2", "people"),
    ("J", "25", "joints: 25 of Kinect v2, 20 of Kinect v1, 15 of SBU"),
    ("N", "4", "hands"),
    ("D", "2048", "features of a glimpse"),
    ("C", "60", "classes"),
)


@dataclass(frozen=True)
class Symbol:
    """One line of the table.

    latex:  the paper's symbol
    code:   what the code calls it: dotted name of a class or function, or of its field; a colon
            before a parameter or variable
    shape:  axes, "" for what is not an array
    says:   what it is
    """

    latex: str
    code: tuple[str, ...]
    shape: str
    says: str


_MODEL = "pcsta"
SYMBOLS: tuple[Symbol, ...] = (
    Symbol(
        r"\boldsymbol x_t", ("pcsta.pose_tensor.derivatives:joints",), "T P J 3",
        "joints in camera space, metres; an absent person is all zero",
    ),
    Symbol(
        r"\boldsymbol X",
        (f"{_MODEL}.two_stream.TwoStream.forward:pose_tensor", f"{_MODEL}.pose_net.PoseNet.forward:X"),
        "B 3 T 300",
        "channels position, velocity, acceleration; columns person, path entry, xyz (2 · 50 · 3)",
    ),
    Symbol(
        r"\boldsymbol s",
        (
            f"{_MODEL}.two_stream.TwoStream.forward:pose_features",
            f"{_MODEL}.attention.TemporalAttention.forward:s",
        ),
        "B 1024", "features of the pose network",
    ),
    Symbol(
        r"\operatorname{crop}(I_t, \boldsymbol x_t, i)",
        (f"{_MODEL}.glimpse.GlimpseSensor.forward:crops",), "B 3 h w",
        "pixels around each hand, uint8; here the batch counts crops",
    ),
    Symbol(
        r"\boldsymbol V_t",
        (f"{_MODEL}.two_stream.TwoStream.forward:glimpses", f"{_MODEL}.rgb_stream.RGBStream.forward:V"),
        "B T N D", "features of the crops; one *row* per hand",
    ),
    Symbol(
        r"\boldsymbol p_t",
        (f"{_MODEL}.two_stream.Output.spatial_attention", f"{_MODEL}.rgb_stream.RGBStream.recur:p"),
        "B T N", "weights of the hands, sum 1 over $N$",
    ),
    Symbol(
        r"\tilde{\boldsymbol v}_t",
        (f"{_MODEL}.rgb_stream.RGBStream.recur:context", f"{_MODEL}.rgb_stream.RGBStream.recur:v"),
        "B D", "weighted sum of the glimpses, the LSTM's input",
    ),
    Symbol(
        r"\boldsymbol h_t",
        (f"{_MODEL}.attention.SpatialAttention.forward:hidden", f"{_MODEL}.rgb_stream.RGBStream.recur:h"),
        "B 1024", "state of the LSTM after step $t$; its cell is `c`",
    ),
    Symbol(
        r"\boldsymbol u_{:,t},\ \boldsymbol U", (f"{_MODEL}.rgb_stream.RGBStream.forward:U",),
        "B T 1024", "features of every step; one *row* per step",
    ),
    Symbol(
        r"\boldsymbol P", (f"{_MODEL}.attention.TemporalAttention.forward:P",), "B TN",
        "all spatial attention in one vector: time, then hand",
    ),
    Symbol(
        r"\boldsymbol p'", (f"{_MODEL}.two_stream.Output.temporal_attention",), "B T",
        "weights of the steps, sum 1 over $T$",
    ),
    Symbol(
        r"\tilde{\boldsymbol u}", (f"{_MODEL}.two_stream.TwoStream.forward:pooled",), "B 1024",
        "weighted sum of the step features",
    ),
    Symbol(
        r"\boldsymbol l^{\text{pose}},\ \boldsymbol l^{\text{RGB}}",
        (f"{_MODEL}.two_stream.Output.pose_logits", f"{_MODEL}.two_stream.Output.rgb_logits"),
        "B C", "scores of the classes before softmax; the paper has no symbol for them",
    ),
    Symbol(r"f_{sk},\ \theta_{sk}", (f"{_MODEL}.pose_net.PoseNet",), "", "pose network"),
    Symbol(r"f_g,\ \theta_g", (f"{_MODEL}.glimpse.GlimpseSensor",), "", "glimpse sensor, frozen"),
    Symbol(r"f_p,\ \theta_p", (f"{_MODEL}.attention.SpatialAttention",), "", "spatial attention network"),
    Symbol(
        r"f_p',\ \theta_p'", (f"{_MODEL}.attention.TemporalAttention",), "",
        "temporal attention network",
    ),
    Symbol(
        r"f_h, f_u,\ \theta_h, \theta_u", (f"{_MODEL}.rgb_stream.RGBStream",), "",
        "LSTM (`lstm`) and features of a step (`step`)",
    ),
)  # fmt: skip


def symbol(name: str) -> str:
    """The paper's symbol of a code name as matplotlib writes it: "temporal_attention" -> "$p'$".

    Raises KeyError for a name that the table does not have.
    """
    for one in SYMBOLS:
        if name in map(short, one.code):
            plain = one.latex.replace(r"\boldsymbol ", "")
            return f"${plain}$"
    raise KeyError(f"no {name!r} in the notation")


def short(code: str) -> str:
    """The last part of a code name: what a reader types."""
    return re.split(r"[.:]", code)[-1]
