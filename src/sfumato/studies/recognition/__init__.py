"""The recognition study: take what a network has learnt, and make it name pictures, box objects and colour in pixels.

It follows the course chapters: fine-tuning against training from scratch; anchors, SSD; transposed convolution, FCN, and
beside it U-Net and DeepLab. Three data sets: pictures with names, with boxes, with masks. With `features`, ImageNet
weights of SqueezeNet, the pretrained networks are SqueezeNets, else the encoder that comes with the package. Published
numbers are on other data (hot dogs, bananas, VOC), some of them on training images: they stand beside ours and are never
held against them.
"""
