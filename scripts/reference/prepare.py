#!/usr/bin/env python3
"""Trains the tokenizer and writes the training text as token ids.

    prepare.py --work DIR --vocab 4096      DIR holds train.jsonl, heldout.jsonl, exercises.jsonl

Writes DIR/tokenizer.model, and for each split DIR/SPLIT.tokens.npy (u16) and DIR/SPLIT.starts.npy (i64, the
first token of each document; every document is BOS … EOS).
"""
import argparse
import json
import pathlib

import numpy as np
import sentencepiece as spm

CONTROL = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>", "<|repo_name|>"]
EXERCISE_COPIES = 2


def texts(path):
    with open(path) as lines:
        return [json.loads(line)["text"] for line in lines]


def train_tokenizer(work, documents, vocab, sample_lines):
    """Byte-pair pieces of single lines: newline and tab stay single bytes. Sorted, so that it repeats."""
    lines = sorted({line for text in documents for line in text.split("\n") if line.strip()})
    step = max(1, len(lines) // sample_lines)
    (work / "lines.txt").write_text("\n".join(lines[::step]) + "\n")
    spm.SentencePieceTrainer.train(
        input=str(work / "lines.txt"), model_prefix=str(work / "tokenizer"), model_type="bpe",
        vocab_size=vocab, byte_fallback=True, character_coverage=0.9999,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
        allow_whitespace_only_pieces=True, split_digits=True, max_sentencepiece_length=24,
        max_sentence_length=8000, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        control_symbols=CONTROL, num_threads=1, input_sentence_size=0, shuffle_input_sentence=False,
        minloglevel=1)


def write_tokens(work, split, documents, tokenizer):
    encoded = tokenizer.encode(documents, num_threads=2)
    bos, eos = [tokenizer.bos_id()], [tokenizer.eos_id()]
    lengths = np.array([len(ids) + 2 for ids in encoded])
    tokens = np.concatenate([np.array(bos + ids + eos, np.uint16) for ids in encoded])
    np.save(work / f"{split}.tokens.npy", tokens)
    np.save(work / f"{split}.starts.npy", np.concatenate([[0], np.cumsum(lengths)[:-1]]))
    size = sum(len(text.encode()) for text in documents)
    print(split, len(documents), "documents", len(tokens), "tokens", f"{size / len(tokens):.3f} bytes a token")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--sample-lines", type=int, default=400_000)
    args = parser.parse_args()
    train = texts(args.work / "train.jsonl") + texts(args.work / "exercises.jsonl") * EXERCISE_COPIES
    train_tokenizer(args.work, train, args.vocab, args.sample_lines)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.work / "tokenizer.model"))
    write_tokens(args.work, "train", train, tokenizer)
    write_tokens(args.work, "heldout", texts(args.work / "heldout.jsonl"), tokenizer)


if __name__ == "__main__":
    main()
