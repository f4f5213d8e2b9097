"""Which words are joined, as `new york` becomes new_york: neighbours counted by every node, scored once, joined by all.

`counting` finds how often words stand next to each other, `grams` holds and adds that up, `scoring` says which are
phrases, `joining` joins them in a text. All of it works on numbers; `text/vocab` knows the words and their blobs.
"""
