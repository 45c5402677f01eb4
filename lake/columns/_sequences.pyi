from collections.abc import Sequence

import numpy as np

Built = tuple[np.ndarray, np.ndarray, np.ndarray]

def encode(
    seq_offsets: np.ndarray,
    seq: np.ndarray,
    cigar_offsets: np.ndarray,
    cigar: np.ndarray,
    starts: np.ndarray,
    contig: np.ndarray,
) -> list[tuple[bool, bytes]]: ...
def decode(
    streams: Sequence[bytes],
    cigar_offsets: np.ndarray,
    cigar: np.ndarray,
    starts: np.ndarray,
    contig: np.ndarray,
) -> Built: ...
def parts(
    streams: Sequence[bytes], cigar_offsets: np.ndarray, cigar: np.ndarray
) -> tuple[np.ndarray, ...]: ...
def differences(
    seq_offsets: np.ndarray,
    seq: np.ndarray,
    cigar_offsets: np.ndarray,
    cigar: np.ndarray,
    starts: np.ndarray,
    contig: np.ndarray,
) -> tuple[Built, np.ndarray]: ...
