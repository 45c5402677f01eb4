from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

def assemble(
    contig_bases: Sequence[np.ndarray],
    contig_names: Sequence[str],
    columns: Mapping[str, Any],
    first_rows: np.ndarray,
    hits: Mapping[str, np.ndarray],
    scoring: tuple[int, int, int, int, int, int, int],
    inserts: tuple[int, int],
) -> dict[str, Any]: ...
