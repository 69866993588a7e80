"""Weights as others name them, under the names of our networks: a file for each of these others."""
