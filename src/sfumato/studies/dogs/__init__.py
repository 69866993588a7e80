"""The dogs study: what the code of a photograph is, and whether an autoencoder generates.

It follows the course experiment on 64×64 dogs: a convolutional autoencoder with a 16×8×8 code, one with noise on codes
of power 1 at three strengths, one with a 16×16×16 code; a Gaussian fitted to 256 codes, drawn from, blended with real
codes, perturbed. To that it adds what the text left open: held-out images, linear codes of the same size, the nearest
real code, a measure of generation, and a network of ours for the same code.
`quick` draws a few thousand images per run. Published numbers are on another set of dogs and on its training images:
they stand beside the measured ones and are never held against them.
"""
