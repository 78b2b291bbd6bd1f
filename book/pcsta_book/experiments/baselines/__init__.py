"""What a reader will ask to see beside the paper's rows: other networks for pose, simpler ones for RGB.

Importing this package makes their names known to `pcsta.two_stream`.
"""

from pcsta.two_stream import GLIMPSE_STREAMS, POSE_NETS
from pcsta_book.experiments.baselines.glimpse_mean import GlimpseMean
from pcsta_book.experiments.baselines.recurrent import DeepLSTM, PartLSTM
from pcsta_book.experiments.baselines.st_gcn import STGCN

POSE_NETS |= {"deep-lstm": DeepLSTM, "part-lstm": PartLSTM, "st-gcn": STGCN}
GLIMPSE_STREAMS["mean"] = GlimpseMean
