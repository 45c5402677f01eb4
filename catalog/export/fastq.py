"""A sample's reads as FASTQ, as they left the sequencer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.export._fastq import Writer
from baselake.catalog.export.bgzf import BgzfWriter
from baselake.catalog.export.files import replacing
from baselake.catalog.reads import stream_reads
from baselake.catalog.samples import count_reads
from baselake.errors import InputError, NotFoundError
from baselake.progress import QUIET, Progress

_SEGMENT = "{segment}"
# What stands for `{segment}` in the name of the file of reads whose mates are not in the lake.
_ALONE = "single"
_COLUMNS = ("fastq_name", "comment", "segment", "seq", "qual")
_NAMES = ["name", *_COLUMNS[1:]]


def export_fastq(catalog: Catalog, sample: str, pattern: str, *, progress: Progress = QUIET) -> list[Path]:
    """Write a sample's reads; the files written.

    Of pairs, the n-th record of the one file is the mate of the n-th of the other, and reads whose mate is missing
    go to a third file. Reads without qualities get phred 1, as `samtools fastq` has it.

    Args:
        catalog: the lake.
        sample: whose reads.
        pattern: path, such as `NA12878_R{segment}.fastq.gz`, in which `{segment}` becomes 1 and 2, and `single` for
            reads without their mates; a sample without pairs has all its reads in 1. Bgzipped where it ends in
            .gz, else plain.
        progress: counts reads.

    Raises:
        InputError: the sample has pairs and the pattern no `{segment}`.
        NotFoundError: the sample has no reads.
        StorageError: the disk is full or fails.
    """
    counts = count_reads(catalog, sample)
    reads = sum(count.reads for count in counts.values())
    paired = any(count.paired for count in counts.values())
    if not reads:
        raise NotFoundError(f"sample {sample} has no reads", "", "Run: baselake samples")
    if paired and _SEGMENT not in pattern:
        raise InputError(
            f"sample {sample} has pairs, which need two files", pattern, f"Put {_SEGMENT} into the name"
        )
    texts = Writer()
    with ExitStack() as stack, progress.task(f"export {sample}", total=reads, unit="reads") as task:
        first, second, alone = (
            _Output(stack, Path(pattern.replace(_SEGMENT, name)), catalog.config.threads)
            for name in (("1", "2", _ALONE) if paired else ("1", "2", "1"))
        )

        def write(pieces: tuple[bytes, bytes, bytes]) -> None:
            for output, piece in zip((first, second, alone), pieces, strict=True):
                output.write(piece)

        for group in sorted(counts):
            for batch in stream_reads(catalog, group, _COLUMNS):
                write(texts.add(batch.rename_columns(_NAMES)))
                task.advance(batch.num_rows)
        write(texts.finish())
    return [output.path for output in (first, second, alone) if output.opened]


class _Output:
    """A file that is there only if something is written to it; it shows when `stack` is left without an error."""

    def __init__(self, stack: ExitStack, path: Path, threads: int) -> None:
        self.path = path
        self.opened = False
        self._stack = stack
        self._threads = threads
        self._append: Callable[[bytes], object]

    def write(self, text: bytes) -> None:
        if not text:
            return
        if not self.opened:
            self._append = self._stack.enter_context(_appending(self.path, self._threads))
            self.opened = True
        self._append(text)


@contextmanager
def _appending(path: Path, threads: int) -> Iterator[Callable[[bytes], object]]:
    with replacing(path) as temporary:
        if path.name.endswith(".gz"):
            with BgzfWriter(temporary, threads) as bgzf:
                yield bgzf.write
        else:
            with open(temporary, "wb") as plain:
                yield plain.write
