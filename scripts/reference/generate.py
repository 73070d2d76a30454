"""Greedy text from an r1 model in PyTorch, with a cache of keys, values and decay."""
import torch

import r1_model


class Cache:
    """Attention over everything read so far: an `attend` for R1.forward.

    Layers come in order, so a counter tells whose turn it is. The gate of DAW is summed from 0 in every call;
    the last A of the cache carries the sum on. One row (B = 1), one document.
    """

    def __init__(self, layers):
        self.rows, self.turn, self.length = [None] * layers, 0, 0

    def __call__(self, q, k, v, A, document):
        """q [1, H, T, hd];  k, v [1, K, T, hd];  A [1, T, K] or None."""
        if A is None:
            A = torch.zeros(1, k.shape[2], k.shape[1])
        old = self.rows[self.turn]
        if old is not None:
            k, v = torch.cat([old[0], k], 2), torch.cat([old[1], v], 2)
            A = torch.cat([old[2], A + old[2][:, -1:]], 1)
        self.rows[self.turn] = k, v, A
        self.turn = (self.turn + 1) % len(self.rows)
        T, S, group = q.shape[2], k.shape[2], q.shape[1] // k.shape[1]
        self.length = S
        a = A.transpose(1, 2).repeat_interleave(group, 1)               # [1, H, S]
        z = q @ k.repeat_interleave(group, 1).transpose(-1, -2) / q.shape[-1] ** 0.5
        z = z + a[..., S - T:, None] - a[..., None, :]
        later = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
        return torch.softmax(z.masked_fill(later, float("-inf")), -1) @ v.repeat_interleave(group, 1)


class Reader:
    """A model part-way through a text: `read` takes ids and gives the logits [V] after the last one."""

    def __init__(self, model, newline):
        self.model, self.newline = model, newline
        self.cache = Cache(model.config.layers)

    @torch.no_grad()
    def read(self, ids):
        row = torch.tensor([ids])
        positions = torch.arange(self.cache.length, self.cache.length + len(ids))[None]
        hidden = self.model(row, self.newline[row], None, positions, self.cache)
        return self.model.logits(hidden[0, -1])


def greedy(model, newline, prompt, count, clear=0.0):
    """The `count` ids that follow a prompt; fewer when a best logit is less than `clear` ahead of the second."""
    reader, ids, feed = Reader(model, newline), [], prompt
    while len(ids) < count:
        best = reader.read(feed).topk(2)
        if best.values[0] - best.values[1] < clear:
            break
        ids.append(int(best.indices[0]))
        feed = ids[-1:]
    return ids


def load(config_path, state):
    """A model in f32 from its config.json and tensors."""
    model = r1_model.R1(r1_model.Config.from_json(config_path)).eval()
    model.load_state_dict(state)
    return model
