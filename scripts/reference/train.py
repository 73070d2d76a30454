#!/usr/bin/env python3
"""Trains an r1, r1-plus or Llama-shaped model on prepared tokens.

    train.py --work DIR --out DIR --tokens 20M [--layers 8 --width 256 --inner 512 …] [--plain | --llama]
    train.py --work DIR --out DIR --seconds 360 --device cuda --batch 128 --micro 64 --workers 12 --compile …

The schedule (2 % warm-up, flat, linear to zero over the last 40 %) is a function of the tokens seen, and every row
one of the seed and its number: a run can be halted (SIGSTOP) or started again, from the checkpoint that it writes
every two minutes, and sees the rows that it would have seen. Muon (momentum 0.95, Nesterov, five Newton-Schulz
steps) on the hidden matrices, AdamW on the rest. One process a core, each with its share of the rows: that loses
less to a neighbour than threads do, which wait for one another in every product. Products are in bf16 where the
processor has instructions for it.

With --seconds the schedule follows the clock instead, from the end of the first step, which compiles: such a run is
over in time whatever the speed, and is one process. So is one on a card, in bf16 with the weights in f32; --workers
others make its rows. A process that trains alone writes its checkpoint at SIGTERM too, and ends.
"""
import argparse
import datetime
import json
import os
import pathlib
import signal
import time

import numpy as np
import sentencepiece as spm
import torch
import torch.distributed as dist
import torch.multiprocessing
import torch.nn.functional as F

import daw
from r1_model import R1, Config

SAVE_EVERY, LOG_EVERY = 120, 5
FIM_SHARE, LINE_SHARE = 0.5, 0.4
HAS_BF16 = torch.cpu._is_avx512_bf16_supported()


