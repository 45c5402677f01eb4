import numpy as np

def costs(
    read_offsets: np.ndarray,
    read_bases: np.ndarray,
    base_quality: np.ndarray,
    haplotype_offsets: np.ndarray,
    haplotype_bases: np.ndarray,
    insertion_quality: np.ndarray,
    deletion_quality: np.ndarray,
    read: np.ndarray,
    haplotype: np.ndarray,
    diagonal: np.ndarray,
    left: int,
    right: int,
) -> np.ndarray: ...
def gap_open_qualities(bases: str) -> np.ndarray: ...
def pcr_gap_open_qualities(bases: str) -> np.ndarray: ...
def costs_of_float(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
def costs_of_double(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
def error_rates() -> np.ndarray: ...
