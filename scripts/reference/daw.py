"""Dynamic attention weighting (DAW-1) in PyTorch: the definition that the C++ kernels are held to.

The forget gate is that of the Forgetting Transformer (arXiv:2503.02130). Letters: B rows, T positions,
H heads, K key-value heads, hd head width. All functions work in the dtype of their inputs.
"""
import torch
import torch.nn.functional as F


@torch.compiler.disable  # PyTorch 2.11 fails to compile its running sum for a card
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


def flash_attention(q, k, v, A, document):
    """The same value from the flash kernel of a card, in bf16: it knows no bias, so ours goes into the products.

    A_i moves all of row i, which softmax does not see; what is left is a bias c_j of the keys, three more columns of
    k beside ones in q. Along a document c rises as A falls, and from one document to the next it grows by kStep:
    earlier documents get weights under e^(q k / sqrt(hd) - kStep), that is none, and later ones are not seen anyway.
    A bf16 has 8 bits and an f32 24, so that three terms hold c to the last bit; in f32 a row of 1,024 with c below
    16,384 keeps 0.001 of it, less than bf16 takes from q k. The gradient of c comes from its last term, and is one of
    bf16 too: that of a gate, a sum along the rest of its document, is off by some 2 %.
    """
    kStep, hd, group = 128.0, q.shape[-1], q.shape[1] // k.shape[1]
    A = torch.zeros_like(document[..., None], dtype=torch.float32).expand(-1, -1, k.shape[1]) if A is None else A
    first = document[:, 1:, None] != document[:, :-1, None]
    c = F.pad(torch.cumsum(torch.where(first, kStep, A[:, :-1] - A[:, 1:]), 1), (0, 0, 1, 0))
    leading = lambda x: (x.detach().view(torch.int32) & -65536).view(torch.float32)  # 8 bits
    high = leading(c)
    middle = leading(c - high)
    one = torch.ones_like(c)
    columns = lambda *parts: F.pad(torch.stack(parts, -1).bfloat16(), (0, 8 - len(parts))).transpose(1, 2)
    q = torch.cat([(q * hd ** -0.5).bfloat16(), columns(one, one, one).repeat_interleave(group, 1)], -1)
    k = torch.cat([k.bfloat16(), columns(high, middle, c - high - middle)], -1)
    k, v = (t.repeat_interleave(group, 1) for t in (k, F.pad(v.bfloat16(), (0, 8))))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)[..., :hd].float()


def literal(q, k, v, mask, document=None):
    """The formula as first published, softmax((mask * q k) / sqrt(d)) v: an ablation, not used.

    mask [B, H, T, T] in (0, 1];  document [B, T], or all is one.
    """
    T = q.shape[2]
    z = mask * (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    seen = torch.ones(T, T, dtype=torch.bool, device=q.device).tril()
    if document is not None:
        seen = (seen & (document[:, :, None] == document[:, None, :]))[:, None]
    return torch.softmax(z.masked_fill(~seen, float("-inf")), -1) @ v
