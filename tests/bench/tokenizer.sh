#!/usr/bin/env bash
# Our tokenizer against the Python tokenizers library: load time and encoding speed, one thread each, in one run.
# Prints one JSON object; fails when the ids differ.
#
#   tests/bench/tokenizer.sh BUILD_DIR MODEL_DIR TEXT_FILE [SECONDS]
#
# PYTHON names an interpreter that has the library (python3). Speeds are MB of text a second, the best of the runs
# that fit into SECONDS (2): `lines` one call a line, `whole` one call for all. Python's is its fastest call without
# offsets. ratio_* are ours over theirs.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
build=$1 model=$2 text=$3 seconds=${4:-2}

ours=$("$build/bench/tokenizer_bench" "$model" "$text" "$seconds")
TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1 "${PYTHON:-python3}" - "$model/tokenizer.json" "$text" "$seconds" "$ours" <<'PYTHON'
import array, hashlib, json, sys, time
import tokenizers
path, text_path, budget, ours = sys.argv[1], sys.argv[2], float(sys.argv[3]), json.loads(sys.argv[4])

def best(budget, action):
    spent, least = 0.0, float("inf")
    while spent < budget or least == float("inf"):
        start = time.perf_counter()
        action()
        once = time.perf_counter() - start
        spent += once
        least = min(least, once)
    return least

load = best(budget / 2, lambda: tokenizers.Tokenizer.from_file(path))
tokenizer = tokenizers.Tokenizer.from_file(path)
with open(text_path, encoding="utf-8", newline="") as file:
    text = file.read()
lines = text.split("\n")
if lines and not lines[-1]:
    lines.pop()
# One call of the batch function keeps Python's own loop out of the timing; one thread works on it.
batch = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
by_line = best(budget, lambda: batch(lines, add_special_tokens=False))
whole = best(budget, lambda: batch([text], add_special_tokens=False))
ids = array.array("i")
for encoding in batch(lines, add_special_tokens=False):
    ids.extend(encoding.ids)
mb = len(text.encode()) / 1e6
theirs = {"version": tokenizers.__version__, "load_s": round(load, 4), "lines_mb_s": round(mb / by_line, 2),
          "whole_mb_s": round(mb / whole, 2)}
equal = hashlib.sha256(ids.tobytes()).hexdigest() == ours.pop("ids_hash")
print(json.dumps({"ours": ours, "python": theirs, "equal": equal,
                  "ratio_load": round(load / ours["load_s"], 1),
                  "ratio_lines": round(ours["lines_mb_s"] / theirs["lines_mb_s"], 1),
                  "ratio_whole": round(ours["whole_mb_s"] / theirs["whole_mb_s"], 1)}))
sys.exit(0 if equal else 1)
PYTHON
