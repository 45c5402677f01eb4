"""From a sample's reads to its sorted, duplicate-marked alignments: the path of the rows."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job
from baselake.compute.align.inserts import observed_inserts, proper_range
from baselake.compute.align.mapping import Mapper
from baselake.compute.align.records import ROWS, make_records
from baselake.compute.align.rescue import rescue
from baselake.compute.align.templates import Templates, stream_templates
from baselake.compute.duplicates import DUPLICATE, DuplicateMarker, Marks, add_duplicate_type
from baselake.compute.in_order import in_order
from baselake.lake.parquet import TableWriter
from baselake.lake.schema import ALIGNMENTS
from baselake.lake.sorting import SpillSorter
from baselake.progress import Task

# Insert sizes are learnt from the first batches of a read group, about 65,000 pairs, whatever the threads are.
_LEARN_BATCHES = 8
# Batches of a stage under way for each thread: enough that none waits while the sorter writes a run.
_WINDOW = 4
# Sorted tables held at a time, each up to an eighth of the memory.
_TABLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGroup:
    """A read group to align.

    Attributes:
        id: unique in the lake.
        library: duplicates are looked for within one; None: not told, taken as one library of the sample.
    """

    id: str
    library: str | None


@dataclass(slots=True)
class _Mapped:
    templates: Templates
    hits: dict[str, np.ndarray]


def write_alignments(
    catalog: Catalog,
    job: Job,
    mapper: Mapper,
    sample: str,
    read_groups: list[ReadGroup],
    optical_distance: int,
    task: Task,
) -> None:
    """Aligns all reads of a sample and writes them as files of the job, sorted, with duplicates marked.

    Rows are byte for byte the same whatever the number of threads.

    Args:
        catalog: where the reads are.
        job: gets the files; its scratch folder holds what is sorted.
        mapper: the index.
        sample: its id.
        read_groups: in the order in which their reads are taken.
        optical_distance: pixels; see `baselake.compute.duplicates`.
        task: advanced by reads.

    Raises:
        StorageError: the disk is full or fails.
    """
    config = catalog.config
    contigs = [contig.name for contig in mapper.reference.contigs]
    libraries = {group.library: i for i, group in enumerate(read_groups)}
    library_of = np.array([libraries[group.library] for group in read_groups], np.int32)
    rows_folder, keys_folder = job.scratch / "rows", job.scratch / "keys"
    rows_folder.mkdir()
    keys_folder.mkdir()
    sorter = SpillSorter(rows_folder, ROWS, contigs, config.memory_bytes // 2, job.cipher)
    marker = DuplicateMarker(keys_folder, contigs, optical_distance, config.memory_bytes // 4, job.cipher)
    with ThreadPoolExecutor(config.threads, "align") as pool:
        templates = 0
        for number, group in enumerate(read_groups):
            for records, batch in _align(pool, catalog, mapper, group.id, number, templates):
                marker.add(records, library_of)
                sorter.add(records)
                templates += len(batch)
                task.advance(batch.rows.num_rows)
        marks = marker.decide(templates)

        # Files are numbered here, in order, and not by the thread that is first to write one.
        def files() -> Iterator[tuple[TableWriter, pa.Table]]:
            for contig, table in sorter.sorted_tables():
                partition = {"reference": mapper.reference.name, "sample_id": sample, "contig": contig}
                yield job.writer("alignments", partition), table

        def write(file: tuple[TableWriter, pa.Table]) -> None:
            with file[0] as writer:
                for batch in file[1].to_batches(max_chunksize=ALIGNMENTS.row_group_rows):
                    writer.write(_finish(batch, mapper.reference.name, sample, read_groups, contigs, marks))

        for _ in in_order(pool, write, files(), min(config.threads, _TABLES)):
            pass


def _align(
    pool: ThreadPoolExecutor, catalog: Catalog, mapper: Mapper, read_group_id: str, number: int, first: int
) -> Iterator[tuple[pa.RecordBatch, Templates]]:
    """Yields the records of a read group batch by batch, each with its templates."""
    window = _WINDOW * catalog.config.threads

    def map_batch(templates: Templates) -> _Mapped:
        return _Mapped(templates, mapper.map(templates))

    mapped = in_order(pool, map_batch, stream_templates(catalog, read_group_id), window)
    head = list(islice(mapped, _LEARN_BATCHES))
    inserts = proper_range(observed_inserts(batch.hits, batch.templates.first_rows) for batch in head)

    def numbered() -> Iterator[tuple[_Mapped, int]]:
        ordinal = first
        for batch in chain(head, mapped):
            yield batch, ordinal
            ordinal += len(batch.templates)

    def assemble(item: tuple[_Mapped, int]) -> tuple[pa.RecordBatch, Templates]:
        batch, ordinal = item
        hits = rescue(mapper, batch.templates, batch.hits, inserts)
        return make_records(mapper, batch.templates, hits, inserts, ordinal, number), batch.templates

    yield from in_order(pool, assemble, numbered(), window)


def _finish(
    rows: pa.RecordBatch,
    reference: str,
    sample: str,
    read_groups: list[ReadGroup],
    contigs: list[str],
    marks: Marks,
) -> pa.RecordBatch:
    """Rows of the `alignments` table from sorted rows of the `ROWS` schema."""
    size = rows.num_rows
    kinds = marks.of(rows["template"].to_numpy())
    duplicate = kinds != 0
    flag = rows["flag"].to_numpy() | np.where(duplicate, DUPLICATE, 0).astype(np.int32)
    groups = pa.array([group.id for group in read_groups], pa.string())
    columns = {name: rows[name] for name in ALIGNMENTS.schema.names if name in rows.schema.names}
    columns |= {
        "reference": _repeat(reference, size),
        "sample_id": _repeat(sample, size),
        "read_group_id": pa.DictionaryArray.from_arrays(rows["read_group"], groups),
        "flag": pa.array(flag),
        "contig": pc.dictionary_encode(rows["contig"]),
        "next_contig": pa.DictionaryArray.from_arrays(rows["next_contig"], pa.array(contigs, pa.string())),
        "tags": add_duplicate_type(rows["tags"], kinds),
        "duplicate": pa.array(duplicate),
    }
    return pa.record_batch([columns[name] for name in ALIGNMENTS.schema.names], names=ALIGNMENTS.schema.names)


def _repeat(value: str, size: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int32)), pa.array([value], pa.string()))
