"""Fields of a Config as data: bounds, choices, help; values from JSON and from Python against them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from sfumato.engine.fields import (
    Amount,
    Bounds,
    Count,
    Layers,
    Positive,
    ShareBelow1,
    build,
    check,
    fields_of,
    from_json,
    to_json,
)
from sfumato.errors import SfumatoError


@dataclass(frozen=True, kw_only=True)
class Base:
    """Half of a made-up Config."""

    side: Annotated[int, Bounds(4, 64)] = 28  # in pixels
    rate: Positive = 1e-3  # of Adam

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Config(Base):
    """The other half, with another default for `side`."""

    side: int = 32  # in pixels, of what is cut out
    hidden: Layers = (8, 4)  # units
    tail: Annotated[tuple[float, ...], Bounds(0, empty=True)] = ()  # weights
    loss: Literal["bce", "mse"] = "bce"  # what is minimised
    skips: Literal[0, 1, 2] = 0  # finer maps
    decay: Amount = 0.0  # in L2
    dropout: ShareBelow1 = 0.0  # share of units
    flip: bool = False  # mirror images
    weights: str = ""  # a file
    images: Count = 100  # in all
    size: Annotated[int | None, Bounds(32)] = None  # of results
    keep: Literal["luma", "coral"] | None = None  # colours


def test_fields_are_described_in_order_with_their_bounds_and_help() -> None:
    fields = {field.name: field for field in fields_of(Config(side=40))}
    assert list(fields)[:3] == ["side", "rate", "hidden"]
    assert fields["side"].default == 40
    assert fields["side"].text == "in pixels, of what is cut out"
    assert fields["side"].bounds == Bounds(4, 64)  # declared anew for another default alone
    assert fields["loss"].choices == ("bce", "mse")
    assert fields["flip"].bounds is None
    kinds = [
        "int",
        "float",
        "ints",
        "floats",
        "choice",
        "choice",
        "float",
        "float",
        "bool",
        "text",
        "int",
        "int",
        "choice",
    ]
    assert [field.kind for field in fields.values()] == kinds
    assert [field.name for field in fields.values() if field.optional] == ["size", "keep"]
    assert (fields["size"].bounds, fields["keep"].choices) == (Bounds(32), ("luma", "coral"))


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "rule", "hint"),
    [
        (Bounds(0), [0, 1e9], [-1e-9], "must not be negative", ""),
        (Bounds(1), [1], [0], "must be at least 1", ""),
        (Bounds(2), [2], [1], "must be at least 2", "at least 2"),
        (Bounds(0, above=True), [1e-9], [0, -1], "must be more than 0", ""),
        (Bounds(1, 2048), [1, 2048], [0, 2049], "must lie between 1 and 2,048", "from 1 to 2,048"),
        (Bounds(0, 1, below=True), [0, 0.5], [1, -0.1], "must lie between 0 and 1, below 1", "from 0, below 1"),
        (Bounds(0, 1, above=True), [0.5, 1], [0, 1.1], "must lie between 0 and 1, above 0", "above 0, to 1"),
        (Bounds(0, 1, above=True, below=True), [0.5], [0, 1], "must lie between 0 and 1, at neither",
         "above 0, below 1"),
    ],
)  # fmt: skip
def test_bounds_hold_what_they_say(
    bounds: Bounds, inside: list[float], outside: list[float], rule: str, hint: str
) -> None:
    assert all(bounds.hold(value) for value in inside)
    assert not any(bounds.hold(value) for value in outside)
    assert not bounds.hold(float("nan"))
    assert (bounds.rule, bounds.hint) == (rule, hint)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"side": 65}, "here: side 65: must lie between 4 and 64"),
        ({"side": "wide"}, "here: side 'wide': must be of type int"),
        ({"side": True}, "here: side True: must be of type int"),
        ({"side": 8.0}, "here: side 8.0: must be of type int"),
        ({"rate": True}, "here: rate True: must be of type float"),
        ({"rate": float("nan")}, "here: rate nan: must be a finite number"),
        ({"rate": float("inf")}, "here: rate inf: must be a finite number"),
        ({"rate": 0}, "here: rate 0.0: must be more than 0"),
        ({"rate": 10**400}, "here: rate 1000"),
        ({"images": 10**5000}, "here: images of type int: must lie within ±9,007,199,254,740,992"),
        ({"images": 2**60}, f"here: images {2**60}: must lie within ±9,007,199,254,740,992"),
        ({"hidden": 5}, "here: hidden 5: must be a list of ints"),
        ({"hidden": [4, "x"]}, "here: hidden [4, 'x']: must be a list of ints"),
        ({"hidden": [4, 0]}, "here: hidden (4, 0): each must lie between 1 and 8,192"),
        ({"hidden": []}, "here: hidden (): must not be empty"),
        ({"hidden": [1] * 10**6}, "must hold 64 at most, not 1,000,000"),
        ({"tail": [float("inf")]}, "here: tail (inf,): each must be a finite number"),
        ({"loss": "huber"}, "here: loss 'huber': must be bce or mse"),
        ({"skips": 3}, "here: skips 3: must be one of 0, 1, 2"),
        ({"skips": True}, "here: skips True: must be one of 0, 1, 2"),
        ({"weights": "a\nb"}, "here: weights 'a\\nb': must be one line of text"),
        ({"weights": "\ud800"}, "here: weights '\\ud800': must be one line of text"),
        ({"weights": "w" * 5000}, "must be one line of text, of 4,096 characters at most"),
        ({"size": 31}, "here: size 31: must be at least 32"),
        ({"size": "64"}, "here: size '64': must be of type int"),
        ({"keep": "hue"}, "here: keep 'hue': must be luma or coral"),
        ({"side": None}, "here: side None: must be of type int"),
        ({"flip": 1}, "here: flip 1: must be of type bool"),
        ({"colour": 1}, "here: unknown fields: colour; there are side, rate"),
        ({"c\n" * 999: 1}, "here: unknown fields: c?c?"),
    ],
)
def test_a_wrong_value_is_named_in_one_short_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SfumatoError) as caught:
        build(Config, values, "here")
    text = str(caught.value)
    assert message in text
    assert text.isprintable()
    assert len(text) < 400


def test_values_lie_on_top_of_a_base() -> None:
    built = build(Config, {"rate": 1, "hidden": [4], "decay": np.float64(0.5)}, "here", Config(side=40))
    assert built == Config(side=40, rate=1.0, hidden=(4,), decay=0.5)
    assert type(built.rate) is type(built.decay) is float
    assert build(Config, {"hidden": (4,)}, "here") == Config(hidden=(4,))
    plain = build(Config, {"hidden": [np.int64(4)], "tail": (np.float32(0.5), 1), "weights": Path("a")}, "here")
    assert plain == Config(hidden=(4,), tail=(0.5, 1.0), weights="a")
    assert build(Config, {"size": None, "keep": None}, "here", Config(size=64, keep="luma")) == Config()


def test_a_choice_is_checked_without_json_too() -> None:
    with pytest.raises(SfumatoError, match="loss 'huber': must be bce or mse"):
        Config(loss="huber")  # pyright: ignore[reportArgumentType]


def test_json_holds_every_field() -> None:
    values = to_json(Config(tail=(0.5,)))
    assert values["tail"] == [0.5]
    assert from_json(Config, values, "here") == Config(tail=(0.5,))
    del values["side"], values["loss"]
    with pytest.raises(SfumatoError, match="here: missing fields: side, loss"):
        from_json(Config, values, "here")
