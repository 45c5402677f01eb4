from collections.abc import Mapping, Sequence

import pyarrow as pa

class Encoder:
    def __init__(self, *, contigs: Sequence[str], read_groups: Mapping[str, str]) -> None: ...
    def encode(self, rows: pa.RecordBatch) -> bytes: ...
