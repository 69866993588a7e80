"""What a run is on disk, and the one function that makes one."""
