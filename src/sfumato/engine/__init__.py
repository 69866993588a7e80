"""Training without hooks: a system's step, a clock in images, a loop that yields ticks, checkpoints that survive."""
