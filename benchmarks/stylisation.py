"""`python -m benchmarks.stylisation CONTENTS STYLES --judge FILE [--json]`: how well the shipped network restyles.

Every one of ten held-out contents in every one of ten held-out styles, at 256², judged by a SqueezeNet trained on
ImageNet (FILE): content, the relative squared error after `features.4`; style, the relative squared error of the means
and deviations of all channels after `features` 1, 3, 4, 5, 7 and 8, summed. Beside it, the same losses minimised from
the content by Adam (rate 0.03, in the precision that is fast here), the content as it is, and the style as it is. Held
out are those pictures that `sfumato train encoder` on the same data sets does not train on.
"""

import argparse
import json
import time
from dataclasses import replace

import torch
from torch import Tensor

from sfumato.data.pictures import to_bytes
from sfumato.data.sources import View, open_data
from sfumato.engine.runtime import Runtime, choose, hardware
from sfumato.style.encoder import PRESETS, DistilledEncoder
from sfumato.style.measures import PAIRED, judged, test_pairs
from sfumato.style.network import StyleSystem, shipped
from sfumato.style.painter import painter_for

RATE = 0.03
STEPS = (10, 25, 50)
STRENGTHS = (1.0, 0.8, 0.75, 0.7, 0.6)
TILE = 1024


def rounded(judge: StyleSystem, pictures: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
    """The mean losses of `pictures`, in [0, 1], judged in fp32."""
    found = judged(judge, pictures, content, style, choose("cpu", "fp32"))
    return {name: round(value, 4) for name, value in found.items()}


def optimised(judge: StyleSystem, content: Tensor, style: Tensor, weight: float, runtime: Runtime) -> dict[int, Tensor]:
    """The pictures after each of `STEPS` steps, by their number."""
    found: dict[int, list[Tensor]] = {steps: [] for steps in STEPS}
    for contents, styles in zip(content.split(PAIRED), style.split(PAIRED), strict=True):
        pixels = contents.clone().requires_grad_()
        adam = torch.optim.Adam([pixels], lr=RATE)
        for step in range(1, max(STEPS) + 1):
            with runtime.autocast():
                of_content, of_style = judge.judge(pixels, contents, styles)
            adam.zero_grad()
            (len(contents) * (of_content + weight * of_style)).backward()
            adam.step()
            if step in found:
                found[step].append(pixels.detach().clamp(0, 1).clone())
    return {steps: torch.cat(parts) for steps, parts in found.items()}


def measure(contents: str, styles: str, judge_file: str) -> dict[str, object]:
    data = open_data((contents, styles), View(3, 256, fit="short"))
    content, style = test_pairs(data, PAIRED)
    config = replace(PRESETS["sfumato"], teacher_file=judge_file)
    judge = DistilledEncoder(config)
    judge.begin()
    judge.requires_grad_(False).eval()
    painter = painter_for(shipped(), choose("cpu"), TILE)
    rows = []
    for strength in STRENGTHS:
        began = time.perf_counter()
        pictures = torch.cat(
            [
                painter.paint(one[None], [other[None]], [1.0], strength, 0, lambda: None)
                for one, other in zip(to_bytes(content), to_bytes(style), strict=True)
            ]
        )
        seconds = (time.perf_counter() - began) / len(content)
        measured = rounded(judge, pictures.float() / 255, content, style)
        rows.append({"name": f"shipped network, α {strength:g}", **measured, "seconds a picture": round(seconds, 3)})
    rows += [
        {"name": "content, untouched", **rounded(judge, content, content, style)},
        {"name": "style, untouched", **rounded(judge, style, content, style)},
    ]
    rows += [
        {"name": f"optimised from the content, {steps} steps", **rounded(judge, pictures, content, style)}
        for steps, pictures in optimised(judge, content, style, config.style_weight, choose("cpu")).items()
    ]
    return {
        "command": "python -m benchmarks.stylisation CONTENTS STYLES --judge FILE",
        "data": data.name, "fingerprint": data.fingerprint, "pairs": len(content), "side": content.shape[-1],
        "style weight of the optimisation": config.style_weight, "hardware": hardware(), "rows": rows,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stylisation", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("contents", help="a folder or zip of photographs")
    parser.add_argument("styles", help="a folder or zip of paintings")
    parser.add_argument("--judge", required=True, help="torchvision's squeezenet1_0 weights, .safetensors or .pth")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    arguments = parser.parse_args()
    found = measure(arguments.contents, arguments.styles, arguments.judge)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    for row in found["rows"]:  # pyright: ignore[reportGeneralTypeIssues]
        print(", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
