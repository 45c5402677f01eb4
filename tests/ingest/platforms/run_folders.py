"""Small run folders of every platform, as their instruments leave them."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pysam

ONT_RUN = "20250603_1201_3E_PAA12345_e05460c6"
MOVIE = "m84001_220722_134701_s1"
ULTIMA_RUN = "602202-20260512_1805"
FLOWCELL = "V300012345"
MODIFIED = ("MM:Z:C+m?,0;", "ML:B:C,200")  # one base modification: SAMtags, section 1.7
SIGNAL = b"\x8bPOD\r\n\x1a\n" + b"signal" * 100 + b"\x8bPOD\r\n\x1a\n"


def fastq(path: Path, names: Sequence[str], bases: str = "ACGTC") -> Path:
    """A gzipped FASTQ file of these reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"@{name}\n{bases}\n+\n{'I' * len(bases)}\n" for name in names)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def unaligned(
    path: Path, names: Sequence[str], group: str = "", tags: Sequence[str] = MODIFIED, form: str = "bam"
) -> Path:
    """An unaligned BAM or CRAM file of these reads; `group` is a line @RG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    of = [f"RG:Z:{group.partition('ID:')[2].partition(chr(9))[0]}"] if group else []
    lines = [
        "\t".join([name, "4", "*", "0", "0", "*", "*", "0", "0", "ACGTC", "IIIII", *tags, *of])
        for name in names
    ]
    text = path.with_suffix(".made.sam")
    text.write_text("\n".join(["@HD\tVN:1.6", *([group] if group else []), *lines]) + "\n")
    pysam.samtools.view("-O", form, "--no-PG", "-o", str(path), str(text), catch_stdout=False)
    text.unlink()
    return path


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def nanopore(root: Path, kind: str = "bam", *, summary: bool = True) -> Path:
    """Two barcodes, one of them with an alias, unclassified and failed reads, signal; `kind`: bam or fastq."""
    folder = root / "group" / "no_sample" / ONT_RUN
    make = unaligned if kind == "bam" else fastq
    suffix = "bam" if kind == "bam" else "fastq.gz"
    for place, count in (("barcode01", 2), ("barcode02", 1), ("unclassified", 1)):
        for number in range(count):
            name = f"PAA12345_pass_{place}_e05460c6_1234abcd_{number + 1}.{suffix}"
            make(folder / f"{kind}_pass" / place / name, [f"{place}-{number}-{i}" for i in range(3)])
    make(folder / f"{kind}_fail" / "barcode01" / f"PAA12345_fail_barcode01_x_y_0.{suffix}", ["failed"])
    write(folder / "pod5" / "PAA12345_0.pod5", SIGNAL)
    write(
        folder / "sample_sheet_PAA12345_20250603_1201_e05460c6.csv",
        "protocol_run_id,position_id,flow_cell_id,sample_id,experiment_id,barcode,alias,type\n"
        "u,3E,PAA12345,no_sample,group,barcode01,HG002,test_sample\n"
        "u,3E,PAA12345,no_sample,group,barcode02,barcode02,test_sample\n",
    )
    if summary:
        write(
            folder / "final_summary_PAA12345_e05460c6_1234abcd.txt",
            "instrument=3E\nflow_cell_id=PAA12345\nsample_id=no_sample\nprotocol_run_id=u-u-i-d\n"
            f"started=2025-06-03T14:01:17.158001+02:00\n{kind}_files_in_final_dest=5\n{kind}_files_in_fallback=0\n"
            "pod5_files_in_final_dest=1\n",
        )
    return folder


def pacbio(root: Path, *, done: bool = True) -> Path:
    """A Revio cell of two barcodes, unassigned and failed reads."""
    folder = root / "r84001_20220722_134701" / "1_A01"
    resources = []
    for barcode, sample in (("bc2001", "Mother"), ("bc2002", "Child"), ("unassigned", "")):
        stem = f"{MOVIE}.hifi_reads.{barcode}"
        group = f"@RG\tID:{barcode}\tPL:PACBIO\tSM:{sample or 'UnnamedSample'}\tPU:{MOVIE}"
        unaligned(
            folder / "hifi_reads" / f"{stem}.bam", [f"{MOVIE}/{i}{barcode[-1]}/ccs" for i in range(2)], group
        )
        resources.append(f"../hifi_reads/{stem}.bam")
        write(folder / "pb_formats" / f"{stem}.consensusreadset.xml", data_set(resources[-1:], sample))
    unaligned(folder / "fail_reads" / f"{MOVIE}.fail_reads.bc2001.bam", ["failed"])
    write(folder / "pb_formats" / f"{MOVIE}.hifi_reads.consensusreadset.xml", data_set(resources, ""))
    write(folder / "statistics" / f"{MOVIE}.ccs_report.json", "{}")
    if done:
        write(folder / "metadata" / f"{MOVIE}.transferdone", "")
    return folder


def data_set(resources: Sequence[str], sample: str) -> str:
    """A ConsensusReadSet of these files."""
    files = "".join(f'<pbbase:ExternalResource ResourceId="{name}"/>' for name in resources)
    named = f'<pbsample:BioSample Name="{sample}"/>' if sample else ""
    return (
        '<?xml version="1.0"?><ConsensusReadSet xmlns="http://pacificbiosciences.com/PacBioDatasets.xsd"'
        ' xmlns:pbbase="http://pacificbiosciences.com/PacBioBaseDataModel.xsd"'
        ' xmlns:pbsample="http://pacificbiosciences.com/PacBioSampleInfo.xsd">'
        f"<pbbase:ExternalResources>{files}</pbbase:ExternalResources>"
        f"<DataSetMetadata>{named}</DataSetMetadata></ConsensusReadSet>"
    )


def ultima(root: Path) -> Path:
    """Two libraries and unmatched reads."""
    folder = root / ULTIMA_RUN
    samples = (("S1", "Z0001", "CAGCTCGAATGCGAT"), ("S-2", "Z0002", "AGCTCGAATGCGATC"))
    for sample, label, barcode in samples:
        stem = f"602202-{sample}-{label}-{barcode}"
        unaligned(
            folder / stem / f"{stem}.cram",
            [f"602202_{label}_{i}" for i in range(2)],
            f"@RG\tID:{label}\tPL:ULTIMA\tSM:{sample}",
            form="cram",
        )
        unaligned(folder / stem / f"{stem}_unmatched.cram", [f"602202_u{label}"], form="cram")
    libraries = "".join(
        f'<Sample Id="{sample}" Index_Label="{label}" Index_Sequence="{barcode}"/>'
        for sample, label, barcode in samples
    )
    write(folder / "602202_LibraryInfo.xml", f"<LibraryInfo><Samples>{libraries}</Samples></LibraryInfo>")
    write(folder / "UploadCompleted.json", "")
    return folder


def element(root: Path) -> Path:
    """Output of bases2fastq: a sample in a project, one that had no reads, and unassigned reads."""
    folder = root / "out"
    write(
        folder / "RunParameters.json",
        json.dumps(
            {
                "RunName": "Run-A",
                "FlowcellID": "2140948523",
                "InstrumentName": "AV240405",
                "RunFolderName": "20250603_AV240405_Run-A",
                "Date": "2025-06-03T12:01:17.158Z",
            }
        ),
    )
    for place, count in (("Project1/S1", 3), ("Project1/None", 0), ("Unassigned", 2)):
        name = place.rpartition("/")[2]
        reads = [f"AV240405:Run-A:2140948523:{1 + i % 2}:10102:000{i}:{name}" for i in range(count)]
        for mate in (1, 2):
            fastq(
                folder / "Samples" / place / f"{name}_R{mate}.fastq.gz",
                [f"{read} {mate}:N:0:ACGT+TTTT" for read in reads],
                "ACGTC" * mate,
            )
    names = [{"SampleName": "S1", "NumPolonies": 3}, {"SampleName": "None", "NumPolonies": 0}]
    write(folder / "RunStats.json", json.dumps({"RunName": "Run-A", "SampleStats": names}))
    return folder


def mgi(root: Path) -> Path:
    """Two lanes: a barcode by number and a named sample, undecoded reads, and the lane's reads all together."""
    folder = root / "R1" / FLOWCELL
    for lane in (1, 2):
        place = folder / f"L0{lane}"
        everything: list[str] = []
        for barcode in ("23", "HG002", "undecoded"):
            reads = [f"{FLOWCELL}L{lane}C001R00200000{lane}{len(everything) + i}" for i in range(2)]
            everything += reads
            for mate in (1, 2):
                path = place / f"{FLOWCELL}_L0{lane}_{barcode}_{mate}.fq.gz"
                fastq(path, [f"{read}/{mate}" for read in reads], "ACGTC" * mate)
                write(path.with_name(path.name.replace(".gz", ".fqStat.txt")), "#Name\tx\n#ReadNum\t2\n")
        for mate in (1, 2):
            fastq(place / f"{FLOWCELL}_L0{lane}_read_{mate}.fq.gz", [f"{read}/{mate}" for read in everything])
        write(
            place / "BioInfo.csv",
            "Machine ID,R2100600190016\nSequence Date,2025-06-03\nSequence Time,12:01:17\n",
        )
        write(place / f"{FLOWCELL}_L0{lane}.summaryReport.html", "")
    return folder


FOLDERS = {"nanopore": nanopore, "pacbio": pacbio, "ultima": ultima, "element": element, "mgi": mgi}
