"""Slow, obvious twins of the kernels: the same random numbers, plain Python, float64, no common code."""

import math

import numpy as np

TILE = 4
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


def reach(params, rng):
    return params.least + rng.below(params.window - params.least + 1)


def sgns_train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, rng):  # noqa: PLR0917
    """`kernels.sgns_train` in float64; returns (pairs, loss) of each position."""
    kept = subsample(tokens, keep, rng)
    sets = Sets(noise, plan, params, syn1neg, updates, rng)
    trained = []
    for at, center in enumerate(kept):
        if center < 0:
            continue
        left, right = window(kept, at, reach(params, rng))
        inputs, loss = left[::-1] + right, 0.0
        while inputs:
            drawn = sets.next()
            block = []
            while inputs and len(block) < plan.block and inputs[0] not in block:
                block.append(inputs.pop(0))
            rows = [(center, [center] * len(block)), *((word, None) for word in drawn)]
            x = syn0[block]
            loss += descend(x, rows, [center] * len(block), syn1neg, params, sets)
            syn0[block] = x
            np.add.at(updates, block, 1)
            sets.serve([center] * len(block))
        updates[len(syn0) + center] += len(left + right)
        if left or right:
            trained.append((len(left + right), loss))
    sets.close()
    return trained


def cbow_train(tokens, syn0, syn1neg, updates, keep, noise, params, plan, rng):  # noqa: PLR0917
    """`kernels.cbow_train` in float64; returns (pairs, loss) of each group."""
    positions = windows(subsample(tokens, keep, rng), params, rng)
    sets = Sets(noise, plan, params, syn1neg, updates, rng)
    trained = []
    while positions:
        group = first_group(positions, plan.group)
        positions = positions[len(group) :]
        drawn = sets.next()
        words = [word for word, _ in group]
        before = np.array([syn0[context].mean(axis=0) for _, context in group])
        x = before.copy()
        rows = [(word, words) for word in words] + [(None, None)] * (TILE - len(group))
        rows += [(word, None) for word in drawn]
        loss = descend(x, rows, words, syn1neg, params, sets)
        for change, (word, context) in zip(x - before, group, strict=True):
            for other in context:
                syn0[other] += change
                updates[other] += 1
            updates[len(syn0) + word] += 1
        sets.serve(words)
        trained.append((len(group), loss))
    sets.close()
    return trained


def windows(kept, params, rng):
    """All positions that have neighbours: [(word, the other words of its window)]."""
    found = []
    for at, word in enumerate(kept):
        if word >= 0 and any(window(kept, at, 1)):
            left, right = window(kept, at, reach(params, rng))
            found.append((word, left[::-1] + right))
    return found


def first_group(positions, most):
    """The first of them, up to `most` and up to a word that is among them."""
    group = []
    for word, context in positions[:most]:
        if word in [other for other, _ in group]:
            break
        group.append((word, context))
    return group


class Sets:
    """Noise words that serve some pairs, and what they stand for; the next ones are drawn when a set is taken up."""

    def __init__(self, noise, plan, params, syn1neg, updates, rng):
        self.noise, self.plan, self.params, self.rng = noise, plan, params, rng
        self.outputs = updates[len(syn1neg) :]
        self.now, self.coming = self._draw(), self._draw()
        self.served, self.missed = 0, {}

    def _draw(self):
        return [draw(self.noise, self.rng) for _ in range(self.plan.noise)]

    def next(self):
        """The different words of the set that the next pairs have."""
        if self.served >= self.plan.serves:
            self.close()
            self.now, self.coming = self.coming, self._draw()
            self.served, self.missed = 0, {}
        return list(dict.fromkeys(self.now))

    def serve(self, centers):
        self.served += len(centers)
        for center in centers:
            self.missed[center] = self.missed.get(center, 0) + 1

    def weight(self, word):
        """How many of word2vec's draws a pair with this word stands for."""
        return self.params.negative * self.now.count(word) / self.plan.noise

    def close(self):
        for word in dict.fromkeys(self.now):
            pairs = self.served - self.missed.get(word, 0)
            self.outputs[word] += math.floor(pairs * self.weight(word) + 0.5)


def descend(x, rows, centers, syn1neg, params, sets):
    """Move the inputs `x`, whose true words are `centers`, and the output rows, four at a time; returns the old loss.

    A row is (word, the true words of the inputs), or (word, None) for noise. Scores are those before the four; the
    second four inputs meet the rows as the first four have moved them.
    """
    loss = 0.0
    for k in range(0, len(rows), TILE):
        four, old = rows[k : k + TILE], x.copy()
        scores = [None if word is None else old @ syn1neg[word] for word, _ in four]
        for half in range(0, len(x), TILE):
            before = [None if word is None else syn1neg[word].copy() for word, _ in four]
            for (word, true), score, row in zip(four, scores, before, strict=True):
                for p in range(half, min(half + TILE, len(x))):
                    gain, more = pair_step(word, true is not None, centers[p], score, p, params, sets)
                    loss += more
                    if gain:
                        x[p] += gain * row
                        syn1neg[word] += gain * old[p]
    return loss


def pair_step(word, may_be_true, center, scores, p, params, sets):  # noqa: PLR0917
    """The step of a pair and its loss: 0 for others' true words, and for noise that is the pair's own."""
    if word is None or (word == center) != may_be_true:
        return 0.0, 0.0
    if may_be_true:
        return params.alpha * (1.0 - sigmoid(scores[p])), softplus(-scores[p])
    weight = sets.weight(word)
    return -params.alpha * weight * sigmoid(scores[p]), weight * softplus(scores[p])


def init_rows(word_hashes, seed, out):
    """`kernels.init_rows`, one value at a time."""
    key = SplitMix(seed & _MASK).next()
    for w, word_hash in enumerate(word_hashes):
        base = SplitMix.mix(int(word_hash) ^ key)
        for d in range(out.shape[1]):
            bits = SplitMix.mix((base + (d + 1) * 0x9E3779B97F4A7C15) & _MASK) >> 39
            out[w, d] = np.float32((bits | 1) - 2**24) * np.float32(1 / (2**24 * out.shape[1]))
