"""Sample sheets of both versions, as people and spreadsheets write them."""

from pathlib import Path

import pytest

from baselake.errors import InputError, NotFoundError
from baselake.ingest.illumina.sample_sheet import SampleSheet, parse_sample_sheet, read_sample_sheet
from baselake.ingest.illumina.sheet_settings import SheetSettings

PATH = Path("SampleSheet.csv")
V1 = """[Header]
IEMFileVersion,5
Workflow,GenerateFASTQ

[Reads]
151
151

[Settings]
ReverseComplement,0
Adapter,AGATCGGAAGAGC

[Data]
Sample_ID,Sample_Name,Sample_Plate,I7_Index_ID,index,I5_Index_ID,index2,Sample_Project,Description
a,Ann,,D701,ATTACTCG,D501,TATAGCCT,p,first
b,,,D702,TCCGGAGA,D501,TATAGCCT,p,
"""
V2 = """[Header]
FileFormatVersion,2
RunName,x

[Reads]
Read1Cycles,151

[BCLConvert_Settings]
SoftwareVersion,4.2.7
OverrideCycles,Y151;I8;I8;Y151
BarcodeMismatchesIndex1,2
AdapterRead1,AGATC+CTGTC
AdapterBehavior,Mask
AdapterStringency,0.8
MinimumTrimmedReadLength,40
MaskShortReads,20
MinimumAdapterOverlap,3
NoLaneSplitting,true
CreateFastqForIndexReads,1
TrimUMI,0
IndependentIndexCollisionCheck,1;2

[BCLConvert_Data]
Lane,Sample_ID,Index,Index2,BarcodeMismatchesIndex2,AdapterRead2
1,a,ATTACTCG,TATAGCCT,0,na
2,a,TCCGGAGA,TATAGCCT,na,ACGT

[Cloud_Data]
Sample_ID,ProjectName
a,p

[DragenGermline_Settings]
Anything,goes
"""


def parse(text: str | bytes) -> SampleSheet:
    return parse_sample_sheet(text.encode() if isinstance(text, str) else text, PATH)


def data(*rows: str, columns: str = "Lane,Sample_ID,index,index2", settings: str = "") -> str:
    return f"[Settings]\n{settings}\n[Data]\n{columns}\n" + "\n".join(rows)


def test_version_1() -> None:
    sheet = parse(V1)
    assert sheet.version == 1
    assert sheet.header == (("IEMFileVersion", "5"), ("Workflow", "GenerateFASTQ"))
    # Adapter is looked for in both reads where the second has none of its own.
    assert sheet.settings == SheetSettings(adapters1=("AGATCGGAAGAGC",), adapters2=("AGATCGGAAGAGC",))
    assert [
        (s.line, s.lane, s.sample_id, s.sample_name, s.project, s.description) for s in sheet.samples
    ] == [
        (15, None, "a", "Ann", "p", "first"),
        (16, None, "b", "", "p", ""),
    ]
    assert [(s.index1, s.index2) for s in sheet.samples] == [
        ("ATTACTCG", "TATAGCCT"),
        ("TCCGGAGA", "TATAGCCT"),
    ]
    assert sheet.warnings == ()
    assert sheet.text == V1


def test_version_2() -> None:
    sheet = parse(V2)
    assert sheet.version == 2
    assert sheet.settings == SheetSettings(
        override_cycles="Y151;I8;I8;Y151",
        mismatches1=2,
        adapters1=("AGATC", "CTGTC"),
        adapter_behavior="mask",
        adapter_stringency=0.8,
        minimum_adapter_overlap=3,
        minimum_trimmed_read_length=40,
        mask_short_reads=20,
        trim_umi=False,
        lane_splitting=False,
        index_fastq=True,
        independent_collision_lanes=(1, 2),
    )
    assert [(s.lane, s.mismatches2, s.adapters2) for s in sheet.samples] == [
        (1, 0, None),
        (2, None, ("ACGT",)),
    ]


@pytest.mark.parametrize(
    "written",
    [
        V1.replace("\n", "\r\n").encode(),
        V1.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + V1.encode(),
        V1.encode("utf-16"),
        "\n".join(line + ",,,," for line in V1.splitlines()).encode(),
        V1.replace("[Data]", "[data]").replace("index,", "Index,").replace("Sample_ID", "SampleID").encode(),
        V1.replace("Ann", '"Ann"').encode(),
        V1.replace("ATTACTCG", " attactcg ").encode(),
    ],
    ids=["crlf", "cr", "bom", "utf16", "commas", "case", "quotes", "blanks"],
)
def test_however_it_is_saved(written: bytes) -> None:
    plain, saved = parse(V1), parse(written)
    assert [(s.sample_id, s.sample_name, s.index1, s.index2) for s in saved.samples] == [
        (s.sample_id, s.sample_name, s.index1, s.index2) for s in plain.samples
    ]
    assert saved.settings == plain.settings
    assert [s.line for s in saved.samples] == [s.line for s in plain.samples]


def test_names_with_blanks_commas_and_accents() -> None:
    text = data("1,Jos\u00e9 B,ACGT,", columns="Lane,Sample_ID,index,Description").replace(
        "ACGT,", 'ACGT,"a, ""b"""'
    )
    for encoding in ("utf-8", "latin-1"):
        (sample,) = parse(text.encode(encoding)).samples
        assert (sample.sample_id, sample.description) == ("Jos\u00e9 B", 'a, "b"')


def test_a_quoted_line_end_does_not_shift_line_numbers() -> None:
    sheet = parse(data('a,"two\nlines"', "b,", columns="Sample_ID,Description"))
    assert [sample.line for sample in sheet.samples] == [5, 7]


