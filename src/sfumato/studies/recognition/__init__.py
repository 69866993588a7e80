"""Names, boxes, pixels: what a trained network can be made to read."""
