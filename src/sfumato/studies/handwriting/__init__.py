"""Autoencoders with a plane of codes, on handwritten digits."""
