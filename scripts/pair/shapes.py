"""The models of the pair and of the ablation of DAW, by size, as config.json of r1-finetune's --init."""
import dataclasses


@dataclasses.dataclass
class Size:
    """Widths of the two models, what is learnt, and how. `tokens` of each run; `length` of a sequence."""
    r1: tuple        # layers, width, heads, SwiGLU
    plus: tuple
    ablation: tuple
    vocab: int
    length: int
    batch: int
    tokens: int
    ablation_tokens: int
    text: int        # bytes of the corpus that are read


SIZES = {
    # What two cores learn in an hour, all seeds and the ablation.
    "tiny": Size((24, 96, 3, 256), (32, 80, 5, 184), (4, 96, 3, 256), 2048, 512, 8, 1_200_000, 600_000, 12 << 20),
    # What a card is for: the shipped model's shape, and the ablation's of 13.8 M parameters.
    "full": Size((24, 384, 6, 1024), (32, 320, 5, 736), (12, 256, 4, 704), 16384, 1024, 128, 400_000_000, 100_000_000,
                 1 << 40),
}
ABLATION = ("plain", "gate", "gate+newline+gain", "window", "literal")
PAIR = ("r1", "r1-plus")


def config(size, variant, window=None):
    """config.json of a variant, without vocab_size: the tokenizer says it."""
    s = SIZES[size]
    layers, width, heads, inner = {"r1": s.r1, "r1-plus": s.plus}.get(variant, s.ablation)
    plus = variant in ("r1-plus", "gate", "gate+newline+gain", "literal")
    whole = variant in ("r1-plus", "gate+newline+gain")
    c = {"architectures": ["R1PlusForCausalLM" if plus else "R1ForCausalLM"], "model_type": "r1-plus" if plus else "r1",
         "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
         "head_dim": width // heads, "intermediate_size": inner, "max_position_embeddings": 2 * s.length,
         "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True}
    if plus:
        c["daw"] = {"newline": whole, "gain": whole}
    if variant == "window":
        c["sliding_window"] = window
    return c


def parameters(size, variant, vocab=None):
    """Numbers that are learnt."""
    s, c = SIZES[size], config(size, variant, 1)
    D, L, H, F = (c[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"))
    daw = c.get("daw")
    gates = 0 if daw is None else H * (D + 1) + H * daw["newline"] + H * (D + 1) * daw["gain"]
    return (vocab or s.vocab) * D + D + L * (4 * D * D + 3 * D * F + 2 * D + 2 * (D // H) + gates)
