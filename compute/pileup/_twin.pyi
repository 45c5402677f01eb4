import numpy as np

Text = tuple[np.ndarray, np.ndarray]

PADDING: int
LONGEST_READ: int
MAX_PLOIDY: int
DEPENDENCY: float
DEPENDENCY_FLOOR: float
GQ_BANDS: tuple[int, int, int]
SLACK_OF_HAPLOTYPES: int

def call(
    columns: dict[str, object], bases: np.ndarray, start: int, end: int, ploidy: int, given: dict[str, object]
) -> dict: ...
def triage(
    columns: dict[str, object], bases: np.ndarray, start: int, end: int, given: dict[str, object]
) -> dict: ...
def events(
    columns: dict[str, object], bases: np.ndarray, start: int, end: int, given: dict[str, object]
) -> dict: ...
def flat_reads(
    columns: dict[str, object], bases: np.ndarray, start: int, end: int, given: dict[str, object]
) -> dict: ...
def genotypes(
    costs: np.ndarray, caps: np.ndarray, reverse: np.ndarray, ploidy: int
) -> tuple[np.ndarray, np.ndarray]: ...
def normalise(bases: np.ndarray, position: int, ref_length: int, alt: str) -> tuple[int, str, str]: ...

class StagedCalling:
    def __init__(
        self,
        columns: dict[str, object],
        bases: np.ndarray,
        start: int,
        end: int,
        ploidy: int,
        given: dict[str, object],
    ) -> None: ...
    def pairs(self) -> dict[str, np.ndarray]: ...
    def compared(self, costs: np.ndarray) -> dict[str, np.ndarray]: ...
    def aligned(self, offsets: np.ndarray, ops: np.ndarray) -> dict[str, np.ndarray]: ...
    def compared_again(self, costs: np.ndarray) -> dict: ...

class WalkedCalling:
    def __init__(
        self,
        columns: dict[str, object],
        bases: np.ndarray,
        start: int,
        end: int,
        ploidy: int,
        given: dict[str, object],
    ) -> None: ...
    def tied(self) -> dict: ...
    def untie(self, bases: np.ndarray) -> None: ...
    def reads(self) -> dict: ...
    def realigned(self, bases: np.ndarray, quality: np.ndarray) -> Text: ...
    def walked(
        self,
        depth: np.ndarray,
        informative: np.ndarray,
        numbers: np.ndarray,
        position: np.ndarray,
        base: np.ndarray,
        quality: np.ndarray,
    ) -> np.ndarray: ...
    def calling(self, bases: np.ndarray, quality: np.ndarray) -> StagedCalling: ...
