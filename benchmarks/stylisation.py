"""`python -m benchmarks.stylisation CONTENTS STYLES --squeezenet FILE [--before FOLDER] [--json]`: how well we restyle.

Every one of ten held-out contents in every one of ten held-out styles, at 256². What is made under EfficientNet-Lite0
(the shipped network, `fine`, `gatys`) is judged by a SqueezeNet trained on ImageNet (FILE), what is made under that by
EfficientNet-Lite0; see `sfumato.style.judge` for the measures. Beside them: a network of before (FOLDER, as exported),
Gatys' own recipe under the encoder of Sfumato after 50 and 500 steps, the content as it is, and its colours matched.
Then haloes: by how much the grey of a card of flat squares overshoots beside their edges. And flicker: how much the
pixels of a still scene, filmed with noise, change from frame to frame, and by how much frames miss the one before,
moved along, while the camera moves.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfumato.data.photographs import photographs
from sfumato.data.pictures import to_bytes, to_picture, to_tensor
from sfumato.data.sources import View, open_data
from sfumato.engine.runtime import Runtime, choose, hardware
from sfumato.nets.decoder import Decoder
from sfumato.nets.encoders import build_encoder
from sfumato.ops.colour import transported
from sfumato.style.judge import Judge
from sfumato.style.measures import PAIRED, test_pairs
from sfumato.style.network import DETAILED, FLOOR, Restyler, load_exported, shipped
from sfumato.style.options import Options, options_for
from sfumato.style.painter import painter_for
from sfumato.style.restyle import Styles
from sfumato.style.video import Shown, carry, follow

SIDE = 256
SQUARE, EDGE, PLAIN = 64, (2, 7), 20  # of the card: pixels of a square, of the band beside an edge, of what is far from
NOISE = 3 / 255  # deviation, of filmed frames
FRAMES = 12
Maker = Callable[[Tensor, Tensor], Tensor]  # a content and a style, (3, h, w) in [0, 1], to a picture


def by_network(restyler: Restyler, runtime: Runtime) -> Maker:
    painter = painter_for(restyler, runtime, 1024)

    def make(content: Tensor, style: Tensor) -> Tensor:
        first, second = (to_bytes(part)[None] for part in (content, style))
        return painter.paint(first, [second], [1.0], 1.0, 0, lambda: None)[0] / 255

    return make


def by_method(runtime: Runtime, **options: Any) -> Maker:
    chosen = options_for(style_size=SIDE, **options)

    def make(content: Tensor, style: Tensor) -> Tensor:
        laid = Styles([to_picture(style)], chosen, runtime).lay(to_picture(content))
        return to_tensor(laid).float() / 255

    return make


def old_network(folder: Path) -> Restyler:
    return load_exported(Restyler(build_encoder("sfumato"), Decoder("sfumato", DETAILED)), folder).eval()


def pairs_of(name: str, make: Maker, judge: Judge, contents: Tensor, styles: Tensor) -> dict[str, Any]:
    began = time.perf_counter()
    pictures = torch.stack([make(*pair) for pair in zip(contents, styles, strict=True)])
    seconds = (time.perf_counter() - began) / len(contents)
    parts = [judge(*part) for part in zip(*(item.split(PAIRED) for item in (pictures, contents, styles)), strict=True)]
    means = {key: round(float(torch.cat([part[key] for part in parts]).mean()), 4) for key in parts[0]}
    return {"name": name, "judge": judge.name, "pairs": len(contents), **means, "seconds": round(seconds, 3)}


def card(seed: int) -> Tensor:
    """(3, 256, 256): sixteen flat squares."""
    colours = torch.rand(3, SIDE // SQUARE, SIDE // SQUARE, generator=torch.Generator().manual_seed(seed))
    return (0.15 + 0.7 * colours).repeat_interleave(SQUARE, 1).repeat_interleave(SQUARE, 2)


def overshoot(picture: Tensor, original: Tensor) -> float:
    """The mean by which grey, in a band beside the upright edges of the card, lies beyond that of its square, away from
    the neighbour's, over the mean step."""
    grey, before = picture.mean(0), original.mean(0)
    rows = torch.cat([torch.arange(top + PLAIN, top + SQUARE - PLAIN) for top in range(0, SIDE, SQUARE)])
    beyond, steps = [], []
    for edge in range(SQUARE, SIDE, SQUARE):
        sides = []
        for sign in (-1, 1):
            band = [edge + (place if sign > 0 else -1 - place) for place in range(*EDGE)]
            far = [edge + (place if sign > 0 else -1 - place) for place in range(PLAIN, SQUARE - PLAIN)]
            sides.append((grey[rows][:, band].mean(1), grey[rows][:, far].mean(1), before[rows][:, far].mean(1)))
        higher = torch.sign(sides[0][2] - sides[1][2])
        beyond += [higher * (sides[0][0] - sides[0][1]), -higher * (sides[1][0] - sides[1][1])]
        steps.append((sides[0][1] - sides[1][1]).abs())
    return float(torch.cat(beyond).mean() / torch.cat(steps).mean())


