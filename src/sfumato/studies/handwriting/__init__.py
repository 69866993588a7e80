"""The handwriting study: a deep autoencoder learns digits, is denoised, explored and measured.

It follows the course experiment on MNIST: 784-512-128-64-10-2 and its mirror, LeakyReLU(0.02), sigmoid output, binary
cross-entropy, batch 256, Adam 1e-3, ReduceLROnPlateau(factor 0.1, patience 5), 100 epochs (denoising: 120).
`full` is that experiment; `quick` draws fewer images and, on the embedded digits, takes smaller batches.
Published numbers are on MNIST: they are held against measured ones only for a full run on MNIST.
"""
