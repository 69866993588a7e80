"""Style transfer: one file per system; transfer.py is what they share."""