def test_settings_of_other_names_are_warnings_in_version_1_only() -> None:
    sheet = parse(data("1,a,ACGT,", settings="Adaptor,ACGT\nReverseComplement,0"))
    assert sheet.warnings == (
        "SampleSheet.csv, line 2: the setting 'Adaptor' is not known and has no effect",
    )
    with pytest.raises(InputError, match=r"line 9, Adaptor: there is no setting 'Adaptor'"):
        parse(V2.replace("SoftwareVersion,4.2.7", "Adaptor,ACGT"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("Adapter,AC\nAdapterRead2,GT", (("AC",), ("GT",), None)),
        ("TrimAdapter,AC", (("AC",), ("AC",), None)),
        ("MaskAdapter,AC\nMaskAdapterRead2,GT", (("AC",), ("GT",), "mask")),
        ("AdapterRead1,AC", (("AC",), None, None)),
        ("AdapterRead2,GT", (None, ("GT",), None)),
        ("Adapter,", (None, None, None)),
    ],
)
def test_old_names_of_adapters(settings: str, expected: tuple[object, ...]) -> None:
    found = parse(data("1,a,ACGT,", settings=settings)).settings
    assert (found.adapters1, found.adapters2, found.adapter_behavior) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"SampleSheet\.csv: the sheet has no \[Data\]"),
        ("[Header]\nFileFormatVersion,2\n[BCLConvert_Settings]\n", r"no \[BCLConvert_Data\]"),
        ("[Header]\nFileFormatVersion,3\n[Data]\nSample_ID\na\n", "FileFormatVersion is '3'"),
        ("Lane,Sample_ID\n1,a\n", "line 1: 'Lane' stands before the first section"),
        ("[Header];;\n[Data];;\nSample_ID;index\na;ACGT\n", "separated by semicolons"),
        ("[Data]\nSample_ID\tindex\na\tACGT\n", "separated by tabs"),
        ("[Data]\nSample_ID\na\n[data]\n", r"line 4: the section \[data\] is in lines 1 and 4"),
        (data(), r"line 3: \[Data\] lists no samples"),
        (data("1,ACGT", columns="Lane,index"), "line 4: .* has no column Sample_ID"),
        (data("1,a,A,C", columns="Lane,Sample_ID,index,Index"), "line 4: the column Index is there twice"),
        (data("1,a,ACGT,", "2,,ACGT,"), "line 6, column Sample_ID: the sample has no Sample_ID"),
        (data("one,a,ACGT,"), "line 5, column Lane: the lane 'one' is not a number"),
        (data("0,a,ACGT,"), "the lane '0' is not a number"),
        (data("1,a,ACGT,", ",b,CCCC,"), "line 6, column Lane: b has no lane, other samples have"),
        (data("1,a,ACXT,"), "line 5, column index: the index 'ACXT' has the letter 'X'"),
        (data("1,a,ACGT,ACNN"), "line 5, column index2: .* the letter 'N'.*OverrideCycles"),
        (data("1,a,SI-GA-A1,"), "Write the index's bases, not its name"),
        (
            data("1,a,ACGT,CC", "1,a,ACGT,CC"),
            "line 6: a is there already with the same lane and index, in line 5",
        ),
        (data("1,a,ACGT,CC,b, c"), "line 5: 6 cells in 4 columns"),
        (data("1,a\x07,ACGT,"), "line 5, column Sample_ID: 'a.x07' has characters"),
        (data('1,"a,ACGT,'), "not CSV"),
        (
            data("1,a,ACGT,", settings="BarcodeMismatchesIndex1,3"),
            "line 2, BarcodeMismatchesIndex1: '3' is not",
        ),
        (data("1,a,ACGT,", settings="AdapterRead1,ACN"), "the adapter 'ACN'"),
        (data("1,a,ACGT,", settings="AdapterBehavior,cut"), "'cut' is not a way"),
        (data("1,a,ACGT,", settings="AdapterStringency,0.4"), "'0.4' is not a fraction"),
        (data("1,a,ACGT,", settings="TrimUMI,maybe"), "'maybe' is neither true nor false"),
        (data("1,a,ACGT,", settings="MinimumAdapterOverlap,4"), "from 1 to 3"),
        (data("1,a,ACGT,", settings="TrimUMI,0\nTrimUMI,1"), "line 3, TrimUMI: TrimUMI is 0 and 1"),
        (data("1,a,ACGT,", settings="OverrideReads,Y5"), "OverrideReads Y5 is not supported"),
        (
            data("1,a,A,Y5", columns="Lane,Sample_ID,index,OverrideCycles", settings="OverrideCycles,Y5"),
            "line 5, column OverrideCycles: OverrideCycles is set for all samples, and for a",
        ),
        (b"[Header]\n\0\0\0\0", "byte 9 is zero"),
        (b"\xff\xfe[", "not UTF-16"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse(text)
    assert str(PATH) in caught.value.where
    assert caught.value.remedy


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_sample_sheet(tmp_path / "SampleSheet.csv")


def test_real_sheets(shared_data: Path) -> None:
    folders = shared_data / "run_folders"
    sheets = [read_sample_sheet(path) for path in sorted(folders.rglob("SampleSheet.csv"))]
    assert [(sheet.version, len(sheet.samples), sheet.warnings) for sheet in sheets] == [
        (2, 12, ()),
        (1, 1, ()),
        (2, 8, ()),
    ]
    checkqc, miseq, tenx = sheets
    assert checkqc.settings.mask_short_reads == 35
    assert [sample.lane for sample in miseq.samples] == [None]
    assert tenx.settings.override_cycles == "Y28N123;I8N2;N10;Y91N60"
    # Chromium libraries have four indexes each.
    assert len({sample.sample_id for sample in tenx.samples}) == 2
