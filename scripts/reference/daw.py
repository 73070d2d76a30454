"""Dynamic attention weighting (DAW-1) in PyTorch: the definition that the C++ kernels are held to.

The forget gate is that of the Forgetting Transformer (arXiv:2503.02130). Letters: B rows, T positions,
H heads, K key-value heads, hd head width. All functions work in the dtype of their inputs.
"""
import torch
import torch.nn.functional as F


def decay(a, b, l, newline, document):
    """A [B, T, K], the running sum of log forget gates, starting again with each document.

    a [B, T, K] = w x;  b, l [K] (l None: no newline term);  newline [B, T] 0 or 1;  document [B, T]
    numbers that never fall along T.
    """
    u = a + b
    if l is not None:
        u = u - 8 * F.softplus(l - 4) * newline[..., None].to(a.dtype)
    log_gate = F.logsigmoid(u)
    total = torch.cumsum(log_gate, 1)
    first = torch.ones_like(document, dtype=torch.bool)
    first[:, 1:] = document[:, 1:] != document[:, :-1]
    before = torch.where(first[..., None], total - log_gate, torch.full_like(total, float("inf")))
    return total - torch.cummin(before, 1).values  # `total - log_gate` falls: the last start is the least


def gain(a, b):
    """g [B, T, K] = 2 sigmoid(w' x + b'), which scales the query rows."""
    return 2 * torch.sigmoid(a + b)


def attention(q, k, v, A, document):
    """softmax(q k / sqrt(hd) + A_i - A_j) v inside each document.

    q [B, H, T, hd];  k, v [B, K, T, hd];  A [B, T, K] or None;  document [B, T].
    """
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    z = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if A is not None:
        a = A.transpose(1, 2).repeat_interleave(group, 1)
        z = z + (a[..., :, None] - a[..., None, :])
    T = q.shape[2]
    seen = torch.ones(T, T, dtype=torch.bool, device=q.device).tril()
    seen = seen & (document[:, :, None] == document[:, None, :])
    return torch.softmax(z.masked_fill(~seen[:, None], float("-inf")), -1) @ v


def fast_attention(q, k, v, A, document):
    """The same value for training: products in bf16, weights in f32, a block of queries at a time against
    the keys that it may see. Made to be compiled, which turns all between the products into one loop."""
    kBlock = 128
    group, T = q.shape[1] // k.shape[1], q.shape[2]
    q, k, v = (t.bfloat16() for t in (q * q.shape[-1] ** -0.5, k, v))
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    a = None if A is None else A.transpose(1, 2).repeat_interleave(group, 1)
    place, rows = torch.arange(T, device=q.device), []
    for begin in range(0, T, kBlock):
        end = min(begin + kBlock, T)
        z = (q[:, :, begin:end] @ k[:, :, :end].transpose(-1, -2)).float()
        if a is not None:
            z = z + (a[:, :, begin:end, None] - a[:, :, None, :end])
        seen = (place[begin:end, None] >= place[None, :end]) & (document[:, begin:end, None] == document[:, None, :end])
        weight = torch.softmax(z.masked_fill(~seen[:, None], float("-inf")), -1)
        rows.append(weight.bfloat16() @ v[:, :, :end])
    return torch.cat(rows, 2).float()


def literal(q, k, v, mask):
    """The formula as first published, softmax((mask * q k) / sqrt(d)) v: an ablation, not used.

    mask [B, H, T, T] in (0, 1].
    """
    T = q.shape[2]
    z = mask * (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    seen = torch.ones(T, T, dtype=torch.bool, device=q.device).tril()
    return torch.softmax(z.masked_fill(~seen, float("-inf")), -1) @ v
