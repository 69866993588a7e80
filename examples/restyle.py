"""Three bundled photographs in four styles that a program draws: the picture of the README.

Run it in an empty folder: it writes `stylize.jpg`.
"""

from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

import sfumato
from sfumato.data.paintings import painting

SIDE, GAP = 256, 4
photographs = [data.chelsea(), data.coffee(), load_sample_image("china.jpg")]
styles = [painting(manner, seed) for manner, seed in (("strokes", 2), ("glass", 0), ("points", 2), ("blocks", 3))]

sheet = Image.new("RGB", ((SIDE + GAP) * (len(styles) + 1) - GAP, (SIDE + GAP) * (len(photographs) + 1) - GAP), "white")
for column, style in enumerate(styles, 1):
    sheet.paste(style, ((SIDE + GAP) * column, 0))
for row, pixels in enumerate(photographs, 1):
    photograph = Image.fromarray(pixels)
    for column, style in enumerate([None, *styles]):
        picture = photograph if style is None else sfumato.stylize(photograph, style)
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(square, ((SIDE + GAP) * column, (SIDE + GAP) * row))
sheet.save("stylize.jpg", quality=90)
