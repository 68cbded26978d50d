#!/usr/bin/env bash
# Speed of anemll_infer, one text at a time, beside transformers and llama.cpp in one run. Prints one JSON object.
#
#   tests/bench/infer.sh BUILD_DIR MODEL_DIR [NAME=CHECKPOINT.pt ...]
#
# PYTHON names an interpreter with transformers and torch (python3; without them these rows are left out).
# LLAMA_BENCH names llama.cpp's llama-bench, LLAMA_F16 and LLAMA_Q4 the model as GGUF files in F16 and Q4_K_M.
# THREADS (2), ROUNDS (3): each program runs once a round, and its best round counts. The prompt has 64 tokens, the
# answer 128. prompt, answer: tokens a second. share: 2 FLOP a weight and token, of the fp32 GEMM rate. The plain model
# is `dense`; of each checkpoint NAME there are NAME.dense and NAME.packed, with what they hold in memory.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/env.sh"
export THREADS=${THREADS:-2} ROUNDS=${ROUNDS:-3}
exec "${PYTHON:-python3}" - "$@" <<'PYTHON'
import json, os, platform, re, subprocess, sys, time

build, model = sys.argv[1], sys.argv[2]
checkpoints = dict(argument.split("=", 1) for argument in sys.argv[3:])
threads, rounds = int(os.environ["THREADS"]), int(os.environ["ROUNDS"])
os.environ["OMP_NUM_THREADS"] = str(threads)
PROMPT, ANSWER = 64, 128
TEXT = " ".join(["the"] * PROMPT)  # a token each; the model goes on with it and does not end


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s\nexit code %d: %s" % (done.stderr[-2000:], done.returncode, " ".join(command)))
    return done


def ours(arguments):
    log = run([build + "/bin/anemll_infer", *arguments, "--no-template", "--prompt", TEXT, "--max-tokens", str(ANSWER),
               "--greedy", "--repetition-penalty", "1", "--device", "cpu", "--threads", str(threads)]).stderr
    speed = re.search(r"prompt: (\d+) tokens, ([\d.]+) tokens/s; answer: (\d+) tokens, ([\d.]+) tokens/s", log)
    memory = dict(re.findall(r"(linears|head|embedding) ([\d.]+) MB", log))
    if (int(speed[1]), int(speed[3])) != (PROMPT, ANSWER):
        print("%s prompt tokens and %s of the answer" % (speed[1], speed[3]), file=sys.stderr)
    row = {"prompt": float(speed[2]), "answer": float(speed[4])}
    row["memory_mb"] = round(sum(float(value) for value in memory.values()), 1)
    return row


def llama(file):
    out = run([os.environ["LLAMA_BENCH"], "-m", file, "-t", str(threads), "-p", str(PROMPT), "-n", str(ANSWER),
               "-r", "1", "-o", "json"]).stdout
    row = {}
    for test in json.loads(out):
        row["prompt" if test["n_gen"] == 0 else "answer"] = round(test["avg_ts"], 1)
    return row


def theirs(loaded):
    import torch
    ids = torch.full((1, PROMPT), 260)

    def seconds(count):
        start = time.perf_counter()
        with torch.inference_mode():
            loaded.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count,
                            do_sample=False, pad_token_id=0)
        return time.perf_counter() - start

    first, whole = seconds(1), seconds(ANSWER)
    return {"prompt": round(PROMPT / first, 1), "answer": round((ANSWER - 1) / (whole - first), 1)}


contenders = {"dense": lambda: ours([model])}
for name, file in checkpoints.items():
    for form in ("dense", "packed"):
        contenders[name + "." + form] = (
            lambda file=file, form=form: ours([file, "--model-id", model, "--weight-format", form]))
for name, variable in (("llama.cpp F16", "LLAMA_F16"), ("llama.cpp Q4_K_M", "LLAMA_Q4")):
    if "LLAMA_BENCH" in os.environ and variable in os.environ:
        contenders[name] = lambda file=os.environ[variable]: llama(file)
try:
    import torch
    import transformers
    torch.set_num_threads(threads)
    for word, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        loaded = transformers.AutoModelForCausalLM.from_pretrained(model, torch_dtype=dtype).eval()
        contenders["transformers " + word] = lambda loaded=loaded: theirs(loaded)
except ImportError as absent:
    print("no rows of transformers: %s" % absent, file=sys.stderr)

best = {}
for _ in range(rounds):
    for name, measure in contenders.items():
        row = measure()
        if name not in best or row["answer"] > best[name]["answer"]:
            best[name] = row
gemm = json.loads(run([build + "/bench/gemm_bench", str(threads)]).stdout)
peak = next(value for key, value in gemm.items() if key == "gemm_fp32_gflops")

with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
    config = json.load(file)
hidden, heads = config["hidden_size"], config["num_attention_heads"]
width = config.get("head_dim") or hidden // heads
kv_heads = config.get("num_key_value_heads", heads)
layer = hidden * (2 * heads * width + 2 * kv_heads * width + 3 * config["intermediate_size"])
weights = config["num_hidden_layers"] * layer + hidden * config["vocab_size"]
for row in best.values():
    row["share"] = round(2 * weights * row["answer"] / 1e9 / peak, 3)
cpu = platform.processor()
with open("/proc/cpuinfo", encoding="utf-8") as file:
    cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), cpu)


def ratio(name, others):
    rates = [best[other]["answer"] for other in others if other in best]
    return round(best[name]["answer"] / max(rates), 2) if name in best and rates else None


ratios = {"dense over transformers": ratio("dense", ["transformers fp32", "transformers bf16"]),
          "dense over llama.cpp F16": ratio("dense", ["llama.cpp F16"])}
for name in checkpoints:
    ratios[name + ".packed over llama.cpp Q4_K_M"] = ratio(name + ".packed", ["llama.cpp Q4_K_M"])
print(json.dumps({"cpu": cpu, "threads": threads, "weights": weights, "gemm_fp32_gflops": peak, "speeds": best,
                  "ratios": ratios}, indent=1))
PYTHON
