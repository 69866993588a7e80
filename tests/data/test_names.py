"""Names and texts of other systems: decoded right, or not at all."""

from unicodedata import normalize

import pytest

from sfumato.data.names import decoded, is_system, page_of, plain, unpacked_names
from sfumato.errors import SfumatoError


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("猫,狗,牛", "gb2312"),
        ("训练集/猫/一.jpg", "gb2312"),
        ("鏡頭,貓", "utf-8"),
        ("été,âté,vélo", "cp1252"),
        ("Straße, Äpfel, naïve", "cp1252"),
        ("ねこ,いぬ", "cp932"),
        ("ねこ,いぬ", "utf-8"),
        ("кошка", "utf-8"),
        ("cat,dog", "ascii"),
    ],
)
def test_a_text_is_read_as_it_was_written(text: str, page: str) -> None:
    assert decoded(text.encode(page)) == text


@pytest.mark.parametrize("page", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(page: str) -> None:
    assert decoded("a,猫\n".encode(page)) == "a,猫\n"


@pytest.mark.parametrize(("text", "page"), [("кошка, собака", "cp1251"), ("γάτα, σκύλος", "cp1253"), ("קטל", "cp1255")])
def test_a_text_in_a_page_that_cannot_be_told_is_refused_not_garbled(text: str, page: str) -> None:
    with pytest.raises(SfumatoError, match="save it as UTF-8"):
        decoded(text.encode(page))


@pytest.mark.parametrize("page", ["gb2312", "gbk", "windows-1251", "iso-8859-1", "utf-8", "shift_jis"])
def test_xml_is_read_in_the_encoding_that_it_declares(page: str) -> None:
    word = {"windows-1251": "кошка", "iso-8859-1": "vélo", "shift_jis": "ねこ"}.get(page, "猫")
    text = f'<?xml version="1.0" encoding="{page}"?><name>{word}</name>'
    assert decoded(text.encode(page)) == text


def test_a_declaration_that_lies_does_not_garble() -> None:
    text = '<?xml version="1.0" encoding="utf-8"?><name>狗</name>'
    assert decoded(text.encode("gb2312")) == text
    assert decoded(b'<?xml version="1.0" encoding="nonsense"?><a/>').endswith("<a/>")


def test_letters_in_two_pieces_and_backslashes_become_plain() -> None:
    assert plain(normalize("NFD", "café") + "\\1.jpg") == "café/1.jpg"
    assert plain("狗/1.jpg".encode("gbk").decode("utf-8", "surrogateescape")) == "狗/1.jpg"


def test_names_of_an_archive_are_in_one_code_page() -> None:
    raw = ["猫/1.jpg".encode("gbk"), "狗/2.jpg".encode("gbk"), b"a.jpg"]
    assert list(unpacked_names(raw).values()) == ["猫/1.jpg", "狗/2.jpg", "a.jpg"]
    assert set(unpacked_names(["кошка".encode("cp1251")]).values()) == {None}
    assert page_of(b"plain") == "utf-8"


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", "$RECYCLE.BIN", "lost+found", "#recycle", ".ipynb_checkpoints"])
def test_folders_of_systems_are_known(name: str) -> None:
    assert is_system(name)
    assert not is_system(name + "s")
