"""Whole swarms in one process on a virtual clock and network, with faults and judges.

A guest: nothing that runs in production imports it.
"""
