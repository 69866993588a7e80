"""The embedded faces: 100 faces of 25×25 and as many pieces of photographs without one, as scikit-image ships them.

They are grey, cut from Labelled Faces in the Wild (Huang et al. 2007), and stand in where there are no photographs of
things with names; every report on them says so.
"""

import numpy as np
import torch

from .bundled import bundled
from .dataset import ImageData, InMemory, Split, fingerprint

EACH = 100  # faces come first
EVERY = 4  # of four pictures one is tested on
CLASSES = ("face", "no face")
NOTICE = (
    "These are 200 pictures of 25×25 that scikit-image ships, faces and pieces without one: numbers measured on them "
    "cannot be compared with published ones."
)
NOTICE_ZH = "这里用的是 scikit-image 自带的 200 张 25×25 小图（人脸与非人脸）：其数值不能与发表值相比较。"


def read_faces() -> ImageData:
    """150 training and 50 test pictures, uint8 (n, 1, 25, 25); always the same split."""
    greys = np.load(bundled("skimage", "data/lfw_subset.npy"), allow_pickle=False)
    images = torch.from_numpy(greys).float().mul(255).round().to(torch.uint8)[:, None]
    labels = (torch.arange(len(images)) >= EACH).long()
    is_test = torch.arange(len(images)) % EVERY == 0
    train, test = (Split(InMemory(images[part]), labels[part]) for part in (~is_test, is_test))
    return ImageData("faces", train, test, CLASSES, fingerprint(images, labels), NOTICE, notice_zh=NOTICE_ZH)
