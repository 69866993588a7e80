"""The adversarial study: why the game is hard to play, nine ways to play it on digits, and one on faces.

It follows the course chapter: divergences and their gradients, the optimal discriminator, saturation, modes lost and kept;
then GAN, NSGAN (without R1 and with it), LSGAN, WGAN, WGAN-GP, SNGAN, CGAN and DCGAN on digits at the same number of real
images, and a DCGAN on 64×64 pictures. All generators are averaged. `quick` draws 80,000 digits per run. Published numbers
are FIDs, by an Inception network, after long searches for hyperparameters; ours are distances by a digit classifier: the
report names both and compares neither.
"""
