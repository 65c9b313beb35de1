"""Weights in 8 bits → a session of onnxruntime. The import takes a while: at the first use, not with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession as InferenceSession  # for others to name

THREADS = 2
# By default onnxruntime adds products of 8 bits in 16 where a processor has AVX2 or AVX-512 without VNNI, and what goes
# over is cut off: of SQuAD questions the reader then answered with F1 0.840 in place of 0.898 (docs/log.md). This
# setting has it add them in 32 bits, as it does elsewhere; it took no longer.
EXACT = ("session.x64quantprecision", "1")


def session(weights: Path | bytes) -> InferenceSession:
    """On the processor, with `THREADS` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.add_session_config_entry(*EXACT)
    source = weights if isinstance(weights, bytes) else str(weights)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
