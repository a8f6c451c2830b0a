"""What is: the memory of this machine and of its accelerators, read at intervals."""
