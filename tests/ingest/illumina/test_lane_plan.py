"""What lanes do with sheets: index cycles, orientation, collisions, layouts, and when reads need no conversion."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.errors import InputError
from baselake.ingest.illumina.lane_plan import AdapterSettings, LanePlan, plan_lanes, reverse_complement
from baselake.ingest.illumina.run_info import RunInfo, read_run_info
from baselake.ingest.illumina.sample_sheet import parse_sample_sheet, read_sample_sheet
from tests.ingest.illumina.test_override_cycles import reads

PATH = Path("SampleSheet.csv")


def run(*cycles: int | str, lanes: int = 1, reverse: bool = False, instrument: str = "A01052") -> RunInfo:
    """A run of reads spelled as in `reads`."""
    return RunInfo(
        run_id="r",
        number=1,
        flowcell="FC",
        instrument=instrument,
        date=None,
        reads=reads(*cycles, reverse=reverse),
        lanes=lanes,
        tiles=tuple((lane + 1, 1101) for lane in range(lanes)),
        digest="",
        text="",
    )


DUAL = run(101, "i10", "i10", 101)


def plans(
    info: RunInfo, rows: Sequence[str], columns: str = "Sample_ID,index,index2", settings: str = ""
) -> dict[int, LanePlan]:
    """The plans for a sheet of these rows."""
    text = f"[BCLConvert_Settings]\n{settings}\n[BCLConvert_Data]\n{columns}\n" + "\n".join(rows)
    return plan_lanes(info, None, parse_sample_sheet(text.encode(), PATH))


def plan(
    info: RunInfo, rows: Sequence[str], columns: str = "Sample_ID,index,index2", settings: str = ""
) -> LanePlan:
    return plans(info, rows, columns, settings)[1]


class TestIndexCycles:
    def test_whole_index_reads(self) -> None:
        found = plan(DUAL, ["a,ACGTACGTAC,TTTTTGGGGG"])
        (entry,) = found.entries
        assert (found.index1, found.index2) == ((0, 10), (0, 10))
        assert (entry.index1, entry.index2) == ("ACGTACGTAC", "TTTTTGGGGG")
        assert (entry.mismatches1, entry.mismatches2) == (1, 1)
        assert entry.line == 5

    def test_a_shorter_index_is_that_of_the_first_cycles(self) -> None:
        found = plan(DUAL, ["a,ACGTACGT,TTTTTGGG", "b,CCCCCCCC,"])
        assert (found.index1, found.index2) == ((0, 8), (0, 8))
        assert [(entry.index1, entry.index2) for entry in found.entries] == [
            ("ACGTACGT", "TTTTTGGG"),
            ("CCCCCCCC", "........"),
        ]
        assert [entry.mismatches2 for entry in found.entries] == [1, 0]

    def test_lengths_may_differ_within_a_lane(self) -> None:
        found = plan(
            DUAL,
            ["a,ACGTAC,TTTTTGGG,Y101;I6N4;N2I8;Y101", "b,CCCCCCCCCC,AAAAA,Y101;I10;N1I5N4;Y101"],
            columns="Sample_ID,index,index2,OverrideCycles",
        )
        assert (found.index1, found.index2) == ((0, 10), (1, 9))
        assert [(entry.index1, entry.index2) for entry in found.entries] == [
            ("ACGTAC....", ".TTTTTGGG"),
            ("CCCCCCCCCC", "AAAAA...."),
        ]

    @pytest.mark.parametrize("override", ["", "OverrideCycles,Y5;I8;N2I6"])
    def test_reversed_reads_expect_the_reverse_complement(self, override: str) -> None:
        # What the sheet leaves out in front is what the instrument reads last.
        found = plan(run(5, "i8", "i8", reverse=True), ["a,AAAAAAAC,AACCGG"], settings=override)
        (entry,) = found.entries
        assert (found.index2, entry.index2, entry.sheet_index2) == ((0, 6), "CCGGTT", "AACCGG")
        assert entry.index1 == "AAAAAAAC"

    def test_only_run_info_reverses(self) -> None:
        # A NextSeq 500 reads i5 reversed and does not say so: its sheets spell i5 as it is read.
        found = plan(run(5, "i8", "i8", instrument="NB551452"), ["a,AAAAAAAC,AACCGGTA"])
        assert found.entries[0].index2 == "AACCGGTA"
        assert found.index2_reversed is True

    @pytest.mark.parametrize(
        ("info", "row", "override", "message"),
        [
            (
                DUAL,
                "a,ACGTACGTACG,",
                "",
                "line 5, column index: index ACGTACGTACG is 11 bases, and its index read has 10",
            ),
            (DUAL, "a,ACGTACGT,", "OverrideCycles,Y101;I10;I10;Y101", "OverrideCycles gives it 10 cycles"),
            (
                DUAL,
                "a,ACGTACGTAC,AC",
                "OverrideCycles,Y101;I10;N10;Y101",
                "index2 AC is 2 bases, .* gives it 0",
            ),
            (
                run(5, "i8"),
                "a,ACGTACGT,AC",
                "",
                "column index2: the sheet has index2 AC, and the run 1 index read",
            ),
            (run(5), "a,AC,", "", "the run no index reads"),
        ],
    )
    def test_an_index_that_does_not_fit(self, info: RunInfo, row: str, override: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            plan(info, [row], settings=override)


class TestLanes:
    def test_lanes_of_the_sheet_and_lanes_it_does_not_name(self) -> None:
        info = run(5, "i4", lanes=3)
        found = plans(info, ["1,a,AAAA", "3,a,AAAA", "3,b,CCCC"], columns="Lane,Sample_ID,index")
        assert {lane: [entry.sample_id for entry in one.entries] for lane, one in found.items()} == {
            1: ["a"],
            2: [],
            3: ["a", "b"],
        }
        assert [one.lane for one in found.values()] == [1, 2, 3]

    def test_without_lanes_every_lane(self) -> None:
        found = plans(run(5, "i4", lanes=4), ["a,AAAA", "b,CCCC"], columns="Sample_ID,index")
        assert [(one.lane, len(one.entries)) for one in found.values()] == [(1, 2), (2, 2), (3, 2), (4, 2)]

    def test_without_a_sheet_everything_is_kept(self) -> None:
        found = plan_lanes(DUAL, None, None)[1]
        assert (found.index1, found.index2, found.entries) == ((0, 10), (0, 10), ())
        assert found.default.segments == ((0, 101), (0, 101))

    def test_one_sample_without_index_takes_the_lane(self) -> None:
        found = plan(DUAL, ["a,,"])
        assert (found.index1, found.index2) == ((0, 0), (0, 0))
        assert [(entry.index1, entry.index2) for entry in found.entries] == [("", "")]

    def test_a_sample_without_index_is_alone(self) -> None:
        with pytest.raises(InputError, match="line 6: b has no index, and lane 1 has 2 samples"):
            plan(DUAL, ["a,ACGT,", "b,,"])

    def test_a_lane_the_run_does_not_have(self) -> None:
        with pytest.raises(InputError, match="line 5, column Lane: a is in lane 5, and the run has 1"):
            plan(DUAL, ["5,a,ACGT"], columns="Lane,Sample_ID,index")


def may_collide(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether any observed index is within the mismatches of both, by trying all."""

    def near(expected: tuple[str, int], observed: Sequence[str]) -> bool:
        bases, allowed = expected
        return sum(a not in (".", b) for a, b in zip(bases, observed, strict=True)) <= allowed

    return any(
        near(one, seen) and near(other, seen) for seen in itertools.product("ACGTN", repeat=len(one[0]))
    )


