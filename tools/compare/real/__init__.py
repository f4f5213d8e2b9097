"""Baselines and the product as processes of their own, each on a host of its own with one cable that can be narrow."""
