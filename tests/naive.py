"""Slow, obvious twins of the kernels: the same random numbers, plain Python, float64, no common code."""

import math

import numpy as np

POSITIONS, SHARED, GROUP, TILE = 128, 32, 8, 4
_MASK = (1 << 64) - 1


class SplitMix:
    """splitmix64 (Steele et al. 2014) over the caller's state."""

    def __init__(self, state):
        self.state = int(state)

    @staticmethod
    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        return self.mix(self.state)

    def below(self, n):
        return ((self.next() >> 32) * n) >> 32


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def draw(noise, rng):
    bits = rng.next()
    word = ((bits >> 32) * len(noise)) >> 32
    threshold, alias = int(noise[word]) >> 32, int(noise[word]) & 0xFFFFFFFF
    return word if (bits & 0xFFFFFFFF) <= threshold else alias


def subsample(tokens, keep, rng):
    return [int(t) for t in tokens if t < 0 or (rng.next() >> 32) <= int(keep[t])]


def window(kept, i, reach):
    """The words left and right of position `i` in its sentence, nearest first, at most `reach` of each."""
    sides = []
    for direction in (-1, 1):
        words = []
        j = i + direction
        while 0 <= j < len(kept) and kept[j] >= 0 and len(words) < reach:
            words.append(kept[j])
            j += direction
        sides.append(words)
    return sides


def in_order(group):
    """The true pairs (position in the group, word): first those with one word from either side, then the rest."""
    couples, singles = [], []
    for p, (_, left, right) in enumerate(group):
        for a, b in zip(left, right, strict=False):
            (singles if a == b else couples).extend([(p, a), (p, b)])
        both = min(len(left), len(right))
        singles += [(p, word) for word in left[both:] + right[both:]]
    return couples + singles


def next_group(kept, at, params, rng):
    """Up to `GROUP` positions with neighbours from `at` on: (where they end, [(word, left, right)])."""
    group = []
    while at < len(kept) and len(group) < GROUP:
        if kept[at] >= 0:
            left, right = window(kept, at, 1 + rng.below(params.window))
            if left or right:
                group.append((kept[at], left, right))
        at += 1
    return at, group


def cbow_train(*arguments):
    """`kernels.cbow_train` in float64; returns (pairs, loss) of each chunk."""
    return train(*arguments, train_bags, count_bags)


def sgns_train(*arguments):
    """`kernels.sgns_train` in float64; returns (pairs, loss) of each chunk."""
    return train(*arguments, train_group, count_pairs)


def train(tokens, syn0, syn1neg, updates, keep, noise, params, rng, train_group, count):  # noqa: PLR0917
    """The scheme of both: noise words for a chunk, one step for a group."""
    kept = subsample(tokens, keep, rng)
    at, chunks = 0, []
    while at < len(kept):
        words = [draw(noise, rng) for _ in range(SHARED)]
        before = syn1neg[words]
        rows = before.copy()
        pairs = positions = 0
        loss = 0.0
        while at < len(kept) and positions < POSITIONS:
            at, group = next_group(kept, at, params, rng)
            loss += train_group(group, syn0, syn1neg, rows, params)
            positions += len(group)
            pairs += sum(count(word, left + right, updates, len(syn0)) for word, left, right in group)
        for k, word in enumerate(words):
            syn1neg[word] += rows[k] - before[k]
            updates[len(syn0) + word] += math.floor(pairs * params.negative / SHARED + 0.5)
        chunks.append((pairs, loss))
    return chunks


def count_pairs(word, context, updates, outputs):
    """Skip-gram: the word is the input of a pair with each word of its context."""
    updates[word] += len(context)
    np.add.at(updates, outputs + np.array(context), 1)
    return len(context)


def count_bags(word, context, updates, outputs):
    """CBOW: one pair, whose inputs are all words of the context."""
    np.add.at(updates, np.array(context), 1)
    updates[outputs + word] += 1
    return 1


def train_group(group, syn0, syn1neg, rows, params):
    """Skip-gram: one gradient step of all pairs of a group, scores by the old rows; returns the loss."""
    x = [syn0[word] for word, _, _ in group]
    pairs = [len(left + right) for _, left, right in group]
    step, loss = descend(x, in_order(group), pairs, syn1neg, rows, params)
    for p, (word, _, _) in enumerate(group):
        syn0[word] += step[p]
    return loss


def train_bags(group, syn0, syn1neg, rows, params):
    """CBOW: the same for pairs of a mean and the word; all rows of the mean move by its whole gradient."""
    x = [syn0[left + right].mean(axis=0) for _, left, right in group]
    true = [(p, word) for p, (word, _, _) in enumerate(group)]
    step, loss = descend(x, true, [1] * len(group), syn1neg, rows, params)
    for p, (_, left, right) in enumerate(group):
        for word in left + right:
            syn0[word] += step[p]
    return loss


def descend(x, true, pairs, syn1neg, rows, params):
    """Move the output rows of `true` pairs (input, word) and noise `rows`: (gradients of the inputs, loss)."""
    if not pairs:
        return [], 0.0
    x = np.array(x)
    step = np.zeros_like(x)
    scores = [x[p] @ syn1neg[word] for p, word in true]
    loss = sum(softplus(-score) for score in scores)
    for (p, word), score in zip(true, scores, strict=True):
        gain = params.alpha * (1.0 - sigmoid(score))
        step[p] += gain * syn1neg[word]
        syn1neg[word] += gain * x[p]
    for k in range(SHARED):
        scores = x @ rows[k]
        for p in range(len(x)):
            weight = params.negative * pairs[p] / SHARED
            loss += weight * softplus(scores[p])
            gain = -params.alpha * weight * sigmoid(scores[p])
            if p % TILE == 0:
                row = rows[k].copy()  # the step of a tile is by the row before the tile
            step[p] += gain * row
            rows[k] += gain * x[p]
    return step, loss


def init_rows(word_hashes, seed, out):
    """`kernels.init_rows`, one value at a time."""
    key = SplitMix(seed & _MASK).next()
    for w, word_hash in enumerate(word_hashes):
        base = SplitMix.mix(int(word_hash) ^ key)
        for d in range(out.shape[1]):
            bits = SplitMix.mix((base + (d + 1) * 0x9E3779B97F4A7C15) & _MASK) >> 39
            out[w, d] = np.float32((bits | 1) - 2**24) * np.float32(1 / (2**25 * out.shape[1]))
