"""How good a picture is in the style of another, by a network that had no part in making it.

Pictures are (b, 3, h, w) in [0, 1]. `content`: relative squared error of forms against the photograph as it is;
`style`: relative squared errors of means and deviations against the painting, summed over layers; `patches`: the sliced
2-Wasserstein distance (Rabin et al. 2011) between the 5×5 patches of colour of picture and painting, averaged over
three scales; `texture`: the same of patches less their mean; `checkers`: the share of 2×2 checks in fine detail over
the painting's. No number here sees brushwork.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..ops.style_losses import checker_share, patch_distance, relative_errors
from .texture import Eye, EyeName, seen

FORMS: Mapping[str, str] = {"squeezenet1_0": "fire3", "squeezenet1_1": "fire3"}  # where content is judged, else as ever
DIRECTIONS = 64
SCALES = 3


class Judge:
    """`name`: of the network; `file`: its weights, if they are not here."""

    def __init__(self, name: EyeName, file: str = "") -> None:
        self.eye = Eye(name)
        self.eye.encoder.load(file)
        self.name = name
        self.forms = FORMS.get(name, self.eye.layers.forms)
        generator = torch.Generator().manual_seed(0)
        self.directions = F.normalize(torch.randn(DIRECTIONS, 75, generator=generator), dim=1)

    @torch.no_grad()
    def __call__(self, pictures: Tensor, contents: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Each measure of each picture, (b,)."""
        found, goal = (self.eye.textures(part) for part in (pictures, styles))
        forms, target = (
            self.eye.encoder(seen(part, (0, 0)), (self.forms,))[self.forms] for part in (pictures, contents)
        )
        moments = [
            relative_errors(torch.cat(found[name].moments, 1), torch.cat(goal[name].moments, 1))
            for name in self.eye.layers.paint
        ]
        distances = [
            [
                patch_distance(one[None], other[None], self.directions, SCALES, centred)
                for one, other in zip(pictures, styles, strict=True)
            ]
            for centred in (False, True)
        ]
        return {
            "content": relative_errors(forms, target),
            "style": torch.stack(moments).sum(0),
            "patches": torch.stack(distances[0]),
            "texture": torch.stack(distances[1]),
            "checkers": checker_share(pictures) / checker_share(styles).clamp_min(1e-8),
        }
