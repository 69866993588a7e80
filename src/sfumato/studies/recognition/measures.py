"""What the recognition study measures: what its runs say of pictures, and what such networks are built from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ...data.dataset import ImageData
from ...nets.receptive import extent, receptive_field
from ...recognition.fields import field_panel, field_panels
from ...recognition.measures import inspect_anchors, mistakes, shown_rows
from ...recognition.ssd import WIDTH, halving
from ...reports.language import Speaker
from ...reports.matrices import matrices
from ..study import Lab, Measured, about
from .experiments import Anchors, Five, Transposed, assign_five, look_back, place_anchors, transpose

SHOWN = 6
BOXING = ("ssd", "ssd-pretrained")
COLOURING = ("fcn-32s", "fcn-8s", "unet", "deeplab")


@dataclass(frozen=True, kw_only=True)
class Recognition(Measured):
    """`mistakes`: images that the fine-tuned network names wrong, and words for each; `assigned`: figures of anchors on
    training images; `detections`, `colourings`: rows of test images, what is true of them and what each run says;
    `fields`: receptive field of each run's backbone, by name; `block`: side of that of a halving block, by its gradient;
    `looks`: a figure of that gradient, and of those of TinySSD's maps."""

    boxed: ImageData
    masked: ImageData
    anchors: Anchors
    five: Five
    transposed: Transposed
    mistakes: tuple[Tensor, list[str]]
    assigned: Sequence[bytes]
    detections: Mapping[str, Sequence[Tensor]]
    colourings: Mapping[str, Sequence[Tensor]]
    fields: Mapping[str, tuple[str, int]]
    block: int
    looks: bytes


def measure(lab: Lab) -> Recognition:
    boxed, masked = lab.setup.others
    systems = {name: lab.system(name) for name in lab.runs}
    say = Speaker(lab.settings.language)
    objects = say.figure("objects", "物体")
    gradient, ssd = look_back(), systems["ssd"]
    left, _, right, _ = extent(gradient)
    looks = [
        field_panel(say.figure("halving block", "减半块"), halving(3, WIDTH), gradient),
        *field_panels(ssd.maps.parts(), ssd.maps, boxed.test.images(boxed.test.spread(SHOWN))),
    ]
    return Recognition(
        data=lab.data,
        full=lab.settings.full,
        runs=lab.finished(),
        notes={
            "boxes": about(boxed),
            "masks": about(masked),
            "pretrained": f"{features.stem} on ImageNet"
            if (features := lab.settings.features)
            else "the encoder of the package",
        },
        boxed=boxed,
        masked=masked,
        anchors=place_anchors(),
        five=assign_five(),
        transposed=transpose(),
        mistakes=mistakes(systems["fine-tuned"], lab.data, lab.runtime),
        assigned=[inspect_anchors(systems["ssd"], boxed, place, objects) for place in range(min(2, len(boxed.train)))],
        detections={name: shown_rows(systems[name], boxed, lab.runtime, SHOWN) for name in BOXING},
        colourings={name: shown_rows(systems[name], masked, lab.runtime, SHOWN) for name in COLOURING},
        fields={
            name: (systems[name].config.backbone, receptive_field(nn.Sequential(*systems[name].backbone.stages)))
            for name in COLOURING
        },
        block=right - left,
        looks=matrices(looks),
    )