class Rows:
    """Training rows of T + 1 tokens: windows of the stream, half of them turned into fill-in-the-middle.

    Row n is the same whoever asks for it and when: a run goes on where it was, and its processes share the rows.
    """

    def __init__(self, work, split, length, seed):
        self.tokens = np.load(work / f"{split}.tokens.npy", mmap_mode="r")
        self.starts = np.load(work / f"{split}.starts.npy")
        self.tokenizer = spm.SentencePieceProcessor(model_file=str(work / "tokenizer.model"))
        self.length, self.seed, self.epoch, self.windows = length, seed, -1, None
        piece = self.tokenizer.piece_to_id
        self.prefix, self.suffix, self.middle = map(piece, ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"))

    def window(self, number):
        """Where window `number` begins: every one once in an epoch, in random order."""
        count = (len(self.tokens) - 1) // self.length - 1
        if number // count != self.epoch:
            self.epoch = number // count
            rng = np.random.default_rng([self.seed, self.epoch])
            self.windows = rng.permutation(count) * self.length + rng.integers(self.length)
        return self.windows[number % count]

    def row(self, number, fim_share):
        """ids [T + 1], document [T + 1], target mask [T + 1]."""
        rng, begin = np.random.default_rng([self.seed, 1, number]), self.window(number)
        ids = self.tokens[begin:begin + self.length + 1].astype(np.int64)
        inside = self.starts[np.searchsorted(self.starts, begin, "right"):]
        inside = inside[:np.searchsorted(inside, begin + self.length + 1)] - begin
        if rng.random() < fim_share:
            # The longest piece of one document in the window.
            edges = np.concatenate([[0], inside, [len(ids)]])
            longest = int(np.argmax(np.diff(edges)))
            text = self.tokenizer.decode(ids[edges[longest]:edges[longest + 1]].tolist())
            return self.fill_in(text, rng)
        document = np.zeros(len(ids), np.int64)
        document[inside] = 1
        return ids, np.cumsum(document), np.ones(len(ids), bool)

    @staticmethod
    def cut(text, rng):
        """Where the middle begins and ends, by character: anywhere, or inside one line, to its end or before."""
        begin, end = sorted(rng.integers(0, len(text) + 1, 2).tolist())
        if rng.random() < LINE_SHARE:
            begin = int(rng.integers(0, len(text) + 1))
            line_end = text.find("\n", begin)
            end = len(text) if line_end < 0 else line_end
            if rng.random() < 0.25:
                end = int(rng.integers(begin, end + 1))
        return begin, end

    def fill_in(self, text, rng):
        """A text as prefix, suffix, middle (or with the suffix first)."""
        begin, end = self.cut(text, rng)
        parts = [text[:begin], text[begin:end], text[end:]]
        p, m, s = (self.tokenizer.encode(part) for part in parts)
        bos, eos = self.tokenizer.bos_id(), self.tokenizer.eos_id()
        over = max(0, 5 + len(p) + len(m) + len(s) - self.length - 1)
        p, over = p[over:], max(0, over - len(p))  # what does not fit goes from the far ends, so that the middle,
        s = s[:max(0, len(s) - over)]              # which stands last, is there whole
        if rng.random() < 0.5:
            ids = [bos, self.prefix, *p, self.suffix, *s, self.middle, *m, eos]
        else:
            ids = [bos, self.prefix, self.suffix, *s, self.middle, *p, *m, eos]
        ids = ids[:self.length + 1]
        fill = self.length + 1 - len(ids)
        real = np.arange(self.length + 1) < len(ids)
        return np.array(ids + [eos] * fill), (~real).astype(np.int64), real

    def batch(self, numbers, fim_share=FIM_SHARE):
        """Tensors ids, document, target (-1: none), position, each [B, T]."""
        parts = [self.row(n, fim_share) for n in numbers]
        ids, document, real = (torch.from_numpy(np.stack(p)) for p in zip(*parts))
        target = ids[:, 1:].masked_fill(~real[:, 1:] | (document[:, 1:] != document[:, :-1]), -1)
        ids, document = ids[:, :-1], document[:, :-1]
        place = torch.arange(ids.shape[1]).expand_as(ids)
        first = torch.ones_like(document, dtype=torch.bool)
        first[:, 1:] = document[:, 1:] != document[:, :-1]
        position = place - torch.cummax(torch.where(first, place, 0), 1).values
        return ids, document, target, position


class Batches(torch.utils.data.Dataset):
    """A process's share of the rows of each step, `micro` rows at a time: batch n is part n % parts of step n / parts.
    Arrays, since tensors would pass from process to process in shared memory, of which there may be little."""

    def __init__(self, rows, a, share):
        self.rows, self.a, self.share = rows, a, share
        self.parts = -(-len(range(share.rank, a.batch, share.count)) // a.micro)

    def __getitem__(self, n):
        step, part = divmod(n, self.parts)
        mine = range(step * self.a.batch + self.share.rank, (step + 1) * self.a.batch, self.share.count)
        return [t.numpy() for t in self.rows.batch(mine[part * self.a.micro:(part + 1) * self.a.micro])]

    def since(self, step):
        """Yields the batches from a step on, on the device."""
        cuda, ahead = self.a.device == "cuda", 4 if self.a.workers else None
        for batch in torch.utils.data.DataLoader(self, None, sampler=range(step * self.parts, 1 << 40),
                                                 num_workers=self.a.workers, prefetch_factor=ahead, collate_fn=list):
            batch = map(torch.from_numpy, batch)
            yield [t.pin_memory().to("cuda", non_blocking=True) for t in batch] if cuda else list(batch)


def newline_table(tokenizer):
    """[V]: does the piece hold a newline?"""
    size = tokenizer.get_piece_size()
    return torch.tensor([int(tokenizer.id_to_piece(i) == "<0x0A>") for i in range(size)])


def orthogonal(g):
    """The nearest orthogonal matrices, about, of g [n, rows, cols]: five Newton-Schulz steps."""
    turned = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if turned else g).to(torch.bfloat16 if HAS_BF16 or g.is_cuda else torch.float32)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.transpose(1, 2) if turned else x).float()


class Muon:
    """Momentum, made orthogonal, for the hidden matrices; those of one shape go together. Each process turns its
    share of them and hands the result to the others."""

    def __init__(self, parameters, share, momentum=0.95):
        self.momentum, self.share, self.groups = momentum, share, {}
        for p in parameters:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.velocity = {shape: torch.stack([torch.zeros_like(p) for p in ps]) for shape, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, lr, decay):
        for shape, ps in self.groups.items():
            g, v = torch.stack([p.grad for p in ps]), self.velocity[shape]
            v.lerp_(g, 1 - self.momentum)
            update = self.share.each(g.lerp(v, self.momentum), orthogonal) * max(1, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - lr * decay).sub_(u, alpha=lr)


