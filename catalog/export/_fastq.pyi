import pyarrow as pa

class Writer:
    pairs: int
    alone: int
    def add(self, rows: pa.RecordBatch) -> tuple[bytes, bytes, bytes]: ...
    def finish(self) -> tuple[bytes, bytes, bytes]: ...
