"""RunInfo.xml and RunParameters.xml of every generation of instruments."""

from datetime import datetime
from pathlib import Path

import pytest

from baselake.errors import InputError, NotFoundError, TruncatedInputError
from baselake.ingest.illumina.run_info import Read, RunInfo, parse_date, parse_run_info, read_run_info
from baselake.ingest.illumina.run_parameters import (
    instrument_type,
    parse_run_parameters,
    read_run_parameters,
    reads_i5_reversed,
)

READS = """<Read Number="1" NumCycles="151" IsIndexedRead="N" />
<Read Number="2" NumCycles="8" IsIndexedRead="Y" /><Read Number="3" NumCycles="10" IsIndexedRead="Y" />
<Read Number="4" NumCycles="101" IsIndexedRead="N" />"""
LAYOUT = '<FlowcellLayout LaneCount="1" SurfaceCount="2" SwathCount="1" TileCount="2" />'


def xml(reads: str = READS, layout: str = LAYOUT, date: str = "230825") -> str:
    return f"""<?xml version="1.0"?>
<RunInfo Version="2">
  <Run Id="230825_M04034_0043_000000000-L6NVV" Number="43">
    <Flowcell>000000000-L6NVV</Flowcell><Instrument>M04034</Instrument><Date>{date}</Date>
    <Reads>{reads}</Reads>{layout}
  </Run>
</RunInfo>"""


def parse(text: str | bytes) -> RunInfo:
    return parse_run_info(text.encode() if isinstance(text, str) else text, Path("RunInfo.xml"))


