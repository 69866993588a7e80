"""The restyle study: an AdaIN network trained from two sets of pictures, used in every way, and held against Gatys.

It follows the course experiment (train AdaIN, watch it learn, restyle your own photographs, set the strength) and the
comparison of Huang and Belongie 2017, section 7.1: how many steps of optimisation is one pass through the network worth?
`quick` trains for some three hundred steps; pictures that show what a trained network does are then made by the one that
comes with the package, and every caption says which it was. Published seconds are of a graphics card and of another
network: they stand beside the measured ones and are never held against them.
"""