class Share:
    """One of a few processes that train one model together. All hold the same weights, to the bit: they add the
    same numbers in the same order, and no one turns a matrix that another one turns too."""

    def __init__(self, rank, count):
        self.rank, self.count = rank, count

    def start(self, meeting):
        """The processes find one another through a file; one of them may be halted for hours."""
        if self.count > 1:
            dist.init_process_group("gloo", f"file://{meeting}", rank=self.rank, world_size=self.count,
                                    timeout=datetime.timedelta(hours=12))

    def mean(self, tensors):
        """Puts the mean over the processes in their place."""
        if self.count == 1:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        for t, mean in zip(tensors, flat.split([t.numel() for t in tensors])):
            t.copy_(mean.view_as(t))

    def each(self, stack, function):
        """function(stack), where a process works on its slices only."""
        if self.count == 1:
            return function(stack)
        result = torch.zeros_like(stack)
        mine = slice(len(stack) * self.rank // self.count, len(stack) * (self.rank + 1) // self.count)
        result[mine] = function(stack[mine])
        dist.all_reduce(result)
        return result


def optimizers(model, rate, decay, muon=True):
    """Muon of the hidden matrices, or None, and AdamW of the rest, as r1-finetune divides them."""
    named = list(model.named_parameters())
    hidden = [p for n, p in named if muon and p.dim() == 2 and "layers" in n and ".daw." not in n]
    rest = [p for _, p in named if not any(p is h for h in hidden)]
    groups = [{"params": [p for p in rest if p.dim() == 2], "weight_decay": decay},
              {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8, fused=True)
    return Muon(hidden, Share(0, 1)) if hidden else None, adam


def rate(progress):
    """Share of the full learning rate at a share of the time."""
    if progress < 0.02:
        return progress / 0.02
    return 1.0 if progress < 0.6 else max(0.0, (1 - progress) / 0.4)


def head_loss(hidden, weight, target):
    logits = F.linear(hidden, weight).float()
    return F.cross_entropy(logits.view(-1, len(weight)), target.reshape(-1), ignore_index=-1)


def loss_of(model, newline, batch, head=head_loss):
    ids, document, target, position = batch
    fast = ids.is_cuda or HAS_BF16
    attend = daw.flash_attention if ids.is_cuda else daw.fast_attention if fast else daw.attention
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=fast):
        hidden = model(ids, newline[ids], document, position, attend)
        return head(hidden, model.model.embed_tokens.weight, target)


@torch.no_grad()
def validate(model, newline, rows, count=64):
    """Nats a token, left to right, on held-out packages."""
    batches = ([t.to(newline.device) for t in rows.batch(range(n, n + 8), 0.0)] for n in range(0, count, 8))
    with torch.compiler.set_stance("force_eager"):
        losses = [loss_of(model, newline, batch).item() for batch in batches]
    return sum(losses) / len(losses)


def save(path, state):
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def number(text):
    return int(float(text.rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(text[-1], 1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--tokens", type=number)
    length.add_argument("--seconds", type=float)
    for name, value in [("layers", 8), ("width", 256), ("heads", 4), ("kv-heads", 4), ("head-dim", 64),
                        ("inner", 512), ("batch", 8), ("length", 512), ("seed", 0), ("processes", 2), ("workers", 0)]:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--micro", type=int, help="rows that go through the model at once (all)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=3e-3)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--plain", action="store_true", help="r1 without DAW")
    kind.add_argument("--llama", action="store_true", help="without head norms too")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse the small operations")
    a = parser.parse_args()
    a.processes, a.micro = 1 if a.seconds or a.device == "cuda" else a.processes, a.micro or a.batch
    return a


class Training:
    """The model, its optimizers and how far they are."""

    def __init__(self, a, share):
        self.a, self.share, self.step, self.spent, self.since = a, share, 0, 0.0, None
        rows, self.heldout = Rows(a.work, "train", a.length, a.seed), Rows(a.work, "heldout", a.length, 1)
        self.batches, self.epoch = Batches(rows, a, share), len(rows.tokens)
        self.newline = newline_table(rows.tokenizer).to(a.device)
        plus = not (a.plain or a.llama)
        self.config = Config(a.layers, a.width, a.heads, a.kv_heads, a.head_dim, a.inner, len(self.newline),
                             plus=plus, newline=plus, gain=plus, head_norms=not a.llama)
        self.model, self.head = R1(self.config, a.seed).to(a.device), head_loss
        hidden = [p for n, p in self.model.named_parameters() if p.dim() == 2 and "layers" in n and ".daw." not in n]
        rest = [p for p in self.model.parameters() if not any(p is h for h in hidden)]
        self.muon = Muon(hidden, share)
        self.adam = torch.optim.AdamW(rest, lr=1, betas=(0.9, 0.95), weight_decay=0.0, fused=a.device == "cuda")
        if a.compile:  # one layer, whose code serves all
            self.head = torch.compile(head_loss, dynamic=False)
            for layer in self.model.model.layers:
                layer.compile(dynamic=False)

    def seconds(self):
        """Seconds trained, less the first step of each start."""
        return self.spent + (time.time() - self.since if self.since else 0)

    def tokens(self):
        return self.step * self.a.batch * self.a.length

    def progress(self):
        return self.seconds() / self.a.seconds if self.a.seconds else self.tokens() / self.a.tokens

    def take_step(self, feed):
        """One step; the loss of all its rows."""
        a, parts, total = self.a, self.batches.parts, 0
        scale = rate(self.progress())
        for _ in range(parts):
            loss = loss_of(self.model, self.newline, next(feed), self.head) / parts
            loss.backward()
            total = total + loss.detach()
        self.share.mean([p.grad for p in self.model.parameters()] + [total])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.muon.step(a.muon_lr * scale, 0.1)
        for group in self.adam.param_groups:
            group["lr"] = a.adam_lr * scale
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        if self.since is None:
            total.item()  # waits for the card
            self.since = time.time()
        return total

    def load(self, path):
        state = torch.load(path, map_location=self.a.device)
        self.model.load_state_dict(state["model"])
        self.adam.load_state_dict(state["adam"])
        self.muon.velocity, self.step, self.spent = state["muon"], state["step"], state.get("seconds", 0.0)

    def save(self, path):
        save(path, {"model": self.model.state_dict(), "adam": self.adam.state_dict(), "muon": self.muon.velocity,
                    "step": self.step, "seconds": self.seconds()})


class Log:
    """A line of JSON every few seconds, in a file and on standard output."""

    def __init__(self, path, training):
        self.file, self.training, self.loss = open(path, "a", buffering=1), training, None
        self.mark, self.begin = (time.time(), training.tokens()), time.time()

    def write(self, **values):
        line = json.dumps({"step": self.training.step, **values})
        self.file.write(line + "\n")
        print(line, flush=True)

    def follow(self, loss, last):
        self.loss = loss if self.loss is None else 0.98 * self.loss + 0.02 * loss
        (then, before), now, tokens = self.mark, time.time(), self.training.tokens()
        if now - then > LOG_EVERY or last:
            self.write(tokens=tokens, epochs=round(tokens / self.training.epoch, 3), loss=round(self.loss.item(), 4),
                       seconds=round(now - self.begin), tokens_per_second=round((tokens - before) / (now - then)))
            self.mark = now, tokens


def run(rank, a):
    """What each process does; the first one also keeps the log and the checkpoint."""
    torch.set_num_threads(1)
    torch.backends.cuda.enable_cudnn_sdp(False)  # which would come before the flash kernel
    share, path, ended = Share(rank, a.processes), a.out / "state.pt", []
    share.start(a.out / "meeting")
    training = Training(a, share)
    if path.exists():
        training.load(path)
    if a.processes == 1:
        signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    log, saved = Log(a.out / "log.jsonl", training) if rank == 0 else None, time.time()
    (a.out / "config.json").write_text(json.dumps(training.config.to_json(), indent=1) + "\n")
    feed, last = training.batches.since(training.step), training.progress() >= 1
    while not last:
        loss = training.take_step(feed)
        last = training.progress() >= 1 or bool(ended)
        if rank == 0:
            log.follow(loss, last)
            if time.time() - saved > SAVE_EVERY or last:
                training.save(path)
                saved = time.time()
    if rank == 0 and not ended:
        log.write(heldout_loss=validate(training.model, training.newline, training.heldout))


def main():
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "meeting").unlink(missing_ok=True)
    if a.processes == 1:
        run(0, a)
    else:
        torch.multiprocessing.spawn(run, (a,), a.processes)


if __name__ == "__main__":
    main()
