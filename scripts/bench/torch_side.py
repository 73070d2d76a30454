"""What gpu_vs_torch.py measures of PyTorch: the same shapes, timed as r1-bench times its own."""
import importlib.util
import inspect
import math
import re
import time

SAMPLES, LEAST, MOST_SETS = 7, 0.02, 32  # samples of at least so many seconds; sets of inputs, as r1-bench has
ATTENTION = re.compile(r"op:attention_paged/(prefill|decode)/(\d+)x(\d+)x(?:(\d+)x)?(\d+)(?:@(\d+))?$")
PRODUCT = re.compile(r"op:linear/bf16/(\d+)x(\d+)x(\d+)$")
PLAIN_KV, PLAIN_PAST = 4, 2048  # of names that do not say them


def missing(*packages):
    """The first of torch and these that is not here, as a reason; else None."""
    return next((f"no {p}" for p in ("torch", *packages) if importlib.util.find_spec(p) is None), None)


def shape_of(test):
    """("attention", prefill, rows, H, KV, hd, past) or ("product", T, K, N) of an id of r1-bench; else None."""
    if m := ATTENTION.match(test):
        rows, heads, kv, head, past = (int(g or 0) for g in m.groups()[1:])
        return "attention", m[1] == "prefill", rows, heads, kv or PLAIN_KV, head, past or PLAIN_PAST
    if m := PRODUCT.match(test):
        return "product", *map(int, m.groups())
    return None


def samples_of(test, device):
    """Nanoseconds a run of what r1-bench calls `test`; none when torch has no such thing."""
    import torch
    shape = shape_of(test)
    if shape is None:
        return []
    with torch.inference_mode():
        make = attention if shape[0] == "attention" else product
        first, nbytes = make(torch, device, *shape[1:])
        sets = min(MOST_SETS, max(1, math.ceil(2 * cache_bytes(torch, device) / nbytes)))
        calls = [first] + [make(torch, device, *shape[1:])[0] for _ in range(sets - 1)]
        samples = timed(torch, device, calls)
    if device == "cuda":
        del first, calls
        torch.cuda.empty_cache()  # the card is the other side's
    return samples


def cache_bytes(torch, device):
    return torch.cuda.get_device_properties(0).L2_cache_size if device == "cuda" else 0


def attention(torch, device, prefill, rows, heads, kv, head, past):
    """A call over whole sequences, and the bytes it moves. A prefill begins at 0, or attends to all before it."""
    draw = lambda *dims: torch.randn(dims, dtype=torch.bfloat16, device=device)
    sequences, length = (1, rows) if prefill else (rows, 1)
    q, k, v = draw(sequences, heads, length, head), draw(sequences, kv, past, head), draw(sequences, kv, past, head)
    options = {"is_causal": True} if prefill and rows == past else {}
    if prefill and rows < past:
        options["attn_mask"] = torch.ones(rows, past, dtype=torch.bool, device=device).tril(past - rows)
    call = lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=heads != kv, **options)
    return call, 2 * (2 * q.numel() + k.numel() + v.numel())


def product(torch, device, rows, K, N):
    x = torch.randn(rows, K, dtype=torch.bfloat16, device=device)
    w = torch.randn(N, K, dtype=torch.bfloat16, device=device)
    return lambda: torch.matmul(x, w.t()), 2 * (x.numel() + w.numel() + rows * N)


def timed(torch, device, calls):
    """Samples of runs queued one behind the other, the calls in turn."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    place = 0

    def seconds(n):
        nonlocal place
        wait()
        start = time.perf_counter()
        for _ in range(n):
            calls[place % len(calls)]()
            place += 1
        wait()
        return time.perf_counter() - start

    seconds(2 * len(calls))  # kernels are chosen, memory is taken
    n = 1
    while (taken := seconds(n)) < LEAST:
        n = max(2 * n, math.ceil(n * LEAST / taken)) if taken > LEAST / 10 else 4 * n
    return [seconds(n) / n * 1e9 for _ in range(SAMPLES)]


def decoder(folder, batch, depth, tokens, device):
    """transformers with a static cache and a compiled step. A function that decodes `tokens` tokens of `batch`
    sequences behind `depth` others, and gives samples in nanoseconds."""
    import torch
    import transformers
    model = transformers.LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.bfloat16).to(device).eval()
    length = depth + tokens + 1
    wanted = {"config": model.config, "max_batch_size": batch, "batch_size": batch, "max_cache_len": length,
              "device": device, "dtype": torch.bfloat16}
    known = inspect.signature(transformers.StaticCache.__init__).parameters  # it has changed over time
    cache = transformers.StaticCache(**{k: v for k, v in wanted.items() if k in known})
    ids = torch.randint(300, model.config.vocab_size, (batch, depth), device=device)
    places = torch.arange(length, device=device)

    def step(last, place):
        logits = model(last, past_key_values=cache, cache_position=place, position_ids=place.expand(batch, -1),
                       use_cache=True, return_dict=True).logits
        return logits[:, -1:].argmax(-1)

    compiled = torch.compile(step, mode="reduce-overhead", fullgraph=True) if device == "cuda" else step

    def run():
        last = ids[:, -1:].clone()
        for i in range(depth, depth + tokens):
            last = compiled(last.clone(), places[i:i + 1])
        last.cpu()

    def samples(n=SAMPLES):
        with torch.no_grad():
            step(ids, places[:depth])
            run(), run()
            out = []
            for _ in range(n):
                start = time.perf_counter_ns()
                run()
                out.append(time.perf_counter_ns() - start)
        return out

    return samples
