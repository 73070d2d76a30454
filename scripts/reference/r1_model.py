"""The r1 and r1-plus decoders in PyTorch: the definition that lib/models/decoder.cpp is held to.

Parameter names are those of the safetensors files. Letters: B rows, T positions, D width, H heads,
K key-value heads, hd head width, V vocabulary.
"""
import dataclasses
import json
import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F

import daw


@dataclasses.dataclass
class Config:
    """Sizes of a model; `plus` turns the attention into DAW with the two switches. Without head norms, and not
    plus, it is a Llama, which other programs load."""
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int
    context: int = 2048
    eps: float = 1e-6
    theta: float = 10000.0
    plus: bool = True
    newline: bool = True
    gain: bool = True
    head_norms: bool = True

    def to_json(self):
        """config.json as Hugging Face directories hold it."""
        assert self.head_norms or not self.plus
        kind = "r1-plus" if self.plus else "r1" if self.head_norms else "llama"
        config = {
            "architectures": [{"r1-plus": "R1Plus", "r1": "R1", "llama": "Llama"}[kind] + "ForCausalLM"],
            "model_type": kind,
            "hidden_size": self.width, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim, "intermediate_size": self.inner, "vocab_size": self.vocab,
            "max_position_embeddings": self.context, "rms_norm_eps": self.eps,
            "rope_theta": self.theta, "hidden_act": "silu", "tie_word_embeddings": True,
        }
        if self.plus:
            config["daw"] = {"newline": self.newline, "gain": self.gain}
        return config

    @staticmethod
    def from_json(path):
        c = json.loads(pathlib.Path(path).read_text())
        switches = c.get("daw", {})
        return Config(c["num_hidden_layers"], c["hidden_size"], c["num_attention_heads"],
                      c["num_key_value_heads"], c["head_dim"], c["intermediate_size"], c["vocab_size"],
                      c["max_position_embeddings"], c["rms_norm_eps"], c["rope_theta"], "daw" in c,
                      switches.get("newline", False), switches.get("gain", False), c["model_type"] != "llama")


class Norm(nn.Module):
    """y = x / rms(x) * w over the last dimension."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class Affine(nn.Module):
    """The gate and gain of DAW: weight [K, D], bias [K]."""

    def __init__(self, width, heads, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(heads, width)), nn.Parameter(bias)


class Daw(nn.Module):
    def __init__(self, c):
        super().__init__()
        start = torch.linspace(3, 7, c.kv_heads) if c.kv_heads > 1 else torch.tensor([5.0])
        self.gate = Affine(c.width, c.kv_heads, start)
        self.newline = nn.Parameter(torch.zeros(c.kv_heads)) if c.newline else None
        self.gain = Affine(c.width, c.kv_heads, torch.zeros(c.kv_heads)) if c.gain else None


def rope_table(config, positions):
    """cos and sin [.., T, hd/2] of positions [.., T]."""
    i = torch.arange(0, config.head_dim, 2, device=positions.device, dtype=torch.float32)
    angle = positions[..., None].float() * (1.0 / config.theta ** (i / config.head_dim))
    return angle.cos(), angle.sin()


def rotate(x, table):
    """Turns the pairs (i, i + hd/2).  x [B, T, H, hd]."""
    cos, sin = (t[..., None, :].to(x.dtype) for t in table)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.width, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.width, bias=False)
        self.q_norm, self.k_norm = (Norm(c.head_dim, c.eps) if c.head_norms else nn.Identity() for _ in range(2))
        self.daw = Daw(c) if c.plus else None

    def forward(self, x, table, newline, document, attend):
        B, T, _ = x.shape
        c = self.c
        q = rotate(self.q_norm(self.q_proj(x).view(B, T, c.heads, c.head_dim)), table)
        k = rotate(self.k_norm(self.k_proj(x).view(B, T, c.kv_heads, c.head_dim)), table)
        v = self.v_proj(x).view(B, T, c.kv_heads, c.head_dim)
        A = None
        if self.daw is not None:
            n = x.to(self.daw.gate.weight.dtype)  # gate and gain are never made in less than f32
            with torch.autocast(x.device.type, enabled=False):
                A = daw.decay(F.linear(n, self.daw.gate.weight), self.daw.gate.bias, self.daw.newline,
                              newline, document)
                if self.daw.gain is not None:
                    g = daw.gain(F.linear(n, self.daw.gain.weight), self.daw.gain.bias)
                    q = q * g.repeat_interleave(c.heads // c.kv_heads, -1)[..., None].to(q.dtype)
        exact = A.dtype if A is not None else torch.float32
        q, k, v = (t.transpose(1, 2).to(exact) for t in (q, k, v))
        with torch.autocast(x.device.type, enabled=False):
            y = attend(q, k, v, A, document)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, -1).to(x.dtype))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.width, c.inner, bias=False)
        self.up_proj = nn.Linear(c.width, c.inner, bias=False)
        self.down_proj = nn.Linear(c.inner, c.width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.self_attn = Norm(c.width, c.eps), Attention(c)
        self.post_attention_layernorm, self.mlp = Norm(c.width, c.eps), Mlp(c)

    def forward(self, x, table, newline, document, attend):
        x = x + self.self_attn(self.input_layernorm(x), table, newline, document, attend)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab, c.width)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = Norm(c.width, c.eps)


class R1(nn.Module):
    """ids [B, T] -> hidden [B, T, D]; `logits` of it with the tied head."""

    def __init__(self, config, seed=0):
        super().__init__()
        self.config, self.model = config, Body(config)
        generator = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            if p.dim() != 2 or ".daw." in name:
                continue
            std = 0.02 if "embed" in name else p.shape[1] ** -0.5
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                std /= (2 * config.layers) ** 0.5
            p.data = torch.randn(p.shape, generator=generator) * std

    def forward(self, ids, newline, document=None, positions=None, attend=daw.attention):
        """newline [B, T]: does the token's text hold a newline. One document when none is given."""
        if document is None:
            document = torch.zeros_like(ids)
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        table = rope_table(self.config, positions)
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, table, newline, document, attend)
        return self.model.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.model.embed_tokens.weight)
