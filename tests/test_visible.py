"""What cannot be seen, or no UTF-8 holds, becomes its bytes; everything else stays."""

import os
from urllib.parse import unquote_to_bytes

import pytest

from sfumato.visible import one_line, visible, whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", "%1B[31mred%07"),
        ("a\nb\tc\r\n", "a%0Ab%09c%0D%0A"),
        ("\x9b2J\x7f", "%C2%9B2J%7F"),
        ("photo\u202egpj.exe", "photo%E2%80%AEgpj.exe"),
        ("a\u2028b\u2066", "a%E2%80%A8b%E2%81%A6"),
        ("caf\udce9", "caf%E9"),
        ("\ud800\uffff", "%ED%A0%80%EF%BF%BF"),
        ("猫 é 👩‍🚀 می‌خواهم שלום", "猫 é 👩‍🚀 می‌خواهم שלום"),
    ],
)
def test_what_cannot_be_seen_becomes_its_bytes(text: str, shown: str) -> None:
    assert one_line(text) == shown
    assert one_line(shown) == shown
    assert visible(text).replace("\n", "%0A").replace("\t", "%09") == shown


def test_a_name_that_is_not_utf8_is_found_again() -> None:
    name = os.fsdecode(bytes(range(1, 256)).replace(b"%", b""))
    assert os.fsdecode(unquote_to_bytes(one_line(name))) == name
    assert unquote_to_bytes(whole(name)) == os.fsencode(name)
