"""The columns, partitioning, order and Parquet encodings of every table that holds bulk data.

Coordinates are 0-based half-open: `start` is the first base, `end` the base after the last. They are int32
because SAM limits a position to 2^31 - 1 (SAMv1, section 1.4). A contig is named as its reference names it.
Bases are ASCII, qualities ASCII phred + 33, so that a plain Parquet reader shows what a SAM file would.

The same columns stand as SQL in `catalog/sql/schema/`; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pyarrow as pa

from baselake.lake.spec import TableSpec

# Columns that are coded in blocks, and the stored column that holds a block of each.
CODED: Mapping[str, str] = MappingProxyType(
    {
        "name": "name_block",
        "next_start": "mate_block",
        "tlen": "mate_block",
        "seq": "seq_block",
        "qual": "qual_block",
        "tags": "tags_block",
    }
)
BLOCK_ROW = "block_row"  # a row's place in its block, from 0; NULL: the row's columns are plain


def _spec(name: str, columns: list[tuple[str, pa.DataType]], **options: object) -> TableSpec:
    return TableSpec(name=name, schema=pa.schema(columns), **options)  # type: ignore[arg-type]


def _map_of(item: pa.DataType) -> pa.DataType:
    """MAP(VARCHAR, item[])."""
    return pa.map_(pa.string(), pa.list_(item))


def _map_dictionary(*names: str) -> tuple[str, ...]:
    """The Parquet columns of such maps: keys repeat, and values often do."""
    leaves = ("key", "value.list.element")
    return tuple(f"{name}.key_value.{leaf}" for name in names for leaf in leaves)


def _in_blocks(stored: str, spec: TableSpec) -> TableSpec:
    """A table whose large columns are coded, in the table `stored`: all columns of `spec`, then those of blocks.

    Rows that came before there were blocks have their columns plain, and NULL in those of blocks. Files of coded rows
    leave the plain ones out.
    """
    blocks = dict.fromkeys(block for column, block in CODED.items() if column in spec.schema.names)
    columns = [(field.name, field.type) for field in spec.schema]
    columns += [(BLOCK_ROW, pa.int32()), *((block, pa.binary()) for block in blocks)]
    encodings = {column: how for column, how in spec.encodings.items() if column not in CODED}
    return replace(
        spec,
        stored=replace(
            spec,
            name=stored,
            schema=pa.schema(columns),
            encodings=MappingProxyType(encodings | {BLOCK_ROW: "DELTA_BINARY_PACKED"}),
            uncompressed=tuple(blocks),
        ),
    )


_READ_RECORDS = _spec(
    "read_records",
    [
        ("run_id", pa.string()),
        ("lane", pa.int16()),  # NULL where the read name does not tell
        ("read_group_id", pa.string()),  # unique in the lake; read_groups says which sample
        ("name", pa.string()),  # QNAME: no leading '@', no comment, no /1 or /2
        ("comment", pa.string()),  # the FASTQ header after the first blank, verbatim; NULL: none
        ("segment", pa.int8()),  # 1 first (or only) segment of the template, 2 last
        ("seq", pa.string()),  # as it left the sequencer: never reverse-complemented
        ("qual", pa.string()),  # same length as seq; NULL where the input has none
        ("index1_seq", pa.string()),
        ("index1_qual", pa.string()),
        ("index2_seq", pa.string()),
        ("index2_qual", pa.string()),
        ("umi", pa.string()),
        ("tags", pa.binary()),  # raw BAM auxiliary bytes; NULL for none
        ("filtered", pa.bool_()),  # True: failed the instrument's filter (FASTQ 'Y', FLAG 0x200)
        ("tile", pa.int32()),  # of a run folder's reads, as the instrument numbers it
        # where the sheet's adapter begins, 0-based in the cycles the sheet keeps; NULL: not looked for, or not there
        ("adapter_start", pa.int16()),
    ],
    partition_by=("run_id", "lane"),
    # a template's segments stand together, in input order; those of a tile by the sample they were first assigned to
    sort_by=(),
    dictionary=(
        "run_id",
        "lane",
        "read_group_id",
        "comment",
        "segment",
        "index1_seq",
        "index1_qual",
        "index2_seq",
        "index2_qual",
        "filtered",
        "tile",
        "adapter_start",
    ),
    encodings=MappingProxyType({"name": "DELTA_BYTE_ARRAY"}),
)

_ALIGNMENTS = _spec(
    "alignments",
    [
        ("reference", pa.string()),  # the name given to `reference add`
        ("sample_id", pa.string()),
        ("read_group_id", pa.string()),
        ("name", pa.string()),
        ("flag", pa.int32()),  # SAM FLAG, 16 bits; 0x400 as in `duplicate`
        ("contig", pa.string()),  # NULL: RNAME '*'
        ("start", pa.int32()),  # NULL: POS 0
        ("end", pa.int32()),  # start + reference bases of cigar; start + 1 where there are none
        ("mapq", pa.int16()),
        ("cigar", pa.string()),  # NULL: '*'
        ("next_contig", pa.string()),  # the mate's contig spelled out, never '='; NULL: '*'
        ("next_start", pa.int32()),  # NULL: PNEXT 0
        ("tlen", pa.int32()),
        ("seq", pa.string()),  # as in SAM: on the forward strand of the reference; NULL: '*'
        ("qual", pa.string()),  # phred + 33, as in SAM; NULL: '*'
        # raw BAM auxiliary bytes as they came: order, integer widths and RG kept; export adds RG where absent
        ("tags", pa.binary()),
        ("duplicate", pa.bool_()),
    ],
    partition_by=("reference", "sample_id", "contig"),
    sort_by=("start",),
    dictionary=(
        "reference",
        "sample_id",
        "read_group_id",
        "flag",
        "contig",
        "mapq",
        "cigar",
        "next_contig",
        "duplicate",
    ),
    encodings=MappingProxyType(
        {
            "name": "DELTA_BYTE_ARRAY",
            "start": "DELTA_BINARY_PACKED",
            "end": "DELTA_BINARY_PACKED",
            "next_start": "DELTA_BINARY_PACKED",
            "tlen": "DELTA_BINARY_PACKED",
        }
    ),
)

READ_RECORDS = _in_blocks("stored_reads", _READ_RECORDS)
ALIGNMENTS = _in_blocks("stored_alignments", _ALIGNMENTS)

VARIANTS = _spec(
    "variants",
    [
        ("reference", pa.string()),
        (
            "variant_id",
            pa.string(),
        ),  # contig-POS-REF-ALT with the 1-based POS of VCF, e.g. chr17-43044300-C-T
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),  # start + length of ref
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("type", pa.string()),  # snv, insertion, deletion, mnv, complex
    ],
    partition_by=("reference", "contig"),
    sort_by=("start",),
    dictionary=("reference", "contig", "ref", "alt", "type"),
    encodings=MappingProxyType(
        {
            "variant_id": "DELTA_BYTE_ARRAY",
            "start": "DELTA_BINARY_PACKED",
            "end": "DELTA_BINARY_PACKED",
        }
    ),
)

GENOTYPES = _spec(
    "genotypes",
    [
        ("reference", pa.string()),
        ("sample_id", pa.string()),
        ("variant_id", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        # VCF GT with alleles numbered for this row: 0 reference, 1 this row's alternate, 2 any other
        # alternate of the site. '1/2' is therefore one copy of this alternate beside another one.
        ("gt", pa.string()),
        ("alt_copies", pa.int8()),  # copies of this row's alternate in gt; NULL: no call
        ("gq", pa.int32()),  # phred
        ("dp", pa.int32()),  # reads that took part
        ("ad_ref", pa.int32()),
        ("ad_alt", pa.int32()),
        (
            "pl",
            pa.list_(pa.int32()),
        ),  # phred, over {ref, this alt} in VCF order; 3 diploid, 2 haploid; NULL: af
        ("allele_index", pa.int8()),  # 1-based place of this alternate among those of its site
        (
            "site_pl",
            pa.list_(pa.int32()),
        ),  # PL over all alleles of a multi-allelic site; NULL where biallelic
        ("ps", pa.int32()),  # phase set, the 1-based POS of VCF; NULL: unphased
        ("filters", pa.list_(pa.string())),  # names of failed filters; empty: PASS
        ("qual", pa.float32()),  # VCF QUAL, phred
        ("mq", pa.float32()),  # root mean square MAPQ of the site's reads
        ("sb", pa.list_(pa.int32())),  # reads: ref forward, ref reverse, alt forward, alt reverse
        ("fs", pa.float32()),  # strand bias: phred p of Fisher's exact test on sb
        ("read_pos_rank_sum", pa.float32()),  # z, alternate against reference place in read; NULL: too few
        ("base_q_rank_sum", pa.float32()),  # z, alternate against reference base quality; NULL: too few
        # Of imported genotypes: the record they came in, and keys of FORMAT that no column holds, or not whole, by
        # type. Of several rows of a record the first has these.
        ("source_id", pa.string()),
        ("record", pa.int32()),
        ("format_integers", _map_of(pa.int32())),
        ("format_floats", _map_of(pa.float32())),
        ("format_strings", _map_of(pa.string())),
        (
            "af",
            pa.float32(),
        ),  # fraction of the copies that have it, where copies are many; NULL: they are counted
    ],
    partition_by=("reference", "contig"),
    sort_by=("start",),
    dictionary=(
        "reference",
        "sample_id",
        "contig",
        "gt",
        "alt_copies",
        "allele_index",
        "source_id",
        *_map_dictionary("format_integers", "format_floats", "format_strings"),
    ),
    encodings=MappingProxyType(
        {
            "variant_id": "DELTA_BYTE_ARRAY",
            "start": "DELTA_BINARY_PACKED",
            "record": "DELTA_BINARY_PACKED",
        }
    ),
)

# One data line of an imported VCF or BCF, as it came: what is the site's and no sample's.
VCF_RECORDS = _spec(
    "vcf_records",
    [
        ("reference", pa.string()),
        ("source_id", pa.string()),  # the file, in source_files
        ("record", pa.int32()),  # its place in the file, from 0
        ("contig", pa.string()),
        ("start", pa.int32()),  # POS - 1, before normalisation; -1: VCF's telomere
        ("end", pa.int32()),  # start + length of ref, or INFO's END
        ("id", pa.string()),  # ID; NULL: '.'
        ("ref", pa.string()),
        ("alts", pa.list_(pa.string())),  # ALT; empty: '.'
        ("variant_ids", pa.list_(pa.string())),  # of each alternate; NULL: it is no variant ('*', '<*>')
        ("qual", pa.float32()),
        ("filters", pa.list_(pa.string())),  # NULL: '.'; empty: PASS
        ("info_keys", pa.list_(pa.string())),  # in the order of the record; flags are here only
        ("info_integers", _map_of(pa.int32())),
        ("info_floats", _map_of(pa.float32())),
        ("info_strings", _map_of(pa.string())),
        ("format_keys", pa.list_(pa.string())),
    ],
    partition_by=("reference", "contig"),
    sort_by=("start",),
    dictionary=(
        "reference",
        "source_id",
        "contig",
        "ref",
        *(f"{name}.list.element" for name in ("alts", "filters", "info_keys", "format_keys")),
        *_map_dictionary("info_integers", "info_floats", "info_strings"),
    ),
    encodings=MappingProxyType(
        {
            "record": "DELTA_BINARY_PACKED",
            "start": "DELTA_BINARY_PACKED",
            "end": "DELTA_BINARY_PACKED",
            "variant_ids.list.element": "DELTA_BYTE_ARRAY",
        }
    ),
)

# What a called sample has where no genotype is: a stretch of the reference, or a gap.
REFERENCE_BLOCKS = _spec(
    "reference_blocks",
    [
        ("reference", pa.string()),
        ("sample_id", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("ploidy", pa.int8()),  # copies of the contig there
        # why nothing can be said: no_usable_reads, unknown_reference, no_call; NULL: all copies are the reference's
        ("gap", pa.string()),
        ("gq", pa.int32()),  # phred, the least of the block's bases; 0 in a gap
        ("dp", pa.int32()),  # fragments, the mean over the block, rounded down
        ("min_dp", pa.int32()),  # the least
    ],
    partition_by=("reference", "contig"),
    sort_by=("start",),
    dictionary=("reference", "sample_id", "contig", "ploidy", "gap", "gq", "dp", "min_dp"),
    encodings=MappingProxyType({"start": "DELTA_BINARY_PACKED", "end": "DELTA_BINARY_PACKED"}),
)

# A file of genotypes of several samples stands in tiles, a row group each: the rows of a stretch of the contig and of
# so many samples at most, in the order of the contig. A region is then a few row groups of each block of samples, and a
# person's calls are a block's (docs/decisions.md has the measurement). What is a site's repeats from sample to sample.
TILE_SAMPLES = 128
TILE_ROWS = 131_072
SHARED_GENOTYPES = replace(
    GENOTYPES,
    dictionary=(
        *GENOTYPES.dictionary,
        *("variant_id", "start", "gq", "dp", "ad_ref", "ad_alt", "pl.list.element", "qual", "record"),
        *("filters.list.element", "ps", "site_pl.list.element"),
    ),
    encodings=MappingProxyType({}),
    required=frozenset({"reference", "sample_id", "contig", "start"}),
    batch_rows=TILE_ROWS,
    row_group_rows=TILE_ROWS,
)
SHARED_BLOCKS = replace(REFERENCE_BLOCKS, row_group_rows=TILE_ROWS)
# What is imported tells its record besides.
IMPORTED_GENOTYPES = replace(SHARED_GENOTYPES, required=SHARED_GENOTYPES.required | {"source_id", "record"})

# Reads over the bases of windows of the contigs that a sample has alignments on.
COVERAGE_WINDOWS = _spec(
    "coverage_windows",
    [
        ("reference", pa.string()),
        ("sample_id", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("mean", pa.float32()),  # reads over a base
        ("covered_1", pa.float32()),  # share of bases that at least so many reads cover
        ("covered_10", pa.float32()),
        ("covered_20", pa.float32()),
        ("covered_30", pa.float32()),
    ],
    partition_by=("reference", "sample_id"),
    sort_by=("contig", "start"),
    dictionary=("reference", "sample_id", "contig", "covered_1", "covered_10", "covered_20", "covered_30"),
    encodings=MappingProxyType({"start": "DELTA_BINARY_PACKED", "end": "DELTA_BINARY_PACKED"}),
)

# How many clusters of a tile have which index sequence, of the cycles that tell samples apart, and what their reads
# are worth: a sample's yield, the top unknown barcodes and a late sheet's assignment need nothing else.
BARCODE_COUNTS = _spec(
    "barcode_counts",
    [
        ("run_id", pa.string()),
        ("lane", pa.int16()),
        ("tile", pa.int32()),
        ("index1_seq", pa.string()),  # empty where the lane has no such index
        ("index2_seq", pa.string()),
        ("clusters", pa.int32()),
        ("clusters_pf", pa.int32()),  # that passed the instrument's filter; what follows is of those
        ("yield_1", pa.int64()),  # bases of segment 1 after trimming
        ("yield_2", pa.int64()),
        ("q30_1", pa.int64()),  # bases of phred 30 and more
        ("q30_2", pa.int64()),
        ("quality_sum_1", pa.int64()),  # sum of phred
        ("quality_sum_2", pa.int64()),
    ],
    partition_by=("run_id", "lane"),
    dictionary=("run_id", "lane", "tile"),
)

# What an allele does to each transcript within 5,000 bases; of one that has none there is one row without a transcript.
CONSEQUENCES = _spec(
    "consequences",
    [
        ("reference", pa.string()),
        ("variant_id", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("gene_id", pa.string()),
        ("gene", pa.string()),
        ("transcript_id", pa.string()),
        ("biotype", pa.string()),  # of the transcript
        ("canonical", pa.bool_()),
        ("mane", pa.string()),  # select or plus_clinical
        ("terms", pa.list_(pa.string())),  # of the Sequence Ontology, the most severe first
        ("impact", pa.string()),  # of the first term: HIGH, MODERATE, LOW, MODIFIER
        ("distance", pa.int32()),  # to the transcript; NULL: it lies in it
        ("exon", pa.string()),  # N/M
        ("intron", pa.string()),
        ("hgvs_c", pa.string()),
        ("hgvs_p", pa.string()),
        ("cds_position", pa.int32()),  # from 1
        ("protein_position", pa.int32()),
        ("codons", pa.string()),
        ("amino_acids", pa.string()),
        ("lof", pa.bool_()),  # loss of function
        ("lof_doubts", pa.list_(pa.string())),  # why it may be none
        ("release_id", pa.string()),  # of the gene models
    ],
    partition_by=("reference", "contig"),
    sort_by=("start",),
    dictionary=(
        "reference",
        "contig",
        "gene_id",
        "gene",
        "transcript_id",
        "biotype",
        "mane",
        "impact",
        "exon",
        "intron",
        "codons",
        "amino_acids",
        "release_id",
        "terms.list.element",
        "lof_doubts.list.element",
    ),
    encodings=MappingProxyType(
        {"variant_id": "DELTA_BYTE_ARRAY", "start": "DELTA_BINARY_PACKED", "hgvs_c": "DELTA_BYTE_ARRAY"}
    ),
)

# What a source such as ClinVar or gnomAD says of an allele, release by release.
ANNOTATIONS = _spec(
    "annotations",
    [
        ("reference", pa.string()),
        ("source", pa.string()),
        ("release_id", pa.string()),
        ("variant_id", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("id", pa.string()),  # the source's own; NULL: none
        ("filters", pa.list_(pa.string())),  # NULL: '.'; empty: PASS
        ("flags", pa.list_(pa.string())),
        ("integers", _map_of(pa.int32())),
        ("floats", _map_of(pa.float32())),
        ("strings", _map_of(pa.string())),
    ],
    partition_by=("reference", "source", "contig"),
    sort_by=("start",),
    dictionary=(
        "reference",
        "source",
        "release_id",
        "contig",
        "filters.list.element",
        "flags.list.element",
        *_map_dictionary("integers", "floats", "strings"),
    ),
    encodings=MappingProxyType({"variant_id": "DELTA_BYTE_ARRAY", "start": "DELTA_BINARY_PACKED"}),
)

ANNOTATION_REGIONS = _spec(
    "annotation_regions",
    [
        ("reference", pa.string()),
        ("source", pa.string()),
        ("release_id", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("name", pa.string()),
        ("strings", _map_of(pa.string())),
    ],
    partition_by=("reference", "source"),
    sort_by=("contig", "start"),
    dictionary=("reference", "source", "release_id", "contig", "name", *_map_dictionary("strings")),
    encodings=MappingProxyType({"start": "DELTA_BINARY_PACKED", "end": "DELTA_BINARY_PACKED"}),
)

# Counts that are kept of cohorts: rows are summed up (catalog/counting.py).
ALLELE_COUNTS = _spec(
    "allele_counts",
    [
        ("cohort", pa.string()),
        ("reference", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("variant_id", pa.string()),
        ("genotypes", pa.int32()),  # samples that have a genotype of the allele
        ("ac", pa.int32()),  # copies of it
        ("an", pa.int32()),  # alleles that were called
        ("het", pa.int32()),  # samples with a copy beside another allele
        ("hom_alt", pa.int32()),  # with two copies or more, and nothing else
        ("hemi", pa.int32()),  # with one copy, haploid
        ("no_call", pa.int32()),  # whose genotype does not tell copies
        ("seen", pa.int32()),  # of those with a genotype, samples that a stretch of seen_counts has there
        ("seen_alleles", pa.int32()),  # copies of the site in those stretches
    ],
    sort_by=("cohort", "reference", "contig", "start"),
    dictionary=(
        "cohort",
        "reference",
        "contig",
        *("genotypes", "ac", "an", "het", "hom_alt", "hemi", "no_call"),
    ),
    encodings=MappingProxyType({"start": "DELTA_BINARY_PACKED", "variant_id": "DELTA_BYTE_ARRAY"}),
)
SEEN_COUNTS = _spec(
    "seen_counts",
    [
        ("cohort", pa.string()),
        ("reference", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("ploidy", pa.int8()),
        ("samples", pa.int32()),  # that were seen from start to end, in one stretch
    ],
    sort_by=("cohort", "reference", "contig", "start"),
    dictionary=("cohort", "reference", "contig", "ploidy", "samples"),
    encodings=MappingProxyType({"start": "DELTA_BINARY_PACKED", "end": "DELTA_BINARY_PACKED"}),
)

# Sums over the likelihoods of members of a cohort, by which they are genotyped together (compute/joint).
JOINT_SUMS = _spec(
    "joint_sums",
    [
        ("cohort", pa.string()),
        ("reference", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("variant_id", pa.string()),
        ("an", pa.int32()),  # alleles that those members' genotypes call
        ("alleles", pa.int32()),  # alleles that their likelihoods are of
        ("expected", pa.float64()),  # copies, in the mean
        ("log_ratio", pa.float64()),  # natural logarithm: all likelihoods beside those of no copy
    ],
    sort_by=("cohort", "reference", "contig", "start"),
    dictionary=("cohort", "reference", "contig", "an", "alleles"),
    encodings=MappingProxyType({"start": "DELTA_BINARY_PACKED", "variant_id": "DELTA_BYTE_ARRAY"}),
)

TABLES: Mapping[str, TableSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            READ_RECORDS,
            ALIGNMENTS,
            VARIANTS,
            GENOTYPES,
            REFERENCE_BLOCKS,
            VCF_RECORDS,
            COVERAGE_WINDOWS,
            BARCODE_COUNTS,
            CONSEQUENCES,
            ANNOTATIONS,
            ANNOTATION_REGIONS,
            ALLELE_COUNTS,
            SEEN_COUNTS,
            JOINT_SUMS,
        )
    }
)
# Tables of sums over samples, and that which tells what is summed up.
COUNTS = frozenset({"allele_counts", "seen_counts", "counted_cohorts", "joint_sums", "joint_members"})
# Of those that are only ever added up, the columns whose sums are meant.
SUMMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        spec.name: tuple(spec.schema.names[spec.schema.names.index(first) :])
        for spec, first in ((ALLELE_COUNTS, "genotypes"), (SEEN_COUNTS, "samples"), (JOINT_SUMS, "an"))
    }
)
# Of tables whose files may hold several samples, how those are written.
SHARED: Mapping[str, TableSpec] = MappingProxyType(
    {spec.name: spec for spec in (SHARED_GENOTYPES, SHARED_BLOCKS)}
)
_STORED = {spec.name: spec.stored.name for spec in TABLES.values() if spec.stored is not None}
_SHOWN = {stored: shown for shown, stored in _STORED.items()}


def stored_name(table: str) -> str:
    """The table that holds the rows of a table or view: what can be deleted from."""
    return _STORED.get(table, table)


def shown_name(table: str) -> str:
    """The view that shows the rows of a stored table, or the table itself: what users call it."""
    return _SHOWN.get(table, table)
