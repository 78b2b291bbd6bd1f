"""The paper as data: sizes (section 4), protocols (section 5), equations, every cell of Tables 1 to 6.

Fabien Baradel, Christian Wolf and Julien Mille: Pose-conditioned Spatio-Temporal Attention for
Human Action Recognition, arXiv 1703.10106, 2017. Numbers stand as printed. Where the paper
contradicts itself, the printed value is kept and `SLIPS` says so; nothing is corrected in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

SOURCE = "https://arxiv.org/abs/1703.10106"

# --- section 4: sizes and training --------------------------------------------------------------
SIZES: Mapping[str, object] = {
    "input": (20, 300, 3),  # frames, columns, channels of X
    "kernels": ((8, 3), (8, 3), (5, 75)),  # frames x columns
    "maps": ((10, 150), (5, 75), (1, 1)),  # after pooling
    "pose features": 1024,
    "glimpse features": 2048,
    "hands": 4,
    "hidden": 1024,  # of the LSTM f_h
    "spatial hidden": 256,  # of f_p
    "temporal hidden": 512,  # of f_p'
    "parameters": 38_000_000,  # without the glimpse sensor
}
TRAINING: Mapping[str, object] = {
    "optimiser": "Adam",
    "learning rate": 1e-4,
    "transfer learning rate": 1e-5,  # ten times smaller on SBU and MSR
    "batch": 64,
    "dropout": 0.5,
    "validation share": 0.05,
    "frames": 20,
    "training sub-sequences": 1,
    "test sub-sequences": 10,  # logits averaged
}
RUNTIME: Mapping[str, object] = {
    "prediction from features, ms": 1.4,  # one sub-sequence of 20 frames, Titan X (Maxwell)
    "RGB preprocessing, s": 1.0,
    "training, h": 4.0,
}


# --- section 5: datasets and protocols ----------------------------------------------------------
@dataclass(frozen=True)
class Protocol:
    """How one dataset is split and cropped. `train` is None where section 5 points to others' lists."""

    dataset: str
    classes: int
    videos: int | None  # as stated; None where the paper gives "more than 56K"
    protocols: tuple[str, ...]
    crop: int  # pixels, before resizing to 299
    sensor: str
    train: tuple[int, ...] | None = None


PROTOCOLS: Mapping[str, Protocol] = {
    "ntu": Protocol("NTU RGB+D", 60, None, ("cross-subject", "cross-view"), 50, "Kinect v2"),
    "msr-daily": Protocol(
        "MSR Daily Activity 3D", 16, 320, ("cross-subject",), 100, "Kinect v1", (1, 3, 5, 7, 9)
    ),
    "sbu": Protocol("SBU Kinect Interaction", 8, 282, ("5 folds",), 100, "Kinect v1"),
}


