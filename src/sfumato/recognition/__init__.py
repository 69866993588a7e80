"""Recognition: a file per system; recognizer.py is what all share, segmentation.py what the namers of pixels share."""
