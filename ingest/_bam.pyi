from collections.abc import Callable, Mapping, Sequence

import numpy as np

Columns = Mapping[str, tuple[int, int, np.ndarray | None, np.ndarray | None, np.ndarray]]
Problem = tuple[str, int, str, str, int]

class Decoder:
    records: int
    ungrouped: bool
    def __init__(
        self,
        *,
        contigs: Sequence[str],
        placeable: Sequence[bool],
        groups: Sequence[tuple[str, str, int]],
        aligner_tags: Sequence[str],
        order: str,
        bin_shift: int,
        scratch: str,
        memory_bytes: int,
        cipher: Callable[[str, int, memoryview], None] | None = None,
    ) -> None: ...
    def begin_file(self, *, read_group_id: str, sample: int, run_id: str) -> None: ...
    def feed(self, chunk: bytes | memoryview) -> Problem | None: ...
    def end_file(self) -> Problem | None: ...
    def finish_part(self) -> bool: ...
    def take_alignments(self) -> list[tuple[int, int, int, Columns]]: ...
    def take_reads(self) -> list[tuple[str, str, int | None, Columns]]: ...
