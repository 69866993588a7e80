"""Your own pictures: a folder with one sub-folder per class, whatever the files are like.

Run it in an empty folder. It first makes a small such folder out of scikit-image's bundled photographs, with a grey
picture, a transparent one and a broken file among them.
"""

from pathlib import Path

from PIL import Image
from skimage import data

import sfumato

root = Path("pictures")
for name, photograph in {"cat": data.chelsea(), "coffee": data.coffee()}.items():
    (root / name).mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(photograph)
    for index in range(40):
        left, top = 4 * index, 3 * index
        picture.crop((left, top, left + 128, top + 128)).save(root / name / f"{index}.jpg")
Image.fromarray(data.camera()).save(root / "cat" / "grey.png")
Image.fromarray(data.chelsea()).convert("RGBA").save(root / "cat" / "transparent.png")
(root / "coffee" / "broken.jpg").write_bytes(b"\xff\xd8 this is no picture")

run = sfumato.train(
    "convolutional:better", data="pictures", run="pictures-run", resolution=32, batch_size=16, images=2_000
)
print(f"{len(run.data.train)} training and {len(run.data.test)} test pictures, classes {run.data.classes}")
for item in run.data.left_out:
    print(f"left out: {item.file}: {item.reason}")
print(run.evaluation.values())
