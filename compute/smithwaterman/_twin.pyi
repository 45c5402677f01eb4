import numpy as np

HAPLOTYPE_SCORES: tuple[int, int, int, int]

def align(
    query_offsets: np.ndarray,
    query_bases: np.ndarray,
    target_offsets: np.ndarray,
    target_bases: np.ndarray,
    query: np.ndarray,
    target: np.ndarray,
    slack: int,
    scores: tuple[int, int, int, int],
) -> tuple[np.ndarray, list[str]]: ...
def align_flat(
    query_offsets: np.ndarray,
    query_bases: np.ndarray,
    target_offsets: np.ndarray,
    target_bases: np.ndarray,
    query: np.ndarray,
    target: np.ndarray,
    slack: int,
    scores: tuple[int, int, int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
