"""Types of the native FASTQ parser, `fastq.cpp`."""

from typing_extensions import Buffer as Bytes

class Buffer(Bytes):
    """Bytes that Arrow takes without a copy."""

class Fault:
    """The first thing wrong: `kind` is a key of the messages in `fastq_reader`; record, line, column from 1."""

    kind: str
    stream: int
    record: int
    line: int
    column: int
    expected: int
    found: int
    name: str
    other_name: str

class Bases:
    """Reads or index reads: int32 offsets that serve both the bases and the qualities."""

    offsets: Buffer
    seq: Buffer
    qual: Buffer

class Rows:
    """Columns in Arrow's layout: int32 offsets, int8 segments, bitmaps least significant bit first."""

    count: int
    name_offsets: Buffer
    name: Buffer
    comment_offsets: Buffer
    comment: Buffer
    has_comment: Buffer
    without_comment: int
    segment: Buffer
    filtered: Buffer
    bases: Bases
    indexes: list[Bases]

class Batch:
    """Reads of the lane `Parser.groups[group]`."""

    group: int
    rows: Rows

class Parser:
    """Parses several files at once; `segment_streams` and `index_streams` number the file of each role."""

    def __init__(
        self, segment_streams: list[int], index_streams: list[int], batch_rows: int, batch_bytes: int
    ) -> None: ...
    def feed(self, stream: int, text: Bytes) -> None:
        """Append decompressed text of a file."""

    def finish(self, stream: int) -> None:
        """Tell that a file has no more text."""

    def parse(self) -> int | None:
        """Parse what was fed; the stream to feed next, None at the end or at a fault."""

    def take(self) -> list[Batch]:
        """The batches that are full, or all at the end."""

    def records(self, stream: int) -> int:
        """Records parsed of a file."""

    def lines(self, stream: int) -> int:
        """Lines of those records."""

    @property
    def fault(self) -> Fault | None: ...
    @property
    def groups(self) -> list[str]: ...

class Head:
    """The first records of a file: names, and 1, 2 or 0 for the mate each says it is."""

    names: list[str]
    mates: list[int]
    fault: Fault | None

def peek(text: Bytes, finished: bool, limit: int) -> Head:
    """The first records of a text, at most `limit`."""
