"""Options of the methods: what cannot be is named, and who has what another method is asked for."""

from dataclasses import fields
from typing import get_args

import pytest

from sfumato import cli
from sfumato.errors import SfumatoError
from sfumato.nets.encoders import EncoderName
from sfumato.style.options import METHODS, Features, flag, having, options_for

OTHER = {"alpha": 0.5, "tile": 64, "run": "runs/mine", "recipe": "d2l", "steps": 3, "encoder": "vgg19",
         "weights_file": "x.pth", "init": "noise"}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 1.5}, "alpha 1.5: must lie between 0 and 1"),
        ({"coherence": float("nan")}, "coherence nan: must lie between 0 and 1"),
        ({"weights": (0.0, 0.0)}, "must not be negative, nor all 0"),
        ({"weights": (float("inf"), 1.0)}, "must not be negative"),
        ({"style_size": 3}, "style_size 3: must be at least 32"),
        ({"method": "magic"}, "method 'magic': must be one of adain, gatys"),
        ({"encoder": "vgg19"}, "no decoder for it is shipped"),
        ({"method": "gatys", "encoder": "vgg20"}, "encoder 'vgg20': must be one of sfumato"),
        ({"tile": 100}, "tile 100: must be a multiple of 8"),
        ({"preset": "fine", "steps": 0}, "steps 0: must be at least 1"),
        ({"method": "gatys", "preset": "fine"}, "preset 'fine': is AdaIN"),
        ({"method": "gatys", "init": "no.png"}, "init 'no.png': must be content, noise, style, or a picture"),
        ({"colour": "luma"}, "unknown options colour"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        options_for(**options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", METHODS)
def test_an_option_is_taken_by_those_who_have_it_and_refused_by_the_others(kind: type) -> None:
    assert {field.name for method in METHODS for field in fields(method) if len(having(field.name)) < 3} == {*OTHER}
    for name, value in OTHER.items():
        if kind in having(name):
            assert getattr(options_for(kind.method, kind.preset, **{name: value}), name) == value
            continue
        with pytest.raises(
            SfumatoError, match=f"{name} {value}: is for {flag(having(name)[0])}.*, not for {flag(kind)}"
        ):
            options_for(kind.method, kind.preset, **{name: value})


def test_a_usual_value_is_no_choice() -> None:
    assert options_for("gatys", alpha=1.0, tile=1024, run="", style_size=None).style_size is None


def test_the_command_offers_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["stylize", "--help"])
    shown = capsys.readouterr().out
    for kind in METHODS:
        assert all(f"--{field.name.replace('_', '-')} " in shown for field in fields(kind))
    assert "gatys and fine: steps at full size" in " ".join(shown.replace("│", " ").split())


def test_encoders_are_those_there_are() -> None:
    assert get_args(Features) == get_args(EncoderName)
