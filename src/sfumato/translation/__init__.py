"""Translation between two kinds of pictures without pairs: one file per system; translator.py is what they share."""

SYSTEMS = {
    "cyclegan": ("CycleGAN", ("photographs", "paintings")),
    "discogan": ("DiscoGAN", ("photographs", "paintings")),
    "dualgan": ("DualGAN", ("photographs", "paintings")),
}
