"""Teach a network two names, and ask it about another picture.

Run it in an empty folder: it makes `faces-run/` and a picture there. The network has seen 75 faces and 75 pieces of
photographs without one, all grey and small: of pictures unlike those it says anything.
"""

from PIL import Image
from skimage import data

import sfumato

run = sfumato.train("finetune", data="faces", run="faces-run", images=1_500)
for row in run.evaluation.rows:
    if row.key == "accuracy":
        print(f"{run.evaluation.called(row.of):<16}{row.value:.1%}, between {row.low:.1%} and {row.high:.1%}")

face = Image.fromarray(data.astronaut()).convert("L").crop((175, 60, 275, 160))
face.resize((25, 25)).save("face.png")
found = run.predict("face.png")
print(found.words)
found.drawn.save("answer.png")
