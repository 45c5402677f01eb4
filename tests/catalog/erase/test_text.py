"""An identifier is told apart from what it is a part of."""

import pyarrow as pa
import pytest

from baselake.catalog.erase.text import identifier, redacted

WHO = identifier("P1", ["P1", "P10", "P1-tumour", "mother of P1/x"])


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("P1", "erased"),
        ("/seq/P1_S1_L001.fastq.gz, P1.FC.1", "/seq/erased_S1_L001.fastq.gz, erased.FC.1"),
        ("P10, P1-tumour and XP1", "P10, P1-tumour and XP1"),
        ("P1-tumourP1-tumour", "P1-tumourP1-tumour"),  # as a database has a least and a greatest value
        ("\x02P1P1\x02", "\x02erased\x02"),
        ("sample_id=P1/contig=chr1", "sample_id=erased/contig=chr1"),
        ("mother of P1/x", "mother of P1/x"),
    ],
)
def test_text_goes_without_it(text: str, without: str) -> None:
    assert WHO.without(text) == without
    assert WHO.found(text) == (text != without) == bool(WHO.occurrences(text.encode()))
    assert len(WHO.without_bytes(text.encode())) == len(text)
    assert not WHO.occurrences(WHO.without_bytes(text.encode()))


def test_lines_about_it_go() -> None:
    sheet = "[Data]\nSample_ID,index\nP1,ACGT\nP10,CCCC\nP1-tumour,GGGG\n#of P1\n"
    assert WHO.without_lines(sheet) == "[Data]\nSample_ID,index\nP10,CCCC\nP1-tumour,GGGG\n#of erased\n"
    header = "@HD\tVN:1.6\n@RG\tID:1\tSM:P1\n@RG\tID:2\tSM:P10\n@PG\tID:x\tCL:x P1.bam\n"
    assert WHO.without_lines(header) == "@HD\tVN:1.6\n@RG\tID:2\tSM:P10\n@PG\tID:x\tCL:x erased.bam\n"


def test_paths_spell_it_their_own_way() -> None:
    who = identifier("a b/c", [])
    assert who.without("data/sample_id=a%20b%2Fc/x") == "data/sample_id=erased/x"


def test_columns_go_without_it() -> None:
    maps = pa.map_(pa.string(), pa.string())
    for kind, before, after in (
        (pa.string(), ["P1", "of P1", None, "P10"], [None, "of erased", None, "P10"]),
        (pa.list_(pa.string()), [["P1", "P10"], None], [["P10"], None]),
        (maps, [[("a", "P1"), ("b", "x P1"), ("P1", "c")]], [[("a", None), ("b", "x erased")]]),
        (pa.int32(), [1], [1]),
    ):
        column = pa.chunked_array([pa.array(before, kind)])
        assert redacted(column, WHO, lines=False).to_pylist() == after
