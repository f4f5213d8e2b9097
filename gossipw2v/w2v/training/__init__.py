"""The model and what trains, guards and judges it: threads, place in the text, curvature, clipping, losses."""
