from collections.abc import Sequence

import numpy as np

def rescue_mates(
    contig_bases: Sequence[np.ndarray],
    seq_offsets: np.ndarray,
    seq_bytes: np.ndarray,
    first_rows: np.ndarray,
    read: np.ndarray,
    contig: np.ndarray,
    start: np.ndarray,
    reverse: np.ndarray,
    mapq: np.ndarray,
    cigar_offsets: np.ndarray,
    cigar: np.ndarray,
    scoring: tuple[int, int, int, int],
    high: int,
) -> dict[str, np.ndarray]: ...
