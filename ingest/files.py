"""Run folders, and files of any kind that holds reads or calls: each goes to the module that knows its format."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.errors import InputError, NotFoundError
from baselake.ingest.fastq_files import is_fastq_name
from baselake.ingest.run_source import RunOptions, RunSource
from baselake.ingest.runs import open_run
from baselake.progress import QUIET, Progress

_ENDINGS = (".sam", ".sam.gz", ".bam", ".cram", ".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")


def ingest_files(
    catalog: Catalog,
    paths: Sequence[Path],
    *,
    sample: str | None = None,
    library: str | None = None,
    reference: str | None = None,
    sex: str | None = None,
    run: RunOptions | None = None,
    progress: Progress = QUIET,
) -> None:
    """Import run folders, unit by unit, and files, told apart by their content, which become visible together.

    Args:
        catalog: the lake.
        paths: sequencers' run folders; files; or other folders, of which every file called as such files are is taken,
            however deep.
        sample: the sample; None takes it from read groups or file names.
        library: the library; None takes it from read groups, else the sample's name.
        reference: the assembly alignments are on; None finds it by the header's sequences.
        sex: `male` or `female`.
        run: how run folders are imported; its sample and reference are those given here.
        progress: where progress is shown.

    Raises:
        NotFoundError: a path does not exist, or a folder holds none.
        InputError: a file is of no known format, or not what its format says; or a part of a run is: what is sound
            of the run is in the lake then.
        ConflictError: a file was imported as another sample's, or another run has the same name.
    """
    options = replace(run if run is not None else RunOptions(), sample=sample, reference=reference)
    rest = []
    for path in paths:
        source = open_run(path) if path.is_dir() else None
        if source is None:
            rest.append(path)
        else:
            _ingest_run(catalog, source, options, progress)
    if not rest:
        return
    # Imported where it is known which is needed: starting takes as long as importing a small file.
    from baselake.ingest.sam_stream import detect_format
    from baselake.ingest.vcf.detect import is_vcf

    files = list(_files(rest))
    called = [path for path in files if is_vcf(path)]
    aligned = [path for path in files if path not in called and detect_format(path) is not None]
    kinds = {"VCF or BCF": called, "SAM, BAM or CRAM": aligned}
    kinds["FASTQ"] = [path for path in files if path not in called and path not in aligned]
    if len(there := [kind for kind, found in kinds.items() if found]) > 1:
        one, other = (f"{kind} ({kinds[kind][0].name})" for kind in there[:2])
        raise InputError(
            f"{one} and {other} in one import", str(kinds[there[1]][0]), "Import them one kind at a time"
        )
    if called:
        from baselake.ingest.vcf.imports import ingest_vcf

        if library is not None:
            raise InputError("--library is for reads", str(called[0]), "Leave it out")
        ingest_vcf(catalog, files, sample=sample, reference=reference, sex=sex, progress=progress)
        return
    if aligned:
        from baselake.ingest.bam import ingest_bam

        ingest_bam(
            catalog, files, sample=sample, library=library, reference=reference, sex=sex, progress=progress
        )
    else:
        from baselake.ingest.fastq import ingest_fastq

        ingest_fastq(catalog, files, sample=sample, library=library, sex=sex, progress=progress)


def _ingest_run(catalog: Catalog, source: RunSource, options: RunOptions, progress: Progress) -> None:
    result = source.ingest(catalog, options, progress)
    progress.note(
        f"{result.run_id}: {result.units_imported} of {result.units} units imported now, {result.reads:,} reads"
    )
    if result.faults:
        first = result.faults[0]
        more = (
            f"; {len(result.faults) - 1} more faults are in the table run_faults"
            if len(result.faults) > 1
            else ""
        )
        raise InputError(
            f"not all of run {result.run_id} could be imported: {first}{more}",
            str(source.describe().folder),
            "What is sound is in the lake; correct or copy again what is named and run the same command, or say what"
            " may be absent with --allow-missing",
        )


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if not path.exists():
            raise NotFoundError("no such file or folder", str(path), "Check the path")
        if not path.is_dir():
            yield path
            continue
        found = sorted(entry for entry in path.rglob("*") if entry.is_file() and _is_taken(entry))
        if not found:
            raise NotFoundError(
                "no FASTQ, SAM, BAM, CRAM, VCF or BCF file in the folder", str(path), "Check the path"
            )
        yield from found


def _is_taken(path: Path) -> bool:
    return is_fastq_name(path) or path.name.lower().endswith(_ENDINGS)