class TestCollisions:
    @pytest.mark.parametrize(
        ("rows", "override", "refused"),
        [
            # d <= a + b collides
            (["a,AAAAAAAA,", "b,AAAAAACC,"], "", True),
            (["a,AAAAAAAA,", "b,AAAAACCC,"], "", False),
            (["a,AAAAAAAA,", "b,AAAAAAAC,"], "BarcodeMismatchesIndex1,0", False),
            (["a,AAAAAAAA,", "b,AAAACCCC,"], "BarcodeMismatchesIndex1,2", True),
            (["a,AAAAAAAA,", "b,AAACCCCC,"], "BarcodeMismatchesIndex1,2", False),
            # one index is enough to tell them apart
            (["a,AAAAAAAA,CCCC", "b,AAAAAAAA,GGGG"], "", False),
            (["a,AAAAAAAA,CCCC", "b,AAAAAAAC,CCCG"], "", True),
            (["a,AAAAAAAA,CCCC", "b,CCCCCCCC,CCCC"], "IndependentIndexCollisionCheck,1", True),
            (["a,AAAAAAAA,CCCC", "b,CCCCCCCC,CCCC"], "IndependentIndexCollisionCheck,2", False),
            (["a,AAAAAAAA,CCCC", "b,CCCCCCCC,GGGG"], "IndependentIndexCollisionCheck,1", False),
            # only cycles that both use count
            (["a,AAAAAAAA,", "b,AAAA,"], "", True),
            (["a,AAAAAAAA,", "b,CCCA,"], "", False),
            (["a,AAAAAAAA,CCCC", "b,AAAAAAAA,"], "", True),
            (["a,,CCCC", "b,AAAAAAAA,"], "", True),
            # the indexes of one sample too
            (["a,AAAAAAAA,", "a,AAAAAAAC,"], "", True),
        ],
    )
    def test_refused_where_an_index_could_be_of_both(
        self, rows: list[str], override: str, refused: bool
    ) -> None:
        if not refused:
            assert len(plan(DUAL, rows, settings=override).entries) == 2
            return
        with pytest.raises(InputError, match=r"lines 5 and 6: a .* and [ab] .* in lane 1"):
            plan(DUAL, rows, settings=override)

    def test_says_what_would_help(self) -> None:
        with pytest.raises(InputError) as caught:
            plan(DUAL, ["a,AAAAAAAA,CCCC", "b,AAAAAAAC,CCGG"])
        assert str(caught.value) == (
            "SampleSheet.csv, lines 5 and 6: a (AAAAAAAA+CCCC) and b (AAAAAAAC+CCGG) cannot be told apart in lane 1:"
            " 1 of the bases of index 1 differ where 2 mismatches are allowed, 2 of the bases of index 2 differ where"
            " 2 mismatches are allowed. Set BarcodeMismatchesIndex1 to 0 or BarcodeMismatchesIndex2 to 0, or correct"
            " the indexes"
        )

    def test_the_same_index_twice(self) -> None:
        with pytest.raises(InputError, match=r"a \(AAAA\+CCCC\) and b \(AAAA\+CCCC\) have the same index"):
            plan(DUAL, ["a,AAAA,CCCC", "b,AAAA,CCCC"])

    def test_the_same_index_in_different_lanes(self) -> None:
        found = plans(run(5, "i4", lanes=2), ["1,a,AAAA", "2,b,AAAA"], columns="Lane,Sample_ID,index")
        assert [len(one.entries) for one in found.values()] == [1, 1]

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.text("AC", min_size=1, max_size=3),
                st.text("AC", max_size=3),
                st.integers(0, 2),
                st.integers(0, 2),
            ),
            min_size=2,
            max_size=2,
            unique_by=lambda row: row[:2],
        )
    )
    def test_the_rule_is_exact(self, rows: list[tuple[str, str, int, int]]) -> None:
        """Refused exactly where some observed pair of indexes is within what both samples allow."""
        padded = [(a.ljust(3, "."), b.ljust(3, "."), m, n) for a, b, m, n in rows]
        collide = may_collide((padded[0][0], padded[0][2]), (padded[1][0], padded[1][2])) and may_collide(
            (padded[0][1], padded[0][3]), (padded[1][1], padded[1][3])
        )
        lines = [f"s{place},{a},{b},{m},{n}" for place, (a, b, m, n) in enumerate(rows)]
        columns = "Sample_ID,index,index2,BarcodeMismatchesIndex1,BarcodeMismatchesIndex2"
        if collide:
            with pytest.raises(InputError):
                plan(run(5, "i3", "i3"), lines, columns)
        else:
            assert len(plan(run(5, "i3", "i3"), lines, columns).entries) == 2

    def test_a_plate_of_1536_is_checked_in_no_time(self) -> None:
        random = np.random.default_rng(7)
        rows = [
            f"s{place},{''.join(a)},{''.join(b)}"
            for place, (a, b) in enumerate(
                zip(
                    random.choice(list("ACGT"), (1536, 10)),
                    random.choice(list("ACGT"), (1536, 10)),
                    strict=True,
                )
            )
        ]
        assert len(plan(DUAL, rows).entries) == 1536


