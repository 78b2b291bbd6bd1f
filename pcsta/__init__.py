"""Pose-conditioned Spatio-Temporal Attention for Human Action Recognition, made to be read and run.

Data flows one way: files -> Clip -> store -> sub-sequence -> (X, V) -> (s, p, p', logits).
"""

__version__ = "0.1.0"
