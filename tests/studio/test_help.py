"""The page's Chinese for what systems and fields say of themselves."""

import re
from pathlib import Path

from sfumato.studio.moves import catalog

SOURCE = Path(__file__).parents[2] / "studio" / "src" / "lib" / "help.ts"
PAIR = re.compile(r"""^  (['"])(.+)\1\s*: (['"])(.+)\3,$""", re.M)
PAIRS = [(english, chinese) for _, english, _, chinese in PAIR.findall(SOURCE.read_text("utf-8"))]
SENTENCE = re.compile(r"[A-Za-z]+( [A-Za-z]+){2}")


def shown() -> set[str]:
    """What forms show: the idea of every system, and the help of every field."""
    rows = catalog(None)["systems"].values()
    fields = (field["text"] for row in rows for form in row["fields"].values() for field in form)
    return {row["idea"] for row in rows} | set(fields)


def test_every_text_is_there_once_and_no_other():
    found, owed = [english for english, _ in PAIRS], shown()
    assert owed - set(found) == set(), "missing"
    assert set(found) - owed == set(), "left over"
    assert len(found) == len(set(found))


def test_every_translation_is_chinese():
    assert [chinese for _, chinese in PAIRS if not re.search(r"[\u4e00-\u9fff]", chinese)] == []
    assert [chinese for _, chinese in PAIRS if SENTENCE.search(chinese)] == []