class TestLayout:
    def test_molecular_identifiers(self) -> None:
        found = plan(DUAL, ["a,ACGTACGT,"], settings="OverrideCycles,U7N1Y93;I8U2;U10;Y90N11")
        layout = found.entries[0].layout
        assert layout.segments == ((8, 93), (0, 90))
        assert layout.umi == ((1, 0, 7), (2, 8, 2), (3, 0, 10))
        assert found.default == layout

    def test_identifiers_stay_in_the_reads_with_trim_umi_0(self) -> None:
        found = plan(run(20, "i4", 20), ["a,ACGT,"], settings="TrimUMI,0\nOverrideCycles,U5Y15;I4;Y15U5")
        assert found.default.segments == ((0, 20), (0, 20))
        assert found.default.umi == ((1, 0, 5), (3, 15, 5))
        with pytest.raises(InputError, match="TrimUMI is 0, and read 1 has unused cycles"):
            plan(run(20, "i4", 20), ["a,ACGT,"], settings="TrimUMI,0\nOverrideCycles,U5N1Y14;I4;Y20")

    def test_a_read_may_be_left_out_but_not_all(self) -> None:
        found = plan(run(20, "i4", 20), ["a,ACGT,"], settings="OverrideCycles,Y20;I4;U10N10")
        assert found.default.segments == ((0, 20), (0, 0))
        with pytest.raises(InputError, match="keeps nothing of the template"):
            plan(run(20, "i4"), ["a,ACGT,"], settings="OverrideCycles,N20;I4")

    def test_adapters(self) -> None:
        found = plan(
            DUAL, ["a,ACGT,"], settings="AdapterRead1,AGATC+CTGTC\nAdapterRead2,GGGG\nAdapterBehavior,mask"
        )
        assert found.default.adapters == AdapterSettings(
            sequences=(("AGATC", "CTGTC"), ("GGGG",)),
            behavior="mask",
            stringency=0.9,
            minimum_overlap=1,
            minimum_length=35,
            mask_length=22,
        )

    def test_no_read_is_kept_longer_than_it_is(self) -> None:
        found = plan(run(20, "i4"), ["a,ACGT,"], settings="AdapterRead1,AGATC\nAdapterRead2,GGGG")
        assert found.default.adapters is not None
        assert found.default.adapters.sequences == (("AGATC",),)
        assert (found.default.adapters.minimum_length, found.default.adapters.mask_length) == (20, 20)

    def test_settings_of_a_sample(self) -> None:
        found = plan(
            DUAL,
            ["a,ACGTA,Y101;I5N5;N10;Y101,AGATC,0.8", "b,CCCCC,U1Y100;I5N5;N10;Y101,na,na"],
            columns="Sample_ID,index,OverrideCycles,AdapterRead1,AdapterStringency",
        )
        a, b = (entry.layout for entry in found.entries)
        assert a.adapters is not None
        assert (a.adapters.stringency, a.umi) == (0.8, ())
        assert (b.adapters, b.umi, b.segments) == (None, ((1, 0, 1),), ((1, 100), (0, 101)))
        assert found.default.segments == ((0, 101), (0, 101))