# --- Tables 1 to 6 ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """One line of a table.

    method:     what is compared        reference: number in the paper's bibliography, None for its own
    marks:      "X" used, "-" not used, "o" used for the attention only; by column
    values:     accuracy in percent as printed, None where the paper prints "-"; by column
    letter:     the paper's letter in Table 6
    """

    method: str
    marks: Mapping[str, str]
    values: Mapping[str, float | None]
    reference: int | None = None
    letter: str = ""

    @property
    def average(self) -> float | None:
        """Mean of the printed CS and CV, to one decimal; None where one is missing."""
        exact = self.exact_average
        return None if exact is None else float(exact.quantize(Decimal("0.1"), ROUND_HALF_UP))

    @property
    def exact_average(self) -> Decimal | None:
        """Mean of the printed CS and CV, not rounded."""
        cs, cv = self.values.get("CS"), self.values.get("CV")
        if cs is None or cv is None:
            return None
        return (Decimal(str(cs)) + Decimal(str(cv))) / 2


@dataclass(frozen=True)
class Table:
    number: int
    title: str
    dataset: str
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """The row of this letter or method. Raises KeyError when there is none, or several."""
        found = [r for r in self.rows if name in (r.letter, r.method)]
        if len(found) != 1:
            raise KeyError(f"Table {self.number} has {len(found)} rows {name!r}")
        return found[0]


def _table(
    number: int, title: str, dataset: str, marks: str, values: str, rows: list[tuple]
) -> Table:
    """Rows as (method, reference or letter, marks, value, value, ...), columns as words."""
    made = []
    for method, source, row_marks, *row_values in rows:
        made.append(
            Row(
                method,
                dict(zip(marks.split(), row_marks.split(), strict=True)),
                dict(zip(values.split(), row_values, strict=True)),
                source if isinstance(source, int) else None,
                source if isinstance(source, str) else "",
            )
        )
    return Table(number, title, dataset, tuple(made))


TABLES: Mapping[int, Table] = {
    1: _table(1, "State of the art on NTU RGB+D", "ntu", "Pose RGB", "CS CV Avg", [
        ("Lie Group", 37, "X -", 50.1, 52.8, 51.5),
        ("Skeleton Quads", 9, "X -", 38.6, 41.4, 40.0),
        ("Dynamic Skeletons", 13, "X -", 60.2, 65.2, 62.7),
        ("HBRNN", 8, "X -", 59.1, 64.0, 61.6),
        ("Deep LSTM", 30, "X -", 60.7, 67.3, 64.0),
        ("Part-aware LSTM", 30, "X -", 62.9, 70.3, 66.6),
        ("ST-LSTM + TrustG.", 23, "X -", 69.2, 77.7, 73.5),
        ("STA-LSTM", 34, "X -", 73.4, 81.2, 77.2),
        ("JTM", 39, "X -", 76.3, 81.1, 78.7),
        ("DSSCA - SSLM", 31, "X X", 74.9, None, None),
        ("Ours (pose only)", None, "X -", 77.1, 84.5, 80.8),
        ("Ours (RGB only)", None, "- X", 75.6, 80.5, 78.1),
        ("Ours (pose + RGB)", None, "X X", 84.8, 90.6, 87.7),
    ]),
    2: _table(2, "State of the art on SBU Kinect Interaction", "sbu", "Pose RGB Depth", "Acc", [
        ("Raw skeleton", 45, "X - -", 49.7),
        ("Joint feature", 45, "X - -", 80.3),
        ("Raw skeleton", 46, "X - -", 79.4),
        ("Joint feature", 46, "X - -", 86.9),
        ("Co-occurence RNN", 49, "X - -", 90.4),
        ("STA-LSTM", 34, "X - -", 91.5),
        ("ST-LSTM + Trust Gate", 23, "X - -", 93.3),
        ("DSPM", 22, "- X X", 93.4),
        ("Ours (pose only)", None, "X - -", 90.5),
        ("Ours (RGB only)", None, "- X -", 72.0),
        ("Ours (pose + RGB)", None, "X X -", 94.1),
    ]),
    3: _table(3, "State of the art on MSR Daily Activity 3D", "msr-daily", "Pose RGB Depth", "Acc", [
        ("Action Ensemble", 38, "X - -", 68.0),
        ("Efficient Pose-Based", 10, "X - -", 73.1),
        ("Moving Pose", 47, "X - -", 73.8),
        ("Moving Poselets", 36, "X - -", 74.5),
        ("Depth Fusion", 48, "- - X", 88.8),
        ("MMMP", 32, "X - X", 91.3),
        ("DL-GSGC", 24, "X - X", 95.0),
        ("DSSCA - SSLM", 31, "- X X", 97.5),
        ("Ours (pose only)", None, "X - -", 74.6),
        ("Ours (RGB only)", None, "- X -", 75.3),
        ("Ours (pose + RGB)", None, "X X -", 90.0),
    ]),
    4: _table(4, "Joint orders, pose only", "ntu", "", "CS CV Avg", [
        ("Random joint order", None, "", 75.5, 83.2, 79.4),
        ("Topological order without double entries", None, "", 76.2, 83.9, 80.0),
        ("Topological order", None, "", 77.1, 84.5, 80.8),
    ]),
    5: _table(5, "Attention conditioned on pose or not", "ntu", "Conditional", "CS CV Avg", [
        ("RGB only, not conditioned", None, "-", 66.5, 72.0, 69.3),
        ("RGB only, conditioned", None, "X", 75.6, 80.5, 78.1),
        ("Multi-modal, not conditioned", None, "-", 83.9, 90.0, 87.0),
        ("Multi-modal, conditioned", None, "X", 84.8, 90.6, 87.7),
    ]),
    6: _table(6, "Effect of attention", "ntu", "Pose RGB Spatial Temporal Conditional", "CS CV Avg", [
        ("Pose only", "A", "X - - - -", 77.1, 84.5, 80.8),
        ("RGB only, sum of features", "B", "- X - - -", 61.5, 65.9, 63.7),
        ("RGB only, concatenation of features", "C", "- X - - -", 63.2, 67.2, 65.2),
        ("RGB only, spatial attention", "E", "o X X - X", 67.4, 71.2, 69.3),
        ("RGB only, spatio-temporal attention", "G", "o X X X X", 75.6, 80.5, 78.1),
        ("Multi-modal, no attention (A + B)", "H", "X X - - -", 83.0, 88.5, 85.3),
        ("Multi-modal, spatial attention (A + E)", "I", "X X X - X", 84.1, 90.0, 87.1),
        ("Multi-modal, spatio-temporal attention (A + G)", "K", "X X X X X", 84.8, 90.6, 87.7),
    ]),
}  # fmt: skip


# Works behind the lines of Tables 1 to 3: number in the paper's bibliography -> key in
# book/references.bib, which has them as they were published.
REFERENCES: Mapping[int, str] = {
    8: "du2015", 9: "evangelidis2014", 10: "eweiwi2014", 13: "hu2015", 22: "lin2016",
    23: "liu2016", 24: "luo2013", 30: "shahroudy2016", 31: "shahroudy2016deep",
    32: "shahroudy2016multipart", 34: "song2017", 36: "tao2015", 37: "vemulapalli2014",
    38: "wang2012", 39: "wang2016", 45: "yun2012", 46: "ji2014", 47: "zanfir2013",
    48: "zhu2015", 49: "zhu2016",
}  # fmt: skip


# --- equations and other steps that can be looked up --------------------------------------------
@dataclass(frozen=True)
class Equation:
    """A step of the paper. Docstrings, tests and chapters name it by `key`; see `pcsta_book.site.equation_map`.

    says:    formula (LaTeX between dollars) or a few words      section: where it is printed
    """

    key: str
    says: str
    section: str


EQUATIONS: tuple[Equation, ...] = (
    Equation(
        "tour",
        "path over the joints, the order of the columns of $\\boldsymbol X$",
        "3.1, Figure 2a",
    ),
    Equation("origin", "the middle of the spine is the origin", "5"),
    Equation(
        "derivatives", "velocities and accelerations, the channels of $\\boldsymbol X$", "3.1"
    ),
    Equation("X", "$\\boldsymbol X = \\{X_{t,i,k}\\}$, two people side by side", "3.1, Figure 2b"),
    Equation("eq. 1", r"$\boldsymbol s = f_{sk}(\boldsymbol X, \theta_{sk})$", "3.1, 4"),
    Equation(
        "crop",
        r"$\operatorname{crop}(I_t, \boldsymbol x_t, i)$, the pixels around a hand",
        "3.2, 5",
    ),
    Equation(
        "eq. 2",
        r"$\boldsymbol v_{t,:,i} = f_g(\operatorname{crop}(I_t, \boldsymbol x_t, i), \theta_g)$",
        "3.2, 4",
    ),
    Equation(
        "eq. 3",
        r"$\boldsymbol h_t = f_h(\boldsymbol h_{t-1}, \tilde{\boldsymbol v}_t, \theta_h)$",
        "3.2, 4",
    ),
    Equation("baselines", "sum or concatenation of the hands, rows B and C", "3.2, Table 6"),
    Equation(
        "eq. 4",
        r"$\boldsymbol p_t = f_p(\boldsymbol h_t, \boldsymbol s, \theta_p)$, read with $\boldsymbol h_{t-1}$",
        "3.2, 4",
    ),
    Equation("eq. 5", r"$\tilde{\boldsymbol v}_t = \boldsymbol V_t\, \boldsymbol p_t$", "3.2"),
    Equation("eq. 6", r"$\boldsymbol u_{:,t} = f_u(\boldsymbol h_t, \theta_u)$", "3.3, 4"),
    Equation(
        "eq. 7", r"$\boldsymbol p' = f_p'(\boldsymbol P, \boldsymbol s, \theta_p')$", "3.3, 4"
    ),
    Equation("pooling", r"$\tilde{\boldsymbol u} = \boldsymbol U \boldsymbol p'$", "3.3"),
    Equation("fusion", "the sum of both streams' logits", "3.4"),
    Equation("stages", "first the pose stream learns, then the RGB stream", "4"),
    Equation("sub-sequence", "20 frames of a clip", "5"),
    Equation("mean of ten", "logits of ten sub-sequences are averaged", "5"),
    Equation("validation", "5 % of the training clips are held out", "5"),
    Equation("transfer", "a network of a large dataset starts one of a small dataset", "5"),
    *(Equation(f"Table {n}", f"Table {n}", "5") for n in range(1, 7)),
)


# --- slips ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Slip:
    """A place where the paper contradicts itself or cannot be read.

    where:  table and cell, or section      printed: what stands there
    found:  what the paper's other numbers say
    """

    where: str
    printed: str
    found: str
    table: int | None = None
    method: str = ""


SLIPS: tuple[Slip, ...] = (
    Slip("Table 1, STA-LSTM, Avg", "77.2", "the mean of 73.4 and 81.2 is 77.3", 1, "STA-LSTM"),
    Slip(
        "Table 6, row H, Avg", "85.3", "the mean of 83.0 and 88.5 is 85.75",
        6, "Multi-modal, no attention (A + B)",
    ),
    Slip(
        "Table 4, last row, CV", "not readable in the PDF's text", "it is 84.5, as in Tables 1 and 6",
    ),
    Slip(
        "Section 5, conditioning, RGB only", "more than 12 points", "78.1 - 69.3 = 8.8 (Table 5)",
    ),
    Slip(
        "Section 5, conditioning, multi-modal", "a full point",
        "87.7 - 87.0 = 0.7; 0.9 for CS, 0.6 for CV (Table 5)",
    ),
    Slip(
        "Section 5, effect of attention", "about 2.5 points over the baseline",
        "87.7 - 85.3 = 2.4 with row H as printed, 1.95 with its mean (Table 6)",
    ),
    Slip(
        "Section 5, transfer", "results on NTU and MSR include transfer from NTU",
        "the targets are SBU and MSR (Tables 2 and 3)",
    ),
    Slip(
        "Section 4, parameters", "38 million",
        "39.5 million with 64 and 64 maps in the first two layers, 38.0 with 64 and 60",
    ),
    Slip(
        "Section 3.1 and 4, columns of X", "300",
        "a closed tour of 25 joints has 49 entries, 294 columns for two people",
    ),
    Slip(
        "Section 3.1, indices of X", "t, i and k, explained as t, j and k",
        "i and j are one index, of joint and coordinate: the column",
    ),
    Slip("Section 1, clips of MSR", "300", "320 in section 5, 16 actions twice by 10 subjects"),
    Slip("Eq. 4", "p_t depends on h_t", "h_t depends on p_t through eq. 3 and 5"),
    Slip(
        "Reference 32 (MMMP in Table 3)", "the title of reference 31",
        "it is called Multimodal Multipart Learning for Action Recognition in Depth Videos",
    ),
    Slip("Reference 46 (Table 2)", "by K. Yun and others", "it is by Y. Ji, G. Ye and H. Cheng"),
    Slip("References 4 and 5", "two works", "they are one and the same"),
)  # fmt: skip
