"""Speed, measured from the repository: our step beside the textbook step, interleaved in one process."""
