"""Autoencoders: one file per system; autoencoder.py is what they share."""

SYSTEMS = {
    "stacked": ("StackedAutoencoder", ("digits",)),
    "denoising": ("DenoisingAutoencoder", ("digits",)),
    "vae": ("VariationalAutoencoder", ("digits",)),
    "convolutional": ("ConvolutionalAutoencoder", ("digits",)),
}
