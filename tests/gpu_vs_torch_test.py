#!/usr/bin/env python3
"""Usage: gpu_vs_torch_test.py R1-BENCH     scripts/bench/gpu_vs_torch.py on a machine without a card: the shapes it reads
out of names, its reading of records, the direction of its ratios, and rows that say why they are not there."""
import contextlib
import math
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

BENCH = pathlib.Path(__file__).resolve().parents[1] / "scripts/bench"
sys.path.insert(0, str(BENCH))
import gpu_vs_torch  # noqa: E402
import torch_side  # noqa: E402

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()


def run_of(work):
    return gpu_vs_torch.Run(types.SimpleNamespace(program=PROGRAM, work=work, device="cpu", seconds=100, tiny=True,
                                                  dry_run=False, turns=2))


class Shapes(unittest.TestCase):
    def test_names_say_shapes(self):
        for name, shape in [("op:attention_paged/prefill/8192x32x8x128@8192", ("attention", True, 8192, 32, 8, 128, 8192)),
                            ("op:attention_paged/decode/16x32x64", ("attention", False, 16, 32, 4, 64, 2048)),
                            ("op:linear/bf16/512x4096x14336", ("product", 512, 4096, 14336)),
                            ("op:linear/q4_k/1x4096x14336", None), ("tg64@d128,b64", None)]:
            self.assertEqual(torch_side.shape_of(name), shape)


class Matrix:
    """A tensor that has a shape alone."""

    def __init__(self, *shape):
        self.shape = shape

    def numel(self):
        return math.prod(self.shape)

    def t(self):
        return Matrix(*self.shape[::-1])


def torch_of_shapes(calls):
    """A torch that notes what it is asked to multiply and to attend to."""
    def attend(q, k, v, **options):
        calls.append((q.shape, k.shape, v.shape, options))

    return types.SimpleNamespace(
        bfloat16="bf16", inference_mode=contextlib.nullcontext, randn=lambda *dims, **_: Matrix(
            *(dims[0] if isinstance(dims[0], tuple) else dims)),
        matmul=lambda x, w: calls.append((x.shape, w.shape)),
        nn=types.SimpleNamespace(functional=types.SimpleNamespace(scaled_dot_product_attention=attend)))


class TorchSide(unittest.TestCase):
    def asked(self, test):
        calls = []
        with unittest.mock.patch.dict(sys.modules, torch=torch_of_shapes(calls)), \
                unittest.mock.patch.object(torch_side, "LEAST", 1e-9):
            samples = torch_side.samples_of(test, "cpu")
        self.assertEqual(len(samples), torch_side.SAMPLES)
        self.assertGreater(min(samples), 0)
        return calls[0]

    def test_a_prefill_is_causal_and_shares_key_heads(self):
        self.assertEqual(self.asked("op:attention_paged/prefill/2048x32x8x128@2048"),
                         ((1, 32, 2048, 128), (1, 8, 2048, 128), (1, 8, 2048, 128),
                          {"enable_gqa": True, "is_causal": True}))

    def test_decoding_is_one_row_of_each_sequence(self):
        self.assertEqual(self.asked("op:attention_paged/decode/16x32x32x128@4096"),
                         ((16, 32, 1, 128), (16, 32, 4096, 128), (16, 32, 4096, 128), {"enable_gqa": False}))

    def test_a_weight_is_as_in_a_file(self):
        self.assertEqual(self.asked("op:linear/bf16/512x4096x14336"), ((512, 4096), (4096, 14336)))


class Records(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.run_ = run_of(pathlib.Path(self.folder.name))

    def test_twice_as_fast_is_two(self):
        record = self.run_.bench(["--ops", "op:add/512x2048", "--repeat", "5"])[0]
        self.run_.ours = [{**record, "samples_ns": [100, 101, 102, 103, 104]}]
        self.run_.note_theirs(record, [200, 202, 204, 206, 208])
        self.run_.compared(lambda test: 1.5)
        row = self.run_.rows[0]
        self.assertEqual((row["ratio"], row["met"], row["test"]), (2.0, True, "op:add/512x2048"))
        self.assertTrue(row["low"] < 2 < row["high"])

    def test_a_share_lies_between_its_turns(self):
        record = self.run_.bench(["--ops", "op:add/512x2048"])[0]
        turns = [{**record, "share_of_peak": share} for share in (0.7, 0.9, 0.8)]
        self.run_.add_shares(turns, 0.85, "of copy bandwidth")
        row = self.run_.rows[0]
        self.assertEqual((row["ratio"], row["low"], row["high"], row["met"]), (0.8, 0.7, 0.9, False))

    def test_a_group_is_a_row_a_test(self):
        half = lambda test, device: [50.0] if "bf16" in test else []
        with unittest.mock.patch.multiple(torch_side, missing=lambda: None, samples_of=half):
            gpu_vs_torch.operations(self.run_, "products")
        self.run_.ours = [{**r, "samples_ns": [100.0, 100.0]} for r in self.run_.ours]
        self.run_.compared(lambda test: None)
        self.assertEqual([(r["test"], r["of"]) for r in self.run_.rows],
                         [("op:linear/q8_0/1x2048x5632", "of copy bandwidth"), ("op:linear/bf16/16x2048x5632", "of torch")])
        self.assertIn("| 0.500 of torch |", gpu_vs_torch.table(self.run_.rows).splitlines()[-1])

    def test_what_failed_says_why(self):
        with self.assertRaisesRegex(gpu_vs_torch.NotRun, "no operation fits"):
            self.run_.bench(["--ops", "nothing"])
        self.run_.end = 0
        with self.assertRaisesRegex(gpu_vs_torch.NotRun, "time is up"):
            self.run_.bench(["--ops", "op:add/512x2048"])

    def test_a_line_that_was_cut_off_does_not_count(self):
        self.assertEqual(gpu_vs_torch.read_records('{"schema":"r1.bench/1","id":"a"}\n{"schema":"r1.be'),
                         [{"schema": "r1.bench/1", "id": "a"}])


class WholeRun(unittest.TestCase):
    def table(self, *options):
        with tempfile.TemporaryDirectory() as work:
            command = [sys.executable, BENCH / "gpu_vs_torch.py", PROGRAM, "--work", work, "--tiny", "--device", "cpu",
                       "--turns", "1", *options]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def test_every_group_has_rows(self):
        table = self.table()
        self.assertRegex(table, r"op:linear/q8_0/1x2048x5632 \| [0-9.]+ \|\s*\| \d+\.\d+ of copy bandwidth")
        for group in ("attention", "products", "decode", "prefill", "batch"):
            self.assertRegex(table, rf"{group} (beside|of) .*not run: no (torch|numpy|transformers)|of torch")

    def test_a_dry_run_names_commands_and_runs_none(self):
        plan = self.table("--dry-run")
        self.assertEqual(plan.count("run  "), 3 + len(gpu_vs_torch.TINY_MODELS))
        self.assertNotIn("| test |", plan)


if __name__ == "__main__":
    unittest.main()
