"""docs/annotation.md lists every way in which consequences differ from those of bcftools csq, and every term."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "annotation.md").read_text()


def test_every_known_difference_is_explained() -> None:
    code = (ROOT / "tests" / "compute" / "annotate" / "csq.py").read_text()
    reasons = set(re.findall(r'return "(.+)"', code))
    listed = set(
        re.findall(
            r"^\| ([a-z].+?) \|", PAGE.split("These differ")[1].split("HGVS names are")[0], re.MULTILINE
        )
    )
    assert listed - {"where"} == reasons
    assert len(reasons) > 5


def test_every_term_has_its_impact() -> None:
    code = (ROOT / "compute" / "annotate" / "terms.h").read_text()
    made = dict(re.findall(r'\{"(\w+)", "([A-Z]+)"\}', code))
    rows = dict(re.findall(r"^\| ([A-Z]+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert made == {term: impact for impact, terms in rows.items() for term in terms.split(", ")}


def test_every_doubt_is_explained() -> None:
    code = (ROOT / "compute" / "annotate" / "consequence.h").read_text()
    for doubt in set(re.findall(r'doubt\("(\w+)"\)', code)):
        assert f"| {doubt} |" in PAGE
