"""What vectors are worth: scores on test sets of pairs, analogies, categories, sequences and labels.

`layouts` and `tables` read the files, `embedding` finds words in a model, each kind of test set has a module that
scores it, `report` shows what came of it, and `probe` scores a model while it is trained.
"""
