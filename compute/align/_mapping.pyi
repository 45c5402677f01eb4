from collections.abc import Callable, Iterable, Sequence

import numpy as np

def map_templates(
    map: Callable[..., Iterable[object]],
    buffer: object,
    contig_names: Sequence[str],
    seq_offsets: np.ndarray,
    seq_bytes: np.ndarray,
    first_rows: np.ndarray,
) -> dict[str, np.ndarray]: ...
