"""What r1-finetune reads of one plain text with --no-packing, and in which order: written from its description."""
import math

MASK = (1 << 32) - 1


def random_bits(seed, stream, index):
    """Philox-4x32-10 (Salmon et al. 2011): 64 bits of a counter (stream, index) under a key."""
    c = [index & MASK, index >> 32, stream & MASK, stream >> 32]
    key = [seed & MASK, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ key[0], q & MASK, (p >> 32) ^ c[3] ^ key[1], p & MASK]
        key = [(key[0] + 0x9E3779B9) & MASK, (key[1] + 0xBB67AE85) & MASK]
    return c[1] << 32 | c[0]


def permuted(place, count, seed, epoch):
    """Where place `place` of an epoch looks: a Feistel network of four rounds, walked until it is below count."""
    half = ((count - 1).bit_length() + 1) // 2
    mask, at = (1 << half) - 1, place
    while True:
        left, right = at >> half, at & mask
        for turn in range(4):
            left, right = right, left ^ (random_bits(seed, epoch, turn << 32 | right) & mask)
        at = left << half | right
        if at < count:
            return at


def pieces(ids, bos, eos, length):
    """A text of tokens as samples of at most `length`: BOS before each, EOS behind the last."""
    ids = ids + [eos]
    return [[bos, *ids[at:at + length - 1]] for at in range(0, len(ids) - 1, length - 1)]


def steps(samples, batch, count, seed=0):
    """Yields the samples of each of `count` steps."""
    for step in range(count):
        numbers = range(step * batch, (step + 1) * batch)
        yield [samples[permuted(n % len(samples), len(samples), seed, n // len(samples))] for n in numbers]


def rate_share(step, count, warmup=0.03, least=0.0):
    """The cosine schedule's share of the peak, step from 1."""
    rising = math.ceil(warmup * count)
    if step - 1 < rising:
        return step / rising
    gone = min(1, (step - 1 - rising) / max(1, count - rising))
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * gone))


class Packer:
    """Samples in sequences of up to `length` rows: in an epoch's order each goes to the first sequence of its window of
    1,024 samples that has room."""

    WINDOW = 1024

    def __init__(self, samples, length, seed):
        self.samples, self.length, self.seed, self.epochs = samples, length, seed, []

    def epoch(self, number):
        packs, room, first = [], [], 0
        for place in range(len(self.samples)):
            if place % self.WINDOW == 0:
                first, room = len(packs), []
            sample = self.samples[permuted(place, len(self.samples), self.seed, number)]
            rows = len(sample) - 1
            fit = next((i for i, left in enumerate(room) if left >= rows), None)
            if fit is None:
                packs.append([sample])
                room.append(self.length - rows)
            else:
                packs[first + fit].append(sample)
                room[fit] -= rows
        return packs

    def pack(self, number):
        """The samples of a sequence; sequences of all epochs are numbered on."""
        for n in range(number + 1):
            if n == len(self.epochs):
                self.epochs.append(self.epoch(n))
            if number < len(self.epochs[n]):
                return self.epochs[n][number]
            number -= len(self.epochs[n])


def rows_of(samples):
    """ids, target (-1: none), position, document of a sequence."""
    ids, target, position, document = [], [], [], []
    for number, sample in enumerate(samples):
        ids += sample[:-1]
        target += sample[1:]
        position += range(len(sample) - 1)
        document += [number] * (len(sample) - 1)
    return ids, target, position, document
