import numpy as np

def assemble(
    reference: str,
    offsets: np.ndarray,
    bases: np.ndarray,
    quality: np.ndarray,
    min_quality: int,
    min_count: int,
    max_haplotypes: int,
    max_bases: int,
) -> tuple[list[str], list[float]]: ...
def edges(
    k: int, offsets: np.ndarray, bases: np.ndarray, quality: np.ndarray, min_quality: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
