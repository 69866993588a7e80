"""Style transfer: one file per system; network.py is what they share, tiles.py any size."""

SYSTEMS = {
    "encoder": ("DistilledEncoder", ("photographs", "paintings")),
    "adain": ("AdaIN", ("photographs", "paintings")),
    "brush": ("BrushSystem", ("photographs", "paintings")),
}
