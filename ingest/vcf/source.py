"""A VCF or BCF file: its header, and its records as columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from baselake.catalog.references import Reference
from baselake.errors import InputError, NotFoundError, TruncatedInputError
from baselake.ingest.compressed import Digest, ReadAhead
from baselake.ingest.vcf._reader import BuiltBatch, Fault, Reader
from baselake.ingest.vcf.detect import BCF_MAGIC, VCF_MAGIC
from baselake.ingest.vcf.header import Header, bcf_header_bytes, parse_header
from baselake.lake.schema import TILE_ROWS, TILE_SAMPLES

_CHUNK = 1 << 20
# About what a genotype takes while it is built.
_GENOTYPE_BYTES = 80
# A header of so many bytes is taken for a file that is no VCF.
_LONGEST_HEADER = 256 << 20


class Part(TypedDict):
    """Some records of one contig, as batches that `pyarrow.record_batch` takes once.

    Each of `genotypes` has the rows of a block of samples; its `site` is a row of `site`, its `sample` the place of a
    sample among all sorted by name, its `gt` a number into `gts`; `blocks` numbers samples so, too. `first` and `last`
    are the least and the greatest of the starts, `sorted` whether they ascend.
    """

    contig: str
    records: BuiltBatch
    variants: BuiltBatch
    site: BuiltBatch
    genotypes: list[BuiltBatch]
    gts: list[str]
    blocks: BuiltBatch
    first: int
    last: int
    sorted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VcfFile:
    """What the beginning of a file says.

    Attributes:
        path: the file.
        bcf: it is BCF2, and no text.
        header: its header.
    """

    path: Path
    bcf: bool
    header: Header

    @property
    def form(self) -> str:
        """`vcf` or `bcf`."""
        return "bcf" if self.bcf else "vcf"


def open_vcf(path: Path) -> VcfFile:
    """Read a file's header.

    Raises:
        InputError: it is no VCF or BCF; the message names the line.
        NotFoundError, StorageError: it cannot be read.
    """
    with ReadAhead(path, _CHUNK) as chunks:
        bcf, lines, _ = _header_lines(chunks, path)
    return VcfFile(path=path, bcf=bcf, header=parse_header(lines, str(path)))


def choose_reference(file: VcfFile, references: Sequence[Reference], chosen: str | None) -> Reference:
    """The assembly a file's records are on: the one that has the contigs it declares, by name and length.

    Args:
        file: the file.
        references: the candidates: the chosen one, or all.
        chosen: its name, where the user gave one.

    Raises:
        NotFoundError: no assembly is registered.
        InputError: none has those contigs, or several have.
    """
    where = str(file.path)
    if not references:
        raise NotFoundError(
            "there is no reference to normalise alleles against",
            where,
            "Register the assembly: baselake reference add FASTA --name NAME",
        )
    wrong: dict[str, str] = {}
    for reference in references:
        lengths = reference.lengths
        declared = [(name, length) for name, length in file.header.contigs.items() if name in lengths]
        for name, length in declared:
            if length is not None and length != lengths[name]:
                wrong[reference.name] = (
                    f"contig {name} has {length:,} bases in the file and {lengths[name]:,} in reference"
                    f" {reference.name}"
                )
        if file.header.contigs and not declared:
            wrong[reference.name] = f"reference {reference.name} has none of the contigs of the file"
    fitting = [reference for reference in references if reference.name not in wrong]
    if not fitting:
        raise InputError(
            next(iter(wrong.values())),
            where,
            "Register its assembly with baselake reference add, or rename contigs: bcftools annotate --rename-chrs",
        )
    if len(fitting) > 1 and chosen is None:
        names = ", ".join(reference.name for reference in fitting)
        raise InputError(f"its records may be on any of {names}", where, "Name one with --reference")
    return fitting[0]


class Reading:
    """The records of a file, part by part.

    Attributes:
        digest, records: of the whole file, once it has been read.
        misfits: values of INFO that are not of the type that the header declares, and were kept as text.
        misfit: what is wrong with the first.
        skipped: records on contigs that are not among `spellings`.

    Args:
        file: the file.
        reference: the assembly its alleles are checked and normalised against.
        part_bytes: about how large a part is.
        spellings: the reference's contig by each name that the file may call it; records of other contigs are left
            out. None: contigs are called as in the reference, and there are no others.
    """

    def __init__(
        self,
        file: VcfFile,
        reference: Reference,
        part_bytes: int,
        spellings: Mapping[str, str] | None = None,
    ) -> None:
        self._file = file
        self._reference = reference
        self._part_bytes = part_bytes
        self._spellings = spellings
        self.digest: Digest | None = None
        self.records = 0
        self.misfits = 0
        self.misfit = ""
        self.skipped = 0

    def parts(self) -> Iterator[Part]:
        """Parts in order, each of one contig.

        Raises:
            InputError: a record is not what VCF or its header says; the message names the line.
            StorageError: the file cannot be read.
        """
        with ReadAhead(self._file.path, _CHUNK) as chunks:
            _, lines, rest = _header_lines(chunks, self._file.path)
            header = self._file.header
            block, sites = _tile(len(header.samples), self._part_bytes)
            bcf = (header.strings, tuple(header.contigs)) if self._file.bcf else None
            lengths = self._reference.lengths
            spellings = self._spellings if self._spellings is not None else {name: name for name in lengths}
            reader = Reader(
                info=[(name, key.type, key.number, key.reserved) for name, key in header.info.items()],
                format=[(name, key.type, key.number, key.reserved) for name, key in header.format.items()],
                contigs=[
                    (name, self._reference.bases(contig, 0, lengths[contig]))
                    for name, contig in spellings.items()
                ],
                # Code points sort as their UTF-8 does, which is how DuckDB and Parquet compare.
                order=sorted(range(len(header.samples)), key=header.samples.__getitem__),
                block=block,
                part_sites=sites,
                has_format=header.has_format,
                lines_before=0 if self._file.bcf else len(lines),
                part_bytes=self._part_bytes,
                bcf=bcf,
                skip_unknown=self._spellings is not None,
            )
            piece = rest
            while True:
                following = chunks.read()
                try:
                    for part in reader.feed(piece, last=not following):
                        part["gts"] = reader.genotypes
                        yield part
                except Fault as fault:
                    unit = "record" if self._file.bcf else "line"
                    raise InputError(
                        str(fault),
                        f"{self._file.path}, {unit} {reader.line}",
                        "Correct the record, or leave it out",
                    ) from fault
                if not following:
                    break
                piece = following
            self.digest = chunks.digest
            self.records = reader.records
            self.misfits = reader.misfits
            self.misfit = reader.misfit
            self.skipped = reader.skipped


def _tile(samples: int, part_bytes: int) -> tuple[int, int]:
    """How many samples have columns together, and of how many rows of each a part is: a tile is a row group."""
    sites = TILE_ROWS // min(max(samples, 1), TILE_SAMPLES)
    if samples > TILE_SAMPLES:
        sites = max(1, min(sites, part_bytes // (samples * _GENOTYPE_BYTES)))
    return max(TILE_SAMPLES, TILE_ROWS // sites), sites


def _header_lines(chunks: ReadAhead, path: Path) -> tuple[bool, list[str], bytes]:
    """Whether it is BCF, the header's lines, and what was read beyond them."""
    start = b""
    while True:
        chunk = chunks.read()
        start += chunk
        if start.startswith(BCF_MAGIC):
            size = bcf_header_bytes(start)
            if size is not None and len(start) >= size:
                return True, _text(start[9:size].rstrip(b"\0"), path), start[size:]
        elif start and not start.startswith(VCF_MAGIC[: len(start)]):
            raise InputError("it does not begin as VCF or BCF does", str(path), "Check the file")
        else:
            at = 0 if start.startswith(b"#CHROM") else start.find(b"\n#CHROM") + 1
            end = start.find(b"\n", at) if at else -1
            if end >= 0 or (at and not chunk):
                end = end if end >= 0 else len(start)
                return False, _text(start[:end], path), start[end + 1 :]
            body = next((line for line in start.split(b"\n")[:-1] if not line.startswith(b"##")), None)
            if body is not None and not body.startswith(b"#CHROM"):
                number = start[: start.index(body)].count(b"\n") + 1
                raise InputError(
                    "the line of column names (#CHROM) does not follow the header",
                    f"{path}, line {number}",
                    "Correct the header: bcftools reheader",
                )
        if not chunk or len(start) > _LONGEST_HEADER:
            raise TruncatedInputError(
                "the header does not end", str(path), "Copy the file from its source again"
            )


def _text(header: bytes, path: Path) -> list[str]:
    try:
        return header.decode().replace("\r\n", "\n").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError("the header is not UTF-8", str(path), "Write it as UTF-8") from error
