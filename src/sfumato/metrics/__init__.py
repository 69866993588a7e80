"""Numbers about images and codes, each beside a trivial baseline."""
