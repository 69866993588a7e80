"""Weights that were trained before: where they are known from, how they are read, and those that are shipped."""
