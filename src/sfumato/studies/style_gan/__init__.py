"""The StyleGAN study: what growing, styles and demodulation do, each beside the same network without it.

It follows the second half of the course chapter. ProGAN, StyleGAN and StyleGAN2 on digits at 32×32 (or on any pictures at
64×64), and beside them: a StyleGAN that does not grow, a StyleGAN2 that is regularised in every step, one without path
lengths, and other architectures of the paper's table 2. Growing is compared at equal time, all else at equal images.
Published numbers are of FFHQ at 1024×1024 after days on eight GPUs, by other networks: the report names them and compares
none.
"""
