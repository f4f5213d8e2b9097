"""Looks at the bytes of a text: `eights` takes eight of them at a time."""
