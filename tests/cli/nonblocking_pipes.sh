# Who shares a pipe may have made it non-blocking: nothing is lost, nothing is an error.
yes '{"prompt":"def f","max_tokens":2}' | head -40 >requests
python3 - <<'P'
import os, subprocess, threading, time
to_read, to_write = os.pipe()
os.set_blocking(to_write, False)
try:
    while True: os.write(to_write, b" " * 4096)
except BlockingIOError: pass
tool = subprocess.Popen(["r1-complete", "--jsonl", "requests"], stdout=to_write)
os.close(to_write)
time.sleep(0.3)
with os.fdopen(to_read, "rb") as pipe: lines = pipe.read().decode().split("\n")
print(len(lines) - 1, tool.wait())
to_read, to_write = os.pipe()
os.set_blocking(to_read, False)
tool = subprocess.Popen(["r1-complete", "-n", "1"], stdin=to_read, stdout=subprocess.DEVNULL)
time.sleep(0.3)
os.write(to_write, b"def f")
os.close(to_write)
print(tool.wait())
P
