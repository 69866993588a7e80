"""Autoencoders: one file per system."""
