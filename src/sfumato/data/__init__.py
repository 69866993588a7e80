"""Images from anywhere to deterministic batches."""
