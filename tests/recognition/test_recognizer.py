"""Recognition systems against closed forms, torch's own operations and torchvision's networks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torchvision import models

from sfumato.data.batches import Batches
from sfumato.data.dataset import VOID, InMemory, Split
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.nets.backbones import BackboneName, build_backbone
from sfumato.nets.encoders import EFFICIENTNET
from sfumato.ops.anchors import Targets
from sfumato.recognition import deeplab, fcn, finetune, segmentation, ssd, unet


def images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("factor", [2, 8, 32])
def test_a_new_transposed_convolution_is_bilinear_interpolation(factor: int) -> None:
    values = images(1, 3, 10, 15)
    drawn = fcn.bilinear(3, factor)(values)
    assert drawn.shape == (1, 3, 10 * factor, 15 * factor)
    expected = F.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)
    inner = slice(factor // 2, -(factor // 2))
    assert torch.allclose(drawn[..., inner, inner], expected[..., inner, inner], atol=1e-6)


@pytest.mark.parametrize("name", ["plain", "sfumato", EFFICIENTNET, "squeezenet1_0", "vgg16", "resnet18", "resnet50"])
def test_backbones_halve_as_they_say(name: BackboneName) -> None:
    backbone = build_backbone(name).eval()
    with torch.no_grad():
        maps = backbone(images(1, 3, 128, 128))
    assert [values.shape[1] for values in maps] == backbone.channels
    for values, stride in zip(maps, backbone.strides, strict=True):
        assert abs(values.shape[2] - 128 / stride) <= 3  # SqueezeNet does not pad its first layers


def test_a_backbone_is_torchvisions_network() -> None:
    torch.manual_seed(0)
    theirs = models.resnet18().eval()
    backbone = build_backbone("resnet18").eval()
    backbone.network.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")})
    pictures = images(1, 3, 64, 64)
    with torch.no_grad():
        coarsest = backbone(pictures)[-1]
        expected = theirs(backbone.units(pictures))
        assert torch.allclose(theirs.fc(coarsest.mean((2, 3))), expected, atol=1e-5)


def test_maps_without_batch_norm_are_standardised() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("squeezenet1_0")
    finest, *_ = backbone(images(4, 3, 64, 64))
    assert torch.allclose(finest.mean((0, 2, 3)), torch.zeros(finest.shape[1]), atol=1e-4)
    assert torch.allclose(finest.var((0, 2, 3), correction=0), torch.ones(finest.shape[1]), atol=1e-2)
    assert backbone(images(1, 3, 32, 32))[-1].shape[2:] == (1, 1)  # one value of each channel: no deviation
    alone, together = images(1, 3, 64, 64), images(4, 3, 64, 64)
    backbone.eval()
    assert torch.allclose(backbone(torch.cat([alone, together]))[0][:1], backbone(alone)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["sfumato", EFFICIENTNET, "squeezenet1_0", "resnet18", "resnet50"])
def test_atrous_keeps_the_resolution_and_the_centre(name: BackboneName) -> None:
    torch.manual_seed(0)
    usual = build_backbone(name).eval()
    atrous = build_backbone(name, atrous=True).eval()
    atrous.load_state_dict(usual.state_dict())
    with torch.no_grad():
        coarse, fine = (backbone(images(1, 3, 128, 128)) for backbone in (usual, atrous))
    assert fine[-1].shape[2] == fine[-2].shape[2] == coarse[-2].shape[2]


def small(config: Any, **more: Any) -> Any:
    return replace(config, classes=3, resolution=64, crop=64, **more)


@pytest.mark.parametrize("size", [(64, 64), (50, 77), (31, 200)])
def test_every_pixel_of_any_picture_gets_a_class(size: tuple[int, int]) -> None:
    systems = (
        fcn.FCN(small(fcn.PRESETS["scenes"])),
        fcn.FCN(small(fcn.PRESETS["camvid"], skips=2)),
        unet.UNet(small(unet.PRESETS["plain"], width=4)),
        unet.UNet(small(unet.PRESETS["camvid"], width=4)),
        unet.UNet(small(unet.PRESETS["scenes"], backbone=EFFICIENTNET, width=4)),
        deeplab.DeepLab(small(deeplab.PRESETS["scenes"], width=8)),
        deeplab.DeepLab(small(deeplab.PRESETS["scenes"], backbone=EFFICIENTNET, width=8)),
        deeplab.DeepLab(small(deeplab.PRESETS["camvid"], width=8, fine=False)),
    )
    for system in systems:
        with torch.no_grad():
            assert system.eval()(images(1, 3, *size)).shape == (1, 3, *size)


def test_void_pixels_are_not_trained_on() -> None:
    logits, masks = images(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    masks[:, :2] = VOID
    expected = F.cross_entropy(logits[:, :, 2:], masks[:, 2:])
    assert torch.allclose(segmentation.pixel_loss(logits, masks), expected)
    assert segmentation.pixel_loss(logits, torch.full_like(masks, VOID)) == 0


def test_balanced_classes_weigh_alike() -> None:
    logits = images(1, 2, 1, 4)
    masks = torch.tensor([[[0, 0, 0, 1]]])
    each = F.cross_entropy(logits, masks, reduction="none")[0, 0]
    assert torch.allclose(segmentation.pixel_loss(logits, masks, 1.0), (each[:3].mean() + each[3]) / 2)


def test_a_mask_is_cut_and_scaled_with_its_picture() -> None:
    masks = torch.randint(0, 2, (4, 8, 8), generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 1)
    masks = masks.repeat_interleave(8, 2)
    config = small(fcn.PRESETS["scenes"], recoloured=False, smallest=0.3)
    torch.manual_seed(0)
    pictures, moved = segmentation.varied(masks[:, None].float().expand(-1, 3, -1, -1), masks, config)
    assert moved.shape == (4, 64, 64)
    assert ((pictures[:, 0] > 0.5) == moved.bool()).float().mean() > 0.95
    assert not torch.equal(moved, masks)


WANTED = Targets(torch.tensor([[0, 2, 0, 0, 1, 0, 0, 0, 0, 0]]), torch.ones(1, 10, 4) * torch.tensor([0, 1, 0, 0, 1, 0, 0, 0, 0, 0])[None, :, None])  # fmt: skip # noqa: E501


def test_hard_negatives_are_three_to_one_and_the_worst() -> None:
    logits = images(1, 10, 3) * 4
    entropy = F.cross_entropy(logits[0], WANTED.classes[0], reduction="none")
    negative = sorted((float(entropy[place]) for place in range(10) if not WANTED.classes[0, place]), reverse=True)
    expected = (entropy[[1, 4]].sum() + sum(negative[:6])) / 2
    naming, _ = ssd.anchor_losses(logits, torch.zeros(1, 10, 4), WANTED, "hard_negatives")
    assert torch.allclose(naming, expected)


def test_focal_loss_weighs_by_what_is_missing() -> None:
    logits = images(1, 10, 3) * 4
    chance = logits.softmax(-1)[0, torch.arange(10), WANTED.classes[0]]
    naming, moving = ssd.anchor_losses(logits, torch.zeros(1, 10, 4), WANTED, "focal")
    assert torch.allclose(naming, (-((1 - chance) ** 2) * chance.log()).sum() / 2)
    assert torch.allclose(moving, torch.tensor(4 * 0.5))  # smooth absolute error of four offsets of 1


def test_the_courses_loss_is_a_mean_over_all_anchors() -> None:
    logits = images(1, 10, 3)
    naming, moving = ssd.anchor_losses(logits, torch.zeros(1, 10, 4), WANTED, "mean")
    assert torch.allclose(naming, F.cross_entropy(logits[0], WANTED.classes[0]))
    assert moving == pytest.approx(2 / 10)
    error, mae = ssd.said_wrong(torch.tensor([[[1.0, 0, 0]]]).expand(1, 10, 3), torch.zeros(1, 10, 4), WANTED)
    assert (float(error), float(mae)) == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize(
    ("system", "least"),
    [
        (lambda: finetune.FineTuned(finetune.Config(network=EFFICIENTNET, classes=2, resolution=32)), 2),
        (lambda: finetune.FineTuned(finetune.Config(network=EFFICIENTNET, classes=2, resolution=33)), 2),
        (lambda: finetune.FineTuned(finetune.Config(classes=2, resolution=32)), 2),
        (lambda: finetune.FineTuned(finetune.Config(classes=2, resolution=32, standardised=False)), 1),
        (lambda: fcn.FCN(fcn.Config(backbone="resnet18", pretrained=False, classes=2, resolution=32, crop=32)), 2),
        (lambda: fcn.FCN(fcn.Config(backbone="resnet18", pretrained=False, classes=2, resolution=64, crop=64)), 1),
    ],
)
def test_the_least_batch_is_what_training_takes(system: Any, least: int) -> None:
    made = system()
    assert made.least_batch == least
    side = made.trained_side
    if least == 2:
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            made(torch.rand(1, 3, side, side))
    assert made(torch.rand(least, 3, side, side)).isfinite().all()


@pytest.mark.parametrize("loss", ["mean", "hard_negatives", "focal"])
def test_images_without_objects_train(loss: str) -> None:
    system = ssd.SSD(replace(ssd.PRESETS["scenes"], classes=2, resolution=64, batch_size=4, images=8, loss=loss))
    split = Split(InMemory(torch.zeros(8, 3, 64, 64, dtype=torch.uint8)), boxes=torch.full((8, 2, 5), -1.0))
    for tick in ticks(system, lambda _: Batches(split, 4, 0).at, Clock(), 0, Runtime(torch.device("cpu"), "fp32")):
        assert tick.scalars["naming"] > 0
        assert tick.scalars["moving"] == 0


@pytest.mark.parametrize("backbone", ["tiny", "sfumato", EFFICIENTNET, "squeezenet1_0", "resnet18"])
def test_tiny_ssd_has_five_maps_and_others_too(backbone: Any) -> None:
    system = ssd.SSD(ssd.Config(classes=2, resolution=256, backbone=backbone)).eval()
    with torch.no_grad():
        logits, offset, anchors = system(images(1, 3, 256, 256))
    assert logits.shape[:2] == offset.shape[:2] == (1, len(anchors))
    if backbone == "tiny":
        assert len(anchors) == 5444


def test_boxes_stay_inside_when_scenes_are_varied() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[[1, 0.2, 0.3, 0.7, 0.9], [0, 0.0, 0.0, 0.3, 0.2], [-1] * 5]]).repeat(16, 1, 1)
    changed, moved = ssd.varied(images(16, 3, 64, 64), boxes)
    assert changed.shape == (16, 3, 64, 64)
    known = moved[moved[..., 0] >= 0]
    assert len(known) >= 16
    assert (known[:, 1:] >= 0).all()
    assert (known[:, 1:] <= 1).all()
    assert (known[:, 3:] > known[:, 1:3]).all()


@pytest.mark.slow
def test_ssd_finds_a_square(runtime: Runtime) -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(4, 36, (64, 2), generator=generator)
    pictures = torch.full((64, 3, 64, 64), 60, dtype=torch.uint8)
    boxes = torch.zeros(64, 1, 5)
    for picture, row, (top, left) in zip(pictures, boxes, corners.tolist(), strict=True):
        picture[0, top : top + 20, left : left + 20] = 250
        row[0] = torch.tensor([0, left, top, left + 20, top + 20]) / torch.tensor([1, 64, 64, 64, 64])
    config = ssd.Config(classes=1, resolution=64, batch_size=16, images=4_000, augmented=False, flip=False)
    torch.manual_seed(0)
    system = ssd.SSD(config)
    split = Split(InMemory(pictures), boxes=boxes)
    for _ in ticks(system, lambda _: Batches(split, 16, 0).at, Clock(), 0, runtime):
        pass
    found = system.eval().find(pictures.float() / 255, 0.5)
    right = [len(item.boxes) > 0 and bool((item.boxes[0] - row[0, 1:]).abs().max() < 0.05) for item, row in zip(found, boxes, strict=True)]  # fmt: skip # noqa: E501
    assert sum(right) >= 60


def test_the_head_learns_faster_and_at_first_alone() -> None:
    system = finetune.FineTuned(replace(finetune.PRESETS["faces"], classes=2, frozen=0.5))
    rates = [group["lr"] for group in system.optimizers["network"].param_groups]
    assert rates[0] == pytest.approx(10 * rates[1])
    head = set(system.classifier.head.parameters())
    assert set(system.optimizers["head"].param_groups[0]["params"]) == head
    assert {id(part) for part in system.optimizers["network"].param_groups[0]["params"]} == {id(part) for part in head}


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "mobilenet_v3_small"])
def test_any_classifier_takes_weights_and_keeps_its_new_layer(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs = models.get_model(name)
    kept = {key: value for key, value in theirs.state_dict().items() if "num_batches" not in key}  # as older files
    torch.save(kept, tmp_path / "weights.pth")
    system = finetune.FineTuned(
        finetune.Config(network=name, classes=4, resolution=64, weights=str(tmp_path / "weights.pth"))
    )
    before = [part.clone() for part in system.classifier.head.parameters()]
    system.begin()
    state = theirs.state_dict()
    for key, value in system.classifier.network.state_dict().items():
        if not key.startswith(system.classifier.place) and "num_batches" not in key:
            assert torch.equal(value, state[key]), key
    assert all(torch.equal(*pair) for pair in zip(before, system.classifier.head.parameters(), strict=True))
    assert system.eval()(images(2, 3, 64, 64)).shape == (2, 4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    for system in (
        finetune.FineTuned(finetune.Config(classes=2, weights=str(tmp_path / "other.safetensors"))),
        fcn.FCN(fcn.Config(classes=2, weights=str(tmp_path / "other.safetensors"))),
    ):
        with pytest.raises(SfumatoError, match="not those of sfumato"):
            system.begin()


@pytest.mark.parametrize("smallest", [0.25, 1.0])
def test_what_is_trained_on_has_the_height_and_width_of_the_crop(smallest: float) -> None:
    config = fcn.Config(classes=2, resolution=64, crop=32, crop_width=48, smallest=smallest, recoloured=False)
    (stage,) = fcn.FCN(config).stages()
    assert stage.crop == (64 if smallest < 1 else (32, 48))
    shape = (64, 64) if smallest < 1 else (32, 48)
    cut, masks = segmentation.varied(images(2, 3, *shape), torch.zeros(2, *shape, dtype=torch.long), config)
    assert (cut.shape, masks.shape) == ((2, 3, 32, 48), (2, 32, 48))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: finetune.Config(network="resnet19"), "network 'resnet19'"),
        (lambda: finetune.Config(network="resnet18", rectified=True), "rectified: is for SqueezeNets"),
        (lambda: finetune.Config(network="googlenet"), "network 'googlenet'"),
        (lambda: finetune.Config(network="vit_b_16"), "reads images of 224 only"),
        (lambda: finetune.Config(resolution=16), "resolution 16"),
        (lambda: finetune.Config(frozen=2), "frozen 2"),
        (lambda: finetune.Config(smallest=0), "smallest 0"),
        (lambda: finetune.Config(weights="w", pretrained=False), "weights 'w'"),
        (lambda: fcn.Config(crop=200), "crop 200"),
        (lambda: fcn.Config(crop=200, crop_width=150), "crop 150: must be at most resolution 128"),
        (lambda: fcn.Config(crop_width=8), "crop_width 8: must be 0 or at least 32"),
        (lambda: fcn.Config(resolution=0), "resolution 0: .* --smallest 1"),
        (lambda: fcn.Config(resolution=5000), "resolution 5000"),
        (lambda: unet.Config(backbone="plain"), "no-pretrained"),
        (lambda: unet.Config(width=0), "width 0"),
        (lambda: unet.Config(balance=2), "balance 2"),
        (lambda: ssd.Config(pretrained=True), "no-pretrained"),
        (lambda: ssd.Config(threshold=1), "threshold 1"),
        (lambda: ssd.Config(resolution=32), "resolution 32"),
        (lambda: ssd.Config(learning_rate=float("nan")), "learning_rate nan"),
        (lambda: ssd.Config(momentum=1), "momentum 1"),
        (lambda: ssd.Config(classes=-1), "classes -1"),
        (lambda: deeplab.Config(rates=(0,)), "rates"),
    ],
)
def test_bad_values_are_refused_by_name(build: Any, words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        build()
