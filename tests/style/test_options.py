"""Options of the methods: what cannot be is named, and who has what another method is asked for."""

from dataclasses import fields
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from sfumato import cli
from sfumato.errors import SfumatoError
from sfumato.nets.encoders import EFFICIENTNET, EncoderName
from sfumato.style.options import METHODS, Features, flag, having, options_for
from sfumato.style.texture import LAYERS

OTHER = {"tile": 64, "run": "runs/mine", "recipe": "d2l", "steps": 3, "encoder": "vgg16", "weights_file": "x.pth",
         "init": "noise", "content_weight": 3.0, "smoothness": 1.0, "noise": 0.5, "matched": False, "scale": 2.0,
         "effort": 0.5, "seconds": 9.0}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 1.5}, "alpha 1.5: must lie between 0 and 1"),
        ({"coherence": float("nan")}, "coherence nan: must be a finite number"),
        ({"weights": (0.0, 0.0)}, r"weights \(0.0, 0.0\): must not all be 0"),
        ({"weights": (float("inf"), 1.0)}, "each must be a finite number"),
        ({"weights": (-1.0, 2.0)}, "each must not be negative"),
        ({"weights": 0.5}, "weights 0.5: must be a list of floats"),
        ({"alpha": "x"}, "alpha 'x': must be of type float"),
        ({"tile": "64"}, "tile '64': must be of type int"),
        ({"content_size": 64.0}, "content_size 64.0: must be of type int"),
        ({"keep_color": "hue"}, "keep_color 'hue': must be one of luma, coral, histogram"),
        ({"method": "gatys", "preset": "paper", "steps": 2.5}, "steps 2.5: must be of type int"),
        ({"method": "gatys", "preset": "paper", "init": 5}, "init 5: must be of type str"),
        ({"method": ["gatys"]}, "method .'gatys'.: must be one of adain, gatys"),
        ({"style_size": 3}, "style_size 3: must be at least 32"),
        ({"method": "magic"}, "method 'magic': must be one of adain, gatys"),
        ({"tile": 10**5000, "method": "gatys"}, "tile of type int: is for --method adain"),
        ({"encoder": "vgg19"}, "encoder 'vgg19': is for --preset fine and --method gatys and .*paper, not for"),
        ({"method": "gatys", "preset": "paper", "encoder": "efficientnet_lite0"}, "whose recipes go by VGG-19"),
        (
            {"method": "gatys", "recipe": "d2l"},
            "recipe 'd2l': is for --method gatys --preset paper, not for --method g",
        ),
        ({"method": "gatys", "scale": 0.0}, "scale 0.0: must lie between 0.1 and 10"),
        ({"method": "gatys", "seconds": 0.0}, "seconds 0.0: must be more than 0"),
        ({"method": "gatys", "encoder": "vgg20"}, "encoder 'vgg20': must be .*one of efficientnet_lite0"),
        ({"tile": 100}, "tile 100: must be a multiple of 8"),
        ({"method": "gatys", "preset": "paper", "steps": 0}, "steps 0: must be at least 1"),
        ({"method": "gatys", "preset": "fine"}, "preset 'fine': --method gatys has draft and paper"),
        (
            {"method": "gatys", "preset": "paper", "init": "no.png"},
            "init 'no.png': must be content, noise, style, or a picture",
        ),
        ({"colour": "luma"}, "unknown options colour"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        options_for(**options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", METHODS)
def test_an_option_is_taken_by_those_who_have_it_and_refused_by_the_others(kind: type) -> None:
    assert {field.name for method in METHODS for field in fields(method) if len(having(field.name)) < len(METHODS)} == {
        *OTHER
    }
    for name, value in OTHER.items():
        if kind in having(name):
            assert getattr(options_for(kind.method, kind.preset, **{name: value}), name) == value
            continue
        with pytest.raises(
            SfumatoError, match=f"{name} {value!r}: is for {flag(having(name)[0])}.*, not for {flag(kind)}"
        ):
            options_for(kind.method, kind.preset, **{name: value})


def test_values_are_taken_as_python_has_them() -> None:
    told = options_for(alpha=np.float32(0.5), tile=np.int64(64), weights=[1, np.float64(2)], run=Path("runs/mine"))
    assert told == options_for(alpha=0.5, tile=64, weights=(1.0, 2.0), run=str(Path("runs/mine")))
    chosen = options_for("gatys", "paper", weights_file=None, init=Path(__file__))
    assert chosen == options_for("gatys", "paper", init=__file__)


def test_a_usual_value_is_no_choice() -> None:
    assert options_for("gatys", alpha=1.0, tile=1024, run="", style_size=None).style_size is None


def test_the_command_offers_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["stylize", "--help"])
    shown = capsys.readouterr().out
    for kind in METHODS:
        assert all(f"--{field.name.replace('_', '-')} " in shown for field in fields(kind))
    words = " ".join(shown.replace("│", " ").split())
    assert "fine and gatys: times the usual steps" in words
    assert "paper: steps at full size" in words
    assert "Strength of the style; 0: the content's own pixels" in words
    assert "--run PATH" in words


def test_encoders_are_those_there_are() -> None:
    assert {*get_args(Features)} == {*get_args(EncoderName), EFFICIENTNET} == {*LAYERS}
