"""What people type to make, write, combine and judge models: train, export, merge, evaluate."""