def haloes(make: Maker, styles: Tensor) -> float:
    found = [overshoot(make(card(seed), style), card(seed)) for seed, style in enumerate(styles)]
    return round(sum(found) / len(found), 4)


def flicker(make: Maker, style: Tensor, coherence: float) -> dict[str, float]:
    """Of a still scene with noise, the mean change of a pixel in levels of 255; of a moving one, the warp error."""
    generator = torch.Generator().manual_seed(0)
    picture = photographs()["rocket"].float() / 255
    still = [picture[:, 60 : 60 + SIDE, :384]] * FRAMES
    moving = [picture[:, 60 : 60 + SIDE, 4 * index : 4 * index + 384] for index in range(FRAMES)]
    found: dict[str, float] = {}
    for name, scene in (("still", still), ("moving", moving)):
        before: Shown | None = None
        changes, errors = [], []
        for clean in scene:
            frame = (clean + NOISE * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
            carried = carry(frame, before) if before else None
            shown, error = follow(frame, make(frame, style), before, carried, coherence)
            if before is not None:
                changes.append(float((shown.output - before.output).abs().mean()) * 255)
            if error.shown is not None:
                errors.append(error.shown)
            before = shown
        found[name] = sum(changes) / len(changes) if name == "still" else sum(errors) / len(errors)
    return {"still, levels": round(found["still"], 3), "moving, warp error": round(found["moving"], 6)}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    data = open_data((arguments.contents, arguments.styles), View(3, SIDE, fit="short"))
    contents, styles = test_pairs(data, PAIRED)
    runtime = choose("cpu", arguments.precision)
    squeezenet, efficientnet = Judge("squeezenet1_0", arguments.squeezenet), Judge("efficientnet_lite0")
    networks: dict[str, Maker] = {"shipped network": by_network(shipped(), runtime)}
    if arguments.before:
        networks["network of before"] = by_network(old_network(Path(arguments.before)), runtime)
    fine, slow = by_method(runtime, preset="fine"), {"gatys": by_method(runtime, method="gatys")}
    gatys = {"method": "gatys", "preset": "paper", "encoder": "sfumato"}
    named = partial(pairs_of, contents=contents, styles=styles)
    spread_out = torch.linspace(0, len(contents) - 1, arguments.slow).long()
    seldom = partial(pairs_of, contents=contents[spread_out], styles=styles[spread_out])
    rows = [named(name, make, squeezenet) for name, make in (networks | {"fine": fine}).items()]
    rows += [seldom(name, make, squeezenet) for name, make in (networks | {"fine": fine} | slow).items()]
    rows += [
        seldom(f"Gatys, {steps} steps, encoder of Sfumato", by_method(runtime, **gatys, steps=steps), squeezenet)
        for steps in arguments.steps
    ]
    under = {"encoder": "squeezenet1_0", "weights_file": arguments.squeezenet}
    rows += [seldom("fine, under SqueezeNet", by_method(runtime, preset="fine", **under), efficientnet)]
    rows += [seldom(name, make, efficientnet) for name, make in networks.items()]
    rows += [named("content as it is", lambda content, _: content, squeezenet)]
    matched = lambda content, style: transported(content[None], style[None], FLOOR)[0].clamp(0, 1)  # noqa: E731
    rows += [named("content, colours matched", matched, squeezenet)]
    some = styles[:PAIRED]
    return {
        "command": "python -m benchmarks.stylisation CONTENTS STYLES --squeezenet FILE --before FOLDER",
        "data": data.name, "fingerprint": data.fingerprint, "side": SIDE, "hardware": hardware(),
        "runtime": runtime.describe(), "rows": rows,
        "haloes": {name: haloes(make, some) for name, make in networks.items()},
        "flicker": {
            f"{name}, {how}": flicker(make, some[0], coherence)
            for name, make in networks.items()
            for how, coherence in (("each frame for itself", 0.0), ("held together", Options.coherence))
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stylisation", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("contents", help="a folder or zip of photographs")
    parser.add_argument("styles", help="a folder or zip of paintings")
    parser.add_argument("--squeezenet", required=True, help="torchvision's squeezenet1_0 weights, .safetensors or .pth")
    parser.add_argument("--before", help="a folder with an exported network of before")
    parser.add_argument("--slow", type=int, default=20, help="pairs for what is optimised")
    parser.add_argument("--steps", type=int, nargs="*", default=[50, 500], help="of Gatys' recipe")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    arguments = parser.parse_args()
    found = measure(arguments)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    for row in found["rows"]:
        print(", ".join(f"{key} {value}" for key, value in row.items()))
    print(found["haloes"], found["flicker"])


if __name__ == "__main__":
    main()
