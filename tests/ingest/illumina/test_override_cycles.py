"""OverrideCycles against the reads of a run."""

import pytest

from baselake.errors import InputError
from baselake.ingest.illumina.override_cycles import (
    ReadMask,
    default_text,
    parse_override_cycles,
    whole_reads,
)
from baselake.ingest.illumina.run_info import Read


def reads(*cycles: int | str, reverse: bool = False) -> tuple[Read, ...]:
    """Reads of the template as numbers, index reads as 'i8'; `reverse` marks the last index read."""
    last = max((place for place, one in enumerate(cycles) if isinstance(one, str)), default=-1)
    return tuple(
        Read(
            number=place + 1,
            cycles=int(str(one).removeprefix("i")),
            indexed=isinstance(one, str),
            reverse_complement=reverse and place == last,
        )
        for place, one in enumerate(cycles)
    )


NOVASEQ = reads(151, "i10", "i10", 151)


def spelled(text: str, run: tuple[Read, ...]) -> list[tuple[tuple[int, int], tuple[tuple[int, int], ...]]]:
    return [(mask.kept, mask.umi) for mask in parse_override_cycles(text, run, "sheet.csv, line 3")]


@pytest.mark.parametrize(
    ("text", "run", "expected"),
    [
        ("Y151;I8N2;I8N2;Y151", NOVASEQ, [((0, 151), ()), ((0, 8), ()), ((0, 8), ()), ((0, 151), ())]),
        (
            "U7N1Y93N50;I10;I10;U7N1Y93N50",
            NOVASEQ,
            [((8, 93), ((0, 7),)), ((0, 10), ()), ((0, 10), ()), ((8, 93), ((0, 7),))],
        ),
        ("Y28N123;I8N2;N10;Y91N60", NOVASEQ, [((0, 28), ()), ((0, 8), ()), ((0, 0), ()), ((0, 91), ())]),
        (
            " y151 ; n2i8;U10;Y151 ",
            NOVASEQ,
            [((0, 151), ()), ((2, 8), ()), ((0, 0), ((0, 10),)), ((0, 151), ())],
        ),
        ("Y50Y101;I10;I10;Y151", NOVASEQ, [((0, 151), ()), ((0, 10), ()), ((0, 10), ()), ((0, 151), ())]),
        ("U3Y5U2", reads(10), [((3, 5), ((0, 3), (8, 2)))]),
        ("U2U3N0Y5", reads(10), [((5, 5), ((0, 5),))]),
        (
            "R1:Y5;R2:N1Y4;I1:I8;I2:U6",
            reads(5, "i8", "i6", 5),
            [((0, 5), ()), ((0, 8), ()), ((0, 0), ((0, 6),)), ((1, 4), ())],
        ),
        # The sheet spells a read marked IsReverseComplement as on the other strand: what it has first is read last.
        ("Y5;I8;N2I8", reads(5, "i8", "i10", reverse=True), [((0, 5), ()), ((0, 8), ()), ((0, 8), ())]),
        (
            "Y5;I8;U3I6N1",
            reads(5, "i8", "i10", reverse=True),
            [((0, 5), ()), ((0, 8), ()), ((1, 6), ((7, 3),))],
        ),
    ],
)
def test_masks(
    text: str, run: tuple[Read, ...], expected: list[tuple[tuple[int, int], tuple[tuple[int, int], ...]]]
) -> None:
    assert spelled(text, run) == expected


def test_the_default_keeps_everything() -> None:
    assert default_text(NOVASEQ) == "Y151;I10;I10;Y151"
    assert parse_override_cycles(default_text(NOVASEQ), NOVASEQ, "") == whole_reads(NOVASEQ)
    assert whole_reads(reads(5)) == (ReadMask(kept=(0, 5)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Y151;I10;Y151", "3 masks, and the run 4 reads.*Y151;I10;I10;Y151 keeps all"),
        ("Y150;I10;I10;Y151", r"Y150 has 150 cycles for the read of 151 cycles \(read 1\)"),
        ("Y151;I8;I10;Y151", r"I8 has 8 cycles for the index read of 10 cycles \(read 2\)"),
        ("I151;I10;I10;Y151", "has I in the read"),
        ("Y151;Y10;I10;Y151", "has Y in the index read"),
        ("Y50N1Y100;I10;I10;Y151", "Y cycles with others between them"),
        ("Y151;I4N2I4;I10;Y151", "I cycles with others between them"),
        ("Y*;I10;I10;Y151", r"has 'Y\*'"),
        ("Y151;;I10;Y151", "has ''"),
        ("Y151;I10;I10;Y151;", "5 masks"),
        ("R1:Y151;I1:I10;I2:I10;R1:Y151", "does not name every read once"),
        ("R1:Y151;I1:I10;I2:I10;Y151", "does not name every read once"),
        ("R1:Y151;I1:I10;I2:I10;R3:Y151", "the run has R1, I1, I2, R2"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        spelled(text, NOVASEQ)
    assert caught.value.where == "sheet.csv, line 3"
    assert caught.value.remedy
