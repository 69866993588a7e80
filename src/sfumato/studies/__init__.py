"""The reference experiments: each runs several systems and writes one report of published vs. measured."""
