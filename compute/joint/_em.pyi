import numpy as np

def frequencies(
    offsets: np.ndarray, likelihoods: np.ndarray, others: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