class TestRunInfo:
    def test_says_reads_and_tiles(self) -> None:
        info = parse(xml())
        assert (info.run_id, info.number, info.flowcell, info.instrument) == (
            "230825_M04034_0043_000000000-L6NVV",
            43,
            "000000000-L6NVV",
            "M04034",
        )
        assert info.date == datetime(2023, 8, 25)
        assert [read.number for read in info.template_reads] == [1, 4]
        assert [read.cycles for read in info.index_reads] == [8, 10]
        assert info.cycles == 270
        assert [info.first_cycle(read) for read in info.reads] == [1, 152, 160, 170]
        assert info.tiles == ((1, 1101), (1, 1102), (1, 2101), (1, 2102))
        assert len(info.digest) == 64

    def test_reads_may_be_listed_in_any_order_and_reversed(self) -> None:
        info = parse(
            xml(
                reads='<Read Number="2" NumCycles="8" IsIndexedRead="Y" IsReverseComplement="Y"/>'
                '<Read Number="1" NumCycles="5" IsIndexedRead="N" IsReverseComplement="N"/>'
            )
        )
        assert info.reads == (
            Read(number=1, cycles=5, indexed=False, reverse_complement=False),
            Read(number=2, cycles=8, indexed=True, reverse_complement=True),
        )

    def test_listed_tiles_go_before_the_layout(self) -> None:
        layout = """<FlowcellLayout LaneCount="2" SurfaceCount="2" SwathCount="2" TileCount="9"><TileSet
            TileNamingConvention="FourDigit"><Tiles><Tile>2_2101</Tile><Tile>1_1102</Tile><Tile>1_1101</Tile></Tiles>
            </TileSet></FlowcellLayout>"""
        assert parse(xml(layout=layout)).tiles == ((1, 1101), (1, 1102), (2, 2101))

    def test_cameras_of_the_nextseq_500_number_their_tiles(self) -> None:
        layout = """<FlowcellLayout LaneCount="4" SurfaceCount="2" SwathCount="3" TileCount="12" SectionPerLane="3"
            LanePerSection="2" />"""
        tiles = parse(xml(layout=layout)).tiles
        # 4 lanes x 2 surfaces x 3 swaths x 3 cameras x 12
        assert len(tiles) == 864
        assert tiles[0] == (1, 11101)
        assert {tile // 100 % 10 for lane, tile in tiles if lane in (1, 2)} == {1, 2, 3}
        assert {tile // 100 % 10 for lane, tile in tiles if lane in (3, 4)} == {4, 5, 6}
        assert tiles[-1] == (4, 23612)

    @pytest.mark.parametrize(
        ("text", "date"),
        [
            ("230825", datetime(2023, 8, 25)),
            ("20230825", datetime(2023, 8, 25)),
            ("10/2/2020 1:32:09 PM", datetime(2020, 10, 2, 13, 32, 9)),
            ("2024-02-02T15:36:21Z", datetime(2024, 2, 2, 15, 36, 21)),
            ("2024-02-02T15:36:21+01:00", datetime(2024, 2, 2, 14, 36, 21)),
            ("2024-02-02T15:36:21.1234567", datetime(2024, 2, 2, 15, 36, 21, 123456)),
            ("0001-01-01T00:00:00+14:00", None),
            ("yesterday", None),
            ("", None),
        ],
    )
    def test_dates_of_every_form(self, text: str, date: datetime | None) -> None:
        assert parse_date(text) == date
        assert parse(xml(date=text)).date == date

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
    def test_text_can_be_kept_as_utf8_and_read_again(self, encoding: str) -> None:
        declared = encoding.removesuffix("-sig")
        text = xml().replace("?>", f' encoding="{declared}"?>').replace("L6NVV<", "L\u00e9<")
        info = parse(text.encode(encoding))
        again = parse(info.text)
        assert (info.flowcell, again.flowcell) == ("000000000-L\u00e9",) * 2

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (xml().replace("</Run>", "</Bun>"), r"RunInfo\.xml, line 8, column \d+: not XML: mismatched tag"),
            (xml().replace("RunInfo", "Info"), "root is <Info>"),
            (xml().replace("<Flowcell>000000000-L6NVV</Flowcell>", ""), "<Run> has no <Flowcell>"),
            (xml(layout=""), "<Run> has no <FlowcellLayout>"),
            (xml().replace(' Number="43"', ""), "<Run> has no Number"),
            *(
                (
                    xml().replace('Id="230825_M04034_0043_000000000-L6NVV"', f'Id="{name}"'),
                    "no name for a run",
                )
                for name in (".", "..", "x" * 201, "/" * 70, "a&#10;b")
            ),
            (xml().replace('Number="43"', 'Number="x"'), "Number='x' of <Run>"),
            (xml().replace('NumCycles="8"', ""), "<Read> has no NumCycles"),
            (xml().replace('NumCycles="8"', 'NumCycles="0"'), "NumCycles=0 of <Read> makes no sense"),
            (xml().replace('NumCycles="8"', 'NumCycles="-8"'), "NumCycles='-8'"),
            (xml().replace('Read="Y"', 'Read="maybe"'), "IsIndexedRead='MAYBE'"),
            (xml().replace('Number="3"', 'Number="2"'), "numbered 1, 2, 2, 4"),
            (xml(reads=""), "there is no <Read>"),
            (xml(reads='<Read Number="1" NumCycles="8" IsIndexedRead="Y" />'), "all reads are index reads"),
            (xml().replace('LaneCount="1"', 'LaneCount="99999999"'), "LaneCount=99999999"),
            (xml().replace('SwathCount="1"', 'SwathCount="10"'), "10 swaths"),
            (xml().replace('SurfaceCount="2" ', ""), "<FlowcellLayout> has no SurfaceCount"),
            *(
                (
                    xml(
                        layout='<FlowcellLayout LaneCount="1"><TileSet><Tiles>'
                        + "".join(f"<Tile>{tile}</Tile>" for tile in tiles)
                        + "</Tiles></TileSet></FlowcellLayout>"
                    ),
                    message,
                )
                for tiles, message in [
                    (["1101"], "'1101' is not LANE_TILE"),
                    (["2_1101"], "in lane 2 of 1"),
                    (["1_1101", "1_1101"], "listed twice"),
                ]
            ),
        ],
    )
    def test_what_makes_no_sense_is_named(self, text: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            parse(text)

    def test_a_file_still_being_copied_is_truncated(self) -> None:
        whole = xml().encode()
        for length in (0, 10, len(whole) // 2, len(whole) - 1):
            with pytest.raises(TruncatedInputError, match=r"RunInfo\.xml, line \d+, column \d+"):
                parse(whole[:length])

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            read_run_info(tmp_path / "RunInfo.xml")

    def test_real_files(self, shared_data: Path) -> None:
        folders = shared_data / "run_folders"
        sheets = folders / "samplesheets" / "bclconvert-3.6.3"
        found = {
            path.parent.name: read_run_info(path)
            for path in [
                *(folders / "checkqc").rglob("RunInfo.xml"),
                *(folders / "miseq_220422_first100k").rglob("RunInfo.xml"),
                sheets / "single_bclconvert_run" / "RunInfo.xml",
                sheets / "multiple_bclconvert_runs" / "Y151_I8N2_I8N2_Y151" / "Reports" / "RunInfo.xml",
            ]
        }
        assert {name: (info.lanes, len(info.tiles), info.cycles) for name, info in found.items()} == {
            "230825_M04034_0043_000000000-L6NVV": (1, 28, 318),
            "220422_M11111_0222_000000000-K9H97": (1, 38, 110),
            "single_bclconvert_run": (2, 2 * 2 * 4 * 88, 322),
            "Reports": (4, 4 * 2 * 6 * 78, 322),
        }


class TestRunParameters:
    @pytest.mark.parametrize(
        ("elements", "kind"),
        [
            ("<Setup><ApplicationName>MiSeq Control Software</ApplicationName></Setup>", "MiSeq"),
            ("<RunParametersVersion>MiSeq_1_2</RunParametersVersion>", "MiSeq"),
            ("<Setup><ApplicationName>NextSeq Control Software</ApplicationName></Setup>", "NextSeq 500"),
            ("<Setup><ApplicationName>MiniSeq Control Software</ApplicationName></Setup>", "MiniSeq"),
            ("<ApplicationName>NextSeq 1000/2000 Control Software</ApplicationName>", "NextSeq 1000/2000"),
            ("<Application>NovaSeq Control Software</Application>", "NovaSeq 6000"),
            (
                "<Application>control-software</Application><InstrumentType>NovaSeqXPlus</InstrumentType>",
                "NovaSeq X",
            ),
            ("<Setup><ApplicationName>HiSeq Control Software</ApplicationName></Setup>", "HiSeq"),
            ("<ApplicationName>iSeq Control Software</ApplicationName>", "iSeq"),
            ("<InstrumentType>MiSeqi100Plus</InstrumentType>", "MiSeq i100"),
            ("<Application>Sequel</Application>", None),
            ("", None),
        ],
    )
    def test_kind(self, elements: str, kind: str | None) -> None:
        text = f"<RunParameters>{elements}</RunParameters>"
        parameters = parse_run_parameters(text.encode(), Path("RunParameters.xml"))
        assert parameters.instrument_type == kind
        assert instrument_type("A01052", parameters) == (kind or "NovaSeq 6000")

    @pytest.mark.parametrize(
        ("instrument", "kind", "reversed_i5"),
        [
            ("M04034", "MiSeq", False),
            ("NB551452", "NextSeq 500", True),
            ("VH00103", "NextSeq 1000/2000", True),
            ("LH00217", "NovaSeq X", True),
            ("A01052", "NovaSeq 6000", None),
            ("MN00250", "MiniSeq", True),
            ("FS10000123", "iSeq", True),
            ("ABC", None, None),
        ],
    )
    def test_serial_number_where_the_file_is_absent(
        self, instrument: str, kind: str | None, reversed_i5: bool | None
    ) -> None:
        assert instrument_type(instrument, None) == kind
        assert reads_i5_reversed(instrument, None) is reversed_i5

    @pytest.mark.parametrize(("version", "reversed_i5"), [("1", False), ("3", True)])
    def test_reagents_of_the_novaseq_6000_decide(self, version: str, reversed_i5: bool) -> None:
        text = (
            "<RunParameters><Application>NovaSeq Control Software</Application><RfidsInfo><SbsConsumableVersion>"
            f"{version}</SbsConsumableVersion></RfidsInfo></RunParameters>"
        )
        parameters = parse_run_parameters(text.encode(), Path("RunParameters.xml"))
        assert reads_i5_reversed("A01052", parameters) is reversed_i5

    def test_either_spelling_or_none(self, tmp_path: Path) -> None:
        assert read_run_parameters(tmp_path) is None
        (tmp_path / "runParameters.xml").write_text(
            "<RunParameters><ExperimentName> A b </ExperimentName></RunParameters>"
        )
        found = read_run_parameters(tmp_path)
        assert found is not None
        assert found.experiment == "A b"

    @pytest.mark.parametrize(
        ("text", "error"),
        [("<RunParameters>", TruncatedInputError), ("<RunParameters></x>", InputError), ("<A/>", InputError)],
    )
    def test_not_run_parameters(self, text: str, error: type[InputError]) -> None:
        with pytest.raises(error, match=r"RunParameters\.xml"):
            parse_run_parameters(text.encode(), Path("RunParameters.xml"))

    def test_real_file(self, shared_data: Path) -> None:
        folder = next((shared_data / "run_folders" / "checkqc").iterdir())
        parameters = read_run_parameters(folder)
        assert parameters is not None
        assert (parameters.instrument_type, parameters.reagent_version) == ("MiSeq", "Version2")
        assert parameters.experiment == "Pillar MultiCancer DNA RNA 25AUG2023"
