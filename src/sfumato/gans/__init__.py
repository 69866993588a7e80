"""Generative adversarial networks: one file per system; game.py is what they share."""

SYSTEMS = {
    "gan": ("GAN", ("digits",)),
    "wgan": ("WGAN", ("digits",)),
    "wgan_gp": ("WGANGP", ("digits",)),
    "sngan": ("SNGAN", ("digits",)),
    "cgan": ("CGAN", ("digits",)),
    "dcgan": ("DCGAN", ("patches",)),
    "progan": ("ProGAN", ("patches",)),
    "stylegan": ("StyleGAN", ("patches",)),
    "stylegan2": ("StyleGAN2", ("patches",)),
}
