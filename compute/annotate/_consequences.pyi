import numpy as np

class BuiltBatch:
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

class Annotator:
    def __init__(
        self,
        bases: np.ndarray,
        mitochondrial: bool,
        forward: np.ndarray,
        offsets: np.ndarray,
        exon_starts: np.ndarray,
        exon_ends: np.ndarray,
        cds_starts: np.ndarray,
        cds_ends: np.ndarray,
        phases: np.ndarray,
        whole_starts: np.ndarray,
        whole_ends: np.ndarray,
    ) -> None: ...
    def annotate(
        self,
        starts: np.ndarray,
        ref_offsets: np.ndarray,
        ref_bytes: np.ndarray,
        alt_offsets: np.ndarray,
        alt_bytes: np.ndarray,
    ) -> BuiltBatch: ...
