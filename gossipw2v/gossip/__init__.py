"""Deltas go round: a core that is told what happened and says what to do.

It knows no word, no socket and no clock. `core` is its door; members, overlay and census are parts of it.
"""
