from collections.abc import Sequence

import numpy as np

def encode(
    offsets: np.ndarray, tags: np.ndarray, md_offsets: np.ndarray, md: np.ndarray, nm: np.ndarray
) -> list[tuple[bool, bytes]]: ...
def decode(
    streams: Sequence[bytes], md_offsets: np.ndarray, md: np.ndarray, nm: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def needs_bases(templates: bytes) -> bool: ...
