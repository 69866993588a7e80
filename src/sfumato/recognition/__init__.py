"""Recognition: a file per system; recognizer.py is what all share, segmentation.py what the namers of pixels share."""

SYSTEMS = {
    "finetune": ("FineTuned", ("faces",)),
    "ssd": ("SSD", ("scenes",)),
    "fcn": ("FCN", ("scenes",)),
    "unet": ("UNet", ("scenes",)),
    "deeplab": ("DeepLab", ("scenes",)),
}