class TestNeeds:
    """Equal digests: another sheet costs an assignment, no conversion."""

    def test_samples_trimming_and_masking_do_not_matter(self) -> None:
        none = plan_lanes(DUAL, None, None)[1].needs
        assert plan(DUAL, ["a,ACGT,"]).needs == none
        assert plan(DUAL, ["b,CCCC,GGGG"]).needs == none
        assert plan(DUAL, ["b,CCCC,"], settings="OverrideCycles,N5Y96;I4N6;N10;Y50N51").needs == none
        adapters = [
            plan(DUAL, ["a,ACGT,"], settings=f"AdapterRead1,AGATC\n{more}").needs
            for more in ("", "AdapterBehavior,mask", "MinimumTrimmedReadLength,20", "MaskShortReads,5")
        ]
        assert len(set(adapters)) == 1
        assert adapters[0] != none

    @pytest.mark.parametrize(
        "settings",
        [
            "AdapterRead1,AGATT",
            "AdapterRead2,AGATC",
            "AdapterRead1,AGATC\nAdapterStringency,0.8",
            "AdapterRead1,AGATC\nMinimumAdapterOverlap,3",
            "AdapterRead1,AGATC\nOverrideCycles,N5Y96;I4N6;N10;Y101",
            "OverrideCycles,U5Y96;I4N6;N10;Y101",
            "OverrideCycles,Y101;I4N6;U10;Y101",
        ],
    )
    def test_identifiers_and_adapters_do(self, settings: str) -> None:
        others = {
            plan_lanes(DUAL, None, None)[1].needs,
            plan(DUAL, ["a,ACGT,"], settings="AdapterRead1,AGATC").needs,
        }
        assert plan(DUAL, ["a,ACGT,"], settings=settings).needs not in others

    def test_whose_they_are_matters_where_samples_differ(self) -> None:
        def needs(*rows: str) -> str:
            return plan(DUAL, rows, columns="Sample_ID,index,AdapterRead1").needs

        assert needs("a,AAAA,AGATC", "b,CCCC,na") == needs("c,CCCC,na", "d,AAAA,AGATC")
        assert needs("a,AAAA,AGATC", "b,CCCC,na") != needs("a,AAAA,na", "b,CCCC,AGATC")
        assert needs("a,AAAA,na", "b,CCCC,na") == plan_lanes(DUAL, None, None)[1].needs


def test_reverse_complement() -> None:
    assert reverse_complement("AACGT.") == ".ACGTT"


def test_real_sheets_of_a_novaseq_run(shared_data: Path) -> None:
    """A 10x sheet for one lane of a run whose other lanes have sheets of their own."""
    reports = (
        shared_data
        / "run_folders/samplesheets/bclconvert-3.6.3/multiple_bclconvert_runs/Y28N123_I8N2_N10_Y91N60/Reports"
    )
    found = plan_lanes(
        read_run_info(reports / "RunInfo.xml"), None, read_sample_sheet(reports / "SampleSheet.csv")
    )
    assert [len(one.entries) for one in found.values()] == [0, 0, 0, 8]
    lane = found[4]
    assert (lane.index1, lane.index2) == ((0, 8), (0, 0))
    assert lane.entries[0].layout.segments == ((0, 28), (0, 91))
    assert {entry.index1 for entry in lane.entries if entry.sample_id == "PRJ200438_LPRJ200438"} == {
        "CATGCGAT",
        "TGATATTC",
        "GTGATCGA",
        "ACCCGACG",
    }
