"""What a program needs of its machine: whole files, locks, cores, logs and counters."""
