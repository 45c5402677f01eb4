"""The command line's verbs as methods: the public face of the library.

Each method parses nothing and renders nothing: it calls the one function that does the work.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from baselake.catalog import catalog as catalogs
from baselake.catalog.catalog import Catalog
from baselake.catalog.samples import describe_sample, sample_names
from baselake.catalog.snapshots import At, name_snapshot, unname_snapshot
from baselake.config import acting_user, keys_folder
from baselake.errors import MissingDependencyError, NotFoundError
from baselake.lake.region import Region, parse_region
from baselake.native import check_processor
from baselake.progress import QUIET, Progress

if TYPE_CHECKING:
    import polars
    import pyarrow as pa

    from baselake.catalog.erase.erasure import Erased
    from baselake.catalog.export.bam import Format
    from baselake.catalog.references import Reference
    from baselake.catalog.upkeep.backup import Backup
    from baselake.catalog.upkeep.compact import Compacted
    from baselake.catalog.upkeep.doctor import Repair, Report
    from baselake.catalog.upkeep.expire import Expired
    from baselake.compute.annotate import Annotated
    from baselake.compute.joint import Genotyped
    from baselake.ingest.annotations import SourceImport
    from baselake.ingest.genes import GeneImport


class Lake:
    """An open lake. Close it, or use it as a context manager.

    Attributes:
        catalog: tables and transactions, for programs that need more than the verbs.
    """

    def __init__(self, catalog: Catalog, progress: Progress = QUIET) -> None:
        self.catalog = catalog
        self._progress = progress

    def add_reference(self, fasta: str | os.PathLike[str], name: str) -> "Reference":
        """Register an assembly from a FASTA file; see `baselake.catalog.references.add_reference`."""
        from baselake.catalog.references import add_reference

        return add_reference(self.catalog, Path(fasta), name, self._progress)

    def ingest(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        sample: str | None = None,
        library: str | None = None,
        reference: str | None = None,
        sex: str | None = None,
        sample_sheet: str | os.PathLike[str] | None = None,
        allow_missing: Iterable[str] = (),
        include_filtered: bool = False,
        no_calls: str = "bin",
    ) -> None:
        """Import run folders and FASTQ, SAM, BAM, CRAM, VCF or BCF files, each content once.

        Args:
            paths: sequencers' run folders, files, or folders of files; or one of them.
            sample: the sample they are of; None takes it from read groups or file names.
            library: the library; None takes it from read groups, or the sample's name.
            reference: the assembly that alignments or calls are on; None finds it by the header's sequences.
            sex: `male` or `female`, recorded with the sample.
            sample_sheet: of a run folder, which sample has which index; None takes the sheet in the folder.
            allow_missing: of a run folder, what may be absent: `positions`, `tiles`, `checksums`.
            include_filtered: of a run folder, keep clusters that failed the instrument's filter.
            no_calls: of a run folder, which calls are N: `bin`, or `picard`; see `baselake.ingest.illumina.tile`.

        Raises:
            InputError: a file is not what its format says: no file of the call is imported then, and of a run folder
                what is sound.
            ConflictError: a file was imported as another sample's, or another run has the same name.
            NotFoundError: no such file or reference.
        """
        from baselake.ingest.files import ingest_files
        from baselake.ingest.run_source import RunOptions

        if isinstance(paths, str | os.PathLike):  # whose letters would else be taken for paths
            paths = [paths]
        run = RunOptions(
            sample_sheet=Path(sample_sheet) if sample_sheet is not None else None,
            allow_missing=frozenset(allow_missing),
            include_filtered=include_filtered,
            no_calls=no_calls,
        )
        ingest_files(
            self.catalog,
            [Path(path) for path in paths],
            sample=sample,
            library=library,
            reference=reference,
            sex=sex,
            run=run,
            progress=self._progress,
        )

    def assign(self, run_id: str, sample_sheet: str | os.PathLike[str] | None) -> None:
        """Assign a run's reads to samples by another sheet; see `baselake.ingest.illumina.assign.assign_sheet`."""
        from baselake.ingest.illumina.assign import assign_sheet

        path = Path(sample_sheet) if sample_sheet is not None else None
        assign_sheet(self.catalog, run_id, path, self._progress)

    def align(
        self,
        samples: Sequence[str] = (),
        reference: str | None = None,
        *,
        optical_distance: int | None = None,
    ) -> None:
        """Align, sort and mark duplicates; a sample that is aligned already is left as it is.

        Args:
            samples: which; none means all.
            reference: on which assembly; None takes the only one.
            optical_distance: pixels up to which duplicates of a tile are optical ones; None: 100, which is for
                flow cells without a pattern. 2500 is for patterned ones.

        Raises:
            NotFoundError: no such sample or reference, or a sample without reads.
        """
        from baselake.compute.align import OPTICAL_DISTANCE, align_samples

        align_samples(
            self.catalog,
            self._samples(samples),
            self._reference(reference),
            progress=self._progress,
            optical_distance=OPTICAL_DISTANCE if optical_distance is None else optical_distance,
        )

    def call(
        self,
        samples: Sequence[str] = (),
        reference: str | None = None,
        region: str | None = None,
        *,
        device: str = "auto",
    ) -> None:
        """Call germline variants, aligning first what is not aligned.

        Args:
            samples: which; none means all.
            reference: on which assembly; None takes the only one.
            region: only there, as samtools writes regions: `20:10,000,001-10,100,000`; None: everywhere.
            device: `cpu`, `gpu` (every GPU), `gpu:N` (that one), or `auto`: every GPU, else the CPU. Aligning is the
                CPU's. Calls do not depend on it.

        Raises:
            InputError: the device is none of these.
            NotFoundError: no such sample, reference, contig or GPU, or a sample without reads.
            MissingDependencyError: a GPU is asked for, and CuPy is not installed.
        """
        from baselake.compute.align import align_samples
        from baselake.compute.call import call_samples
        from baselake.compute.device import choose_devices

        gpus = choose_devices(device)

        chosen, assembly = self._samples(samples), self._reference(reference)
        where = self._region(assembly, region)
        align_samples(self.catalog, chosen, assembly, progress=self._progress)
        call_samples(self.catalog, chosen, assembly, region=where, progress=self._progress, gpus=gpus)

    def sql(self, query: str) -> "pa.Table":
        """Rows of a query.

        Raises:
            InputError: the text is not SQL that this lake can answer.
        """
        self.audit_sql(query)
        relation = self.catalog.relation(query)
        if relation is None:
            import pyarrow as pa

            return pa.table({})
        with self.catalog.reading():
            return relation.to_arrow_table()

    def query(self, question: str, *arguments: object, **named: object) -> "pa.Table":
        """The answer to a question with a name, as `lake.query("de_novo", "family1", min_depth=10)`.

        Args:
            question: one of the table macros in docs/questions.md.
            arguments: its arguments, in order.
            named: further ones, by name.

        Raises:
            NotFoundError: no such question, or no such sample, family, cohort or contig.
            InputError: arguments are missing, too many or of the wrong kind.
        """
        return self.catalog.query(self._asked(question, arguments, named))

    def stream(self, question: str, *arguments: object, **named: object) -> "pa.RecordBatchReader":
        """The same answer, computed as its batches are read."""
        return self.catalog.stream(self._asked(question, arguments, named))

    def lazy(self, question: str, *arguments: object, **named: object) -> "polars.LazyFrame":
        """The same answer as a frame of Polars that is computed when it is collected.

        Raises:
            MissingDependencyError: Polars is not installed.
        """
        try:
            import polars  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("Polars is not installed", "", "Run: pip install polars") from error
        relation = self.catalog.relation(self._asked(question, arguments, named))
        assert relation is not None  # it is a SELECT
        return relation.pl(lazy=True)

    def question_sql(self, question: str, *arguments: object, **named: object) -> str:
        """The SQL of a question; see `baselake.catalog.questions.question_sql`."""
        from baselake.catalog.questions import question_sql

        return question_sql(self.catalog, question, arguments, named)

    def _asked(self, question: str, arguments: Sequence[object], named: Mapping[str, object]) -> str:
        self.audit_sql(sql := self.question_sql(question, *arguments, **named))
        return sql

    def audit_sql(self, query: str) -> None:
        """Set a query down in the audit of a lake whose reads are audited; what it has in quotes is left out."""
        from baselake.catalog.audit import without_literals

        self.catalog.audit_read("sql", {"query": without_literals(query)})

    def export_vcf(
        self,
        path: str | os.PathLike[str],
        sample: str | Sequence[str],
        *,
        reference: str | None = None,
        region: str | None = None,
    ) -> int:
        """Write calls as VCF (`.vcf`, or bgzipped and indexed `.vcf.gz`); the number of records.

        Args:
            path: the file.
            sample: whose; several only where they were imported together.
            reference: the assembly; None: the only one.
            region: only there.
        """
        from baselake.catalog.export.vcf import export_vcf

        samples = self._samples([sample] if isinstance(sample, str) else sample)
        assembly = self._reference(reference)
        for each in samples:
            self._audit_export("vcf", each, region)
        return export_vcf(self.catalog, samples, assembly, Path(path), self._region(assembly, region))

    def export_source(
        self,
        path: str | os.PathLike[str],
        source: str,
        *,
        reference: str | None = None,
        region: str | None = None,
    ) -> int:
        """Write an imported VCF's records as they came in; see `baselake.catalog.export.vcf.export_source`."""
        from baselake.catalog.export.vcf import export_source

        self._audit("export vcf", source=source, region=region)
        return export_source(self.catalog, source, Path(path), reference, region)

    def alignments(
        self, sample: str, region: str | Sequence[str], *, reference: str | None = None
    ) -> "pa.Table":
        """A sample's alignments that overlap a region, all columns of `alignments`, by start.

        Quicker than SQL on the view where many rows or columns are wanted, and quickest where many regions are asked
        for at once: region by region then, an alignment once for each region that it overlaps.

        Args:
            sample: whose.
            region: `CONTIG:START-END`, 1-based and inclusive as everywhere on the command line; or several.
            reference: the assembly; None: the only one.
        """
        from baselake.catalog.regions import region_alignments

        assembly = self._reference(reference)
        texts = [region] if isinstance(region, str) else list(region)
        self._audit_export("alignments", sample, ", ".join(texts))
        regions = [parse_region(text, assembly.lengths) for text in texts]
        return region_alignments(self.catalog, assembly.name, self._sample(sample), regions)

    def export_gvcf(
        self,
        path: str | os.PathLike[str],
        sample: str,
        *,
        reference: str | None = None,
        region: str | None = None,
    ) -> int:
        """Write a sample's calls and the reference blocks between them as gVCF, named as `export_vcf`'s file is."""
        from baselake.catalog.export.gvcf import export_gvcf

        assembly = self._reference(reference)
        self._audit_export("gvcf", sample, region)
        where = self._region(assembly, region)
        return export_gvcf(self.catalog, self._sample(sample), assembly, Path(path), where)

    def export_bam(
        self,
        path: str | os.PathLike[str],
        sample: str,
        *,
        reference: str | None = None,
        region: str | None = None,
        form: "Format" = "bam",
    ) -> int:
        """Write a sample's alignments as indexed BAM or CRAM, or as SAM; the number of records."""
        from baselake.catalog.export.bam import export_bam

        assembly = self._reference(reference)
        self._audit_export(form, sample, region)
        where = self._region(assembly, region)
        return export_bam(
            self.catalog,
            self._sample(sample),
            assembly,
            Path(path),
            region=where,
            form=form,
            progress=self._progress,
        )

    def export_fastq(self, pattern: str, sample: str) -> list[Path]:
        """Write a sample's reads; `{segment}` in the pattern becomes 1 and 2. The files written."""
        from baselake.catalog.export.fastq import export_fastq

        self._audit_export("fastq", sample, None)
        return export_fastq(self.catalog, self._sample(sample), pattern, progress=self._progress)

    def report(self, sample: str, path: str | os.PathLike[str], *, reference: str | None = None) -> None:
        """Write a sample's quality control as one HTML file; what is missing or out of date is measured first.

        Args:
            sample: which.
            path: the file, which is replaced.
            reference: on which assembly; None takes the only one.

        Raises:
            NotFoundError: no such sample, reference or folder, or a sample without alignments.
            ConflictError: another process changed its alignments or calls meanwhile.
        """
        from baselake.compute.qc.report import write_report
        from baselake.compute.qc.sample import measure_sample

        assembly, chosen = self._reference(reference), self._sample(sample)
        self._audit_export("report", chosen, None)
        measure_sample(self.catalog, chosen, assembly, self._progress)
        write_report(self.catalog, chosen, assembly, Path(path))

    def kept_file(self, run: str, name: str) -> BinaryIO:
        """A file that is kept as it came with a run; see `baselake.catalog.export.kept.open_kept`."""
        from baselake.catalog.export.kept import open_kept

        self.catalog.audit_read("runs file", {"run": run, "name": name})
        return open_kept(self.catalog, run, name)

    def describe_sample(
        self,
        sample: str,
        *,
        sex: str | None = None,
        family: str | None = None,
        father: str | None = None,
        mother: str | None = None,
        phenotypes: Sequence[str] | None = None,
    ) -> None:
        """Record what is known of a sample; what is None stays as it is."""
        describe_sample(
            self.catalog,
            self._sample(sample),
            sex=sex,
            family=family,
            father=father,
            mother=mother,
            phenotypes=phenotypes,
        )

    def add_pedigree(self, path: str | os.PathLike[str]) -> None:
        """Tell the lake of the families of a PED file; see `baselake.catalog.pedigree.add_pedigree`."""
        from baselake.catalog.pedigree import add_pedigree

        add_pedigree(self.catalog, Path(path))

    def annotate_genes(
        self, path: str | os.PathLike[str], *, reference: str | None = None, release: str | None = None
    ) -> "GeneImport":
        """Load gene models from GFF3 or GTF; see `baselake.ingest.genes.load_genes`."""
        from baselake.ingest.genes import load_genes

        return load_genes(
            self.catalog, Path(path), reference=reference, version=release, progress=self._progress
        )

    def annotate_variants(self, reference: str | None = None) -> "Annotated":
        """Tell consequences of alleles that have none; see `baselake.compute.annotate.annotate_variants`."""
        from baselake.compute.annotate import annotate_variants

        return annotate_variants(self.catalog, reference, self._progress)

    def annotate_source(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        reference: str | None = None,
        release: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> "SourceImport":
        """Load a release of a source of annotation; see `baselake.ingest.annotations.load_source`."""
        from baselake.ingest.annotations import load_source

        return load_source(
            self.catalog,
            name,
            Path(path),
            reference=reference,
            version=release,
            columns=columns,
            progress=self._progress,
        )

    def set_panel(self, name: str, genes: Sequence[str]) -> list[str]:
        """Give a list of genes a name; none: the name goes; see `baselake.catalog.annotations.set_panel`."""
        from baselake.catalog.annotations import set_panel

        return set_panel(self.catalog, name, genes)

    def set_cohort(self, name: str, samples: Sequence[str]) -> None:
        """Give a set of samples a name; none: the name goes; see `baselake.catalog.pedigree.set_cohort`."""
        from baselake.catalog.pedigree import set_cohort

        set_cohort(self.catalog, name, samples)

    def count_cohort(self, name: str) -> None:
        """Count a cohort's alleles anew; see `baselake.catalog.counting.count_cohort`."""
        from baselake.catalog.counting import count_cohort

        count_cohort(self.catalog, name)

    def genotype(
        self, cohort: str, *, reference: str | None = None, region: str | None = None
    ) -> "Genotyped":
        """Genotype the members of a cohort together; see `baselake.compute.joint.genotype_cohort`.

        Args:
            cohort: a cohort, family or sample, or `all`.
            reference: on which assembly; None takes the only one.
            region: only alleles that begin there; None: everywhere.
        """
        from baselake.compute.joint import genotype_cohort

        assembly = self._reference(reference)
        return genotype_cohort(self.catalog, cohort, assembly, self._region(assembly, region), self._progress)

    def export_cohort(
        self,
        path: str | os.PathLike[str],
        cohort: str,
        *,
        reference: str | None = None,
        region: str | None = None,
    ) -> int:
        """Write what members of a cohort have, called together, as one VCF; the number of records."""
        from baselake.catalog.export.cohort import export_cohort

        assembly = self._reference(reference)
        self._audit("export vcf", cohort=cohort, region=region)
        return export_cohort(self.catalog, cohort, assembly, Path(path), self._region(assembly, region))

    def snapshots(self) -> "pa.Table":
        """Every snapshot: number, time, names, which job made it, and what it brought."""
        return self.catalog.query(self.catalog.statement("snapshots"))

    def name_snapshot(self, name: str, at: At | None = None) -> int:
        """Give a snapshot a name, which keeps it from expiring; see `baselake.catalog.snapshots.name_snapshot`."""
        return name_snapshot(self.catalog, name, at)

    def unname_snapshot(self, name: str) -> int:
        """Take a snapshot's name away; see `baselake.catalog.snapshots.unname_snapshot`."""
        return unname_snapshot(self.catalog, name)

    def restore_snapshot(self, at: At) -> int:
        """Make the lake what it was at a snapshot, as a new one; see `baselake.catalog.restore.restore_snapshot`."""
        from baselake.catalog.restore import restore_snapshot

        return restore_snapshot(self.catalog, at)

    def doctor(self, *, quick: bool = False, repair: "Repair | None" = None) -> "Report":
        """Check every file, and mend what can be; see `baselake.catalog.upkeep.doctor.examine`."""
        from baselake.catalog.upkeep.doctor import examine

        return examine(self.catalog, quick=quick, repair=repair, progress=self._progress)

    def compact(
        self, tables: Sequence[str] = (), *, min_files: int = 8, target_bytes: int = 128 << 20
    ) -> "list[Compacted]":
        """Make large files of small ones; see `baselake.catalog.upkeep.compact.compact`."""
        from baselake.catalog.upkeep.compact import compact

        return compact(
            self.catalog, tables, min_files=min_files, target_bytes=target_bytes, progress=self._progress
        )

    def expire(
        self, older_than: timedelta, *, grace: timedelta = timedelta(days=1), dry_run: bool = False
    ) -> "Expired":
        """Let old snapshots go; see `baselake.catalog.upkeep.expire.expire`."""
        from baselake.catalog.upkeep.expire import expire

        return expire(self.catalog, older_than, grace=grace, dry_run=dry_run, progress=self._progress)

    def backup(self, path: str | os.PathLike[str], *, data: str | os.PathLike[str] | None = None) -> "Backup":
        """Copy the catalog, and the data it needs; see `baselake.catalog.upkeep.backup.backup`."""
        from baselake.catalog.upkeep.backup import backup

        return backup(self.catalog, Path(path), data=data, progress=self._progress)

    def erase(self, sample: str) -> "Erased":
        """Erase a sample from every snapshot; see `baselake.catalog.erase.erasure.erase_sample`."""
        from baselake.catalog.erase.erasure import erase_sample
        from baselake.catalog.erase.keys import open_keys

        config = self.catalog.config
        keys = open_keys(keys_folder(config, os.environ), self.catalog.layout.root)
        return erase_sample(self.catalog, sample, keys, acting_user(os.environ), self._progress)

    def _audit_export(self, form: str, sample: str, region: str | None) -> None:
        self._audit(f"export {form}", sample=sample, region=region)

    def _audit(self, operation: str, **said: str | None) -> None:
        self.catalog.audit_read(operation, {key: text for key, text in said.items() if text is not None})

    def close(self) -> None:
        self.catalog.close()

    def __enter__(self) -> "Lake":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reference(self, name: str | None) -> "Reference":
        # Imported here: sequences are NumPy's, which a question does not need.
        from baselake.catalog.references import open_reference

        return open_reference(self.catalog, name)

    def _region(self, reference: "Reference", text: str | None) -> Region | None:
        return None if text is None else parse_region(text, reference.lengths)

    def _sample(self, wanted: str) -> str:
        (sample,) = self._samples([wanted])
        return sample

    def _samples(self, wanted: Sequence[str]) -> list[str]:
        known = sample_names(self.catalog)
        for sample in wanted:
            if sample not in known:
                some = f"The samples are {', '.join(known[:10])}" if known else "Run: baselake ingest"
                raise NotFoundError(f"no sample {sample!r}", str(self.catalog.layout.root), some)
        if not known:
            raise NotFoundError(
                "no sample in the lake", str(self.catalog.layout.root), "Run: baselake ingest"
            )
        return list(dict.fromkeys(wanted)) or known


def open_lake(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    at: At | None = None,
    damaged: bool = False,
    progress: Progress = QUIET,
) -> Lake:
    """Open the lake in a folder; see `baselake.open`."""
    check_processor()
    catalog = catalogs.connect(Path(path), read_only=read_only, at=at, damaged=damaged)
    return Lake(catalog, progress)
