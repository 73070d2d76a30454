"""An interpolated n-gram model over token ids: the baseline that a network has to beat.

P_k(w | c) = max(n(c w) - D, 0) / n(c) + D distinct(c) / n(c) P_{k-1}(w | c without its first token),
down to the uniform distribution: absolute discounting (Ney, Essen, Kneser 1994) with plain counts.
"""
import numpy as np

BITS = 12  # a token id; five of them fit a 64-bit key
DISCOUNT = 0.75


class Ngram:
    def __init__(self, tokens, order=5):
        """tokens: ids below 4,096 in one stream."""
        self.order, self.size = order, 1 << BITS
        keys = np.zeros(len(tokens), np.uint64)
        self.tables = []
        for k in range(1, order + 1):  # key of the k tokens that end at each place
            keys = (keys[:-1] << np.uint64(BITS) | tokens[k - 1:]) if k > 1 else tokens.astype(np.uint64)
            values, counts = np.unique(keys, return_counts=True)
            self.tables.append((values, counts.astype(np.uint32)))

    def distribution(self, context):
        """P [V] after a list of ids."""
        p = np.full(self.size, 1 / self.size)
        for k, (values, counts) in enumerate(self.tables, 1):
            if len(context) < k - 1:
                break
            key = 0
            for token in context[len(context) - k + 1:]:
                key = key << BITS | token
            low, high = np.searchsorted(values, np.array([key << BITS, (key + 1) << BITS], np.uint64))
            if low == high:
                break
            n = counts[low:high].astype(np.float64)
            p *= DISCOUNT * len(n) / n.sum()
            p[(values[low:high] & np.uint64(self.size - 1)).astype(np.int64)] += (n - DISCOUNT) / n.sum()
        return p
