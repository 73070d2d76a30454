"""What r1-finetune learnt or began with, in PyTorch, and the data as it read them."""
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
import sentencepiece as spm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import packs
from r1_model import R1, Config


class Data:
    """JSON lines of texts as r1-finetune's sequences."""

    def __init__(self, work, name, length, seed):
        self.tokenizer = spm.SentencePieceProcessor(model_file=str(work / "tokenizer.model"))
        bos, eos, samples = self.tokenizer.bos_id(), self.tokenizer.eos_id(), []
        with open(work / name) as lines:
            for line in lines:
                samples += packs.pieces(self.tokenizer.encode(json.loads(line)["text"]), bos, eos, length)
        self.packer = packs.Packer(samples, length, seed)
        size = self.tokenizer.get_piece_size()
        self.newline = torch.tensor([int(self.tokenizer.id_to_piece(i) == "<0x0A>") for i in range(size)])

    def batch(self, numbers):
        """ids, target, position, document [B, T] of these sequences; short ones are filled up behind."""
        rows = [packs.rows_of(self.packer.pack(n)) for n in numbers]
        width = max(len(ids) for ids, *_ in rows)
        filled = zip(*([part + [fill] * (width - len(part)) for part, fill in zip(row, (0, -1, 0, 1 << 20))]
                       for row in rows))
        return [torch.tensor(part) for part in filled]

    def bytes_a_token(self, count):
        """Of the targets of the first `count` sequences; EOS has none."""
        targets = [t for n in range(count) for t in packs.rows_of(self.packer.pack(n))[1]]
        size = lambda t: 0 if self.tokenizer.is_control(t) else 1 if self.tokenizer.is_byte(t) else len(
            self.tokenizer.id_to_piece(t).replace("\u2581", " ").encode())
        return sum(map(size, targets)) / len(targets)


def load(folder):
    model = R1(Config.from_json(folder / "config.json"))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def loss_of(model, data, numbers, attend):
    """Sum of nats and the number of tokens of these sequences."""
    ids, target, position, document = data.batch(numbers)
    logits = model.logits(model(ids, data.newline[ids], document, position, attend))
    sum_ = F.cross_entropy(logits.view(-1, logits.shape[-1]), target.view(-1), ignore_index=-1, reduction="sum")
    return sum_, int((target >= 0).sum())


def wsd_share(step, count, warmup=0.02, decay=0.4):
    """The share of the peak rate, step from 1: up, flat, and down in a line."""
    rising = math.ceil(warmup * count)
    if step - 1 < rising:
        return step / rising
    falling = min(math.ceil(decay * count), count - rising)
    return 1 - min(1.0, max(0.0, step - 1 - (count - falling)) / max(1, falling))
