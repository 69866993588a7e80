"""Generative adversarial networks: one file per system; adversarial.py is what they share."""
