"""Pictures in the style of others: at once, by optimisation, and in clips."""
