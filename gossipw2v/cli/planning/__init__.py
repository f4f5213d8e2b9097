"""What a training will cost before it begins: memory, disk, traffic and time, of one machine and of many.

Pure functions of a task and a fleet; what they cannot derive is measured, and `rates` says where.
"""
