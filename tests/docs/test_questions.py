"""docs/questions.md names every table macro with its arguments, and each example is answered."""

import re
from pathlib import Path

from baselake.catalog import connection
from baselake.catalog.catalog import Catalog

PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
MACROS = Path(connection.__file__).parent / "sql" / "table_macros"


def test_every_table_macro_is_there_with_its_arguments() -> None:
    documented = dict(re.findall(r"^### `(\w+)\((.*)\)`$", PAGE.read_text(), re.MULTILINE))
    made = {}
    for path in MACROS.glob("*.sql"):
        match = re.search(rf"MACRO {path.stem}\((.*)\) AS TABLE", path.read_text())
        assert match is not None, path
        made[path.stem] = re.sub(r" := [^,]+", "", match[1]).replace("family_name", "family")
    assert documented == made


def test_every_example_is_answered(catalog: Catalog) -> None:
    examples = re.findall(r"^```sql\n(.+?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == len(list(MACROS.glob("*.sql")))
    for example in examples:
        catalog.query(example)
