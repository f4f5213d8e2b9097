"""Sockets, TLS and discovery: frames of the gossip core go from machine to machine.

Nothing here knows a row or a word.
"""
