"""Helpers of the tests: real daemons, disks and peers, samples of messages, and slow twins of the kernels."""
