"""The JSON of gpu.sh, out of what its runs left.

gpu_report.py OUT BUILD_DIR DEVICE RANKS BATCH SHAPE...     exit code 1 when a result differs or is missing
gpu_report.py --difference FOLDER FOLDER              of two runs alone

Figures of a shape: medians over the steps behind the first five, with the slowest and the fastest of them. `gflops`: 6 FLOP
per body weight and 4 per head weight and supervised token. `share_of_gemm`: over `gemm` in the precision of the run, once per
GPU. `parts_ms`: a step's mean time by parts, the first steps included; `reduction` is what is left of it beside backward.
`overlap`: the share of the reduction that backward hides, 1 - reduction / reduction of a run with --bucket-mib 0, which starts it
behind backward; null on one rank. `peak_gpu_mib`: the largest memory in use on any GPU, by whomever, five times a second.
"""
import json
import os
import re
import statistics
import subprocess
import sys

TOLERANCE = 1e-4  # sums in another order, over five updates
UPDATES = 5  # of a run of gpu.sh on the nano model
WARM_UP = 5
LENGTH = 256  # of the sequences that gpu.sh lets random_model make


def rows(folder, kind):
    try:
        with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as file:
            return [row for row in map(json.loads, file) if row["kind"] == kind]
    except (OSError, ValueError, KeyError):
        return []


def figures(folder):
    """Losses and gradient norms of a run on the nano model; None when it has not all of them."""
    train, evaluated = rows(folder, "train"), rows(folder, "eval")
    if len(train) != UPDATES or len(evaluated) < 2:
        return None
    found = [row.get(name) for row in train for name in ("loss", "grad_norm")] + [row.get("loss") for row in evaluated]
    return None if None in found else found


def difference(left, right):
    """The largest relative difference; None where there is none to tell."""
    one, other = figures(left), figures(right)
    if one is None or other is None or len(one) != len(other):
        return None
    return max(abs(a - b) / (abs(a) or 1) for a, b in zip(one, other))


def verdict(found):
    return "missing" if found is None else "right" if found <= TOLERANCE else "wrong"


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def first(pattern, path, kind=str):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read(), re.M)
    except OSError:
        return None
    return kind(found.group(1)) if found else None


def machine(device):
    facts = {"processor": first(r"^model name\s*: (.*)", "/proc/cpuinfo"), "cores": len(os.sched_getaffinity(0)),
             "memory_mib": first(r"^MemTotal:\s*(\d+)", "/proc/meminfo", int) // 1024}
    if device == "cuda":
        names = ("name", "driver_version", "memory.total", "power.limit", "clocks.max.sm")
        lines = said("nvidia-smi", "--query-gpu=" + ",".join(names), "--format=csv,noheader").splitlines()
        facts["gpus"] = [dict(zip(names, (word.strip() for word in line.split(",")))) for line in lines]
    return facts


def build_facts(build):
    lines = said(os.path.join(build, "bin/anemll_train"), "--version").splitlines()
    facts = {"program": next((line for line in lines if re.search(r"\d", line)), None)}
    facts.update(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines if re.search(r"\S\s{2,}\S", line))
    return facts


def parts(summary):
    """Milliseconds of a step by parts."""
    return {name: round(1e3 * seconds / summary["step"], 3) for name, seconds in summary["time_s"].items()
            if name not in ("start", "files", "evaluation")}


def overlap(folder, mine):
    behind = rows(folder, "summary")
    whole = parts(behind[0]["summary"]).get("reduction") if behind else None
    return round(1 - mine["reduction"] / whole, 3) if whole else None


def speed(out, shape, device, ranks, gemm):
    folder, log = os.path.join(out, shape, "run"), os.path.join(out, shape + ".log")
    steps, end = rows(folder, "train")[WARM_UP:], rows(folder, "summary")
    if not steps or not end:
        return {"shape": shape, "error": first(r"^error: (.*)", log) or "no figures"}
    end = end[0]["summary"]
    rates = [row["tokens_per_s"] for row in steps]
    with open(os.path.join(out, shape, "model/config.json"), encoding="utf-8") as file:
        config = json.load(file)
    precision = first(r", (\w+) GEMMs$", log)
    rate = statistics.median(rates)
    head = config["vocab_size"] * config["hidden_size"]
    gflops = rate * (6 * end["body_weights"] + 4 * head * end["positions_per_token"]) / 1e9
    whole = (gemm.get(f"gemm_{precision}_gflops") or 0) * (ranks if device == "cuda" else 1)
    took = steps[-1]["elapsed_s"] - steps[0]["elapsed_s"]
    spent = parts(end)
    memory = first(r"(?s)(.*)", os.path.join(out, shape + ".memory"))
    return {"shape": shape, "ranks": ranks, "precision": precision, "steps": len(steps),
            "tokens_per_s": round(rate, 1), "slowest": round(min(rates), 1), "fastest": round(max(rates), 1),
            "gflops": round(gflops, 1), "share_of_gemm": round(gflops / whole, 3) if whole else None,
            "data_wait_share": round(sum(row["data_wait_s"] for row in steps[1:]) / took, 4) if took > 0 else None,
            "parts_ms": spent, "overlap": overlap(os.path.join(out, shape, "behind"), spent), "start_s": round(end["time_s"]["start"], 2),
            "peak_host_mib": end["peak_resident_bytes"] >> 20, "planned_mib": end["planned_bytes"] >> 20,
            "peak_gpu_mib": max(map(int, re.findall(r"\d+", memory)), default=None) if memory else None}


def main(words):
    if words[:1] == ["--difference"] and len(words) == 3:
        found = difference(words[1], words[2])
        print("no figures" if found is None else f"{found:.3g}", verdict(found), sep=", ")
        return 0
    if len(words) < 5:
        print(__doc__, file=sys.stderr)
        return 2
    out, build, device, ranks, batch = words[0], words[1], words[2], int(words[3]), int(words[4])
    with open(os.path.join(out, "compared"), encoding="utf-8") as file:
        compared = [line.rstrip("\n").split("|") for line in file]
    with open(os.path.join(out, "gemm.json"), encoding="utf-8") as file:
        gemm = json.load(file)
    try:
        with open(os.path.join(out, "kernels.json"), encoding="utf-8") as file:
            kernels = json.load(file)
    except (OSError, ValueError):
        kernels = []  # which is wrong: there are some
    correct = [(name, difference(os.path.join(out, left), os.path.join(out, right))) for name, left, right in compared]
    speeds = [speed(out, shape, device, ranks, gemm) for shape in words[5:]]
    print(json.dumps({
        "device": device, "machine": machine(device), "build": build_facts(build), "gemm": gemm, "batch": batch,
        "length": LENGTH, "kernels": kernels, "correct": [{"case": name, "difference": found, "verdict": verdict(found)} for name, found in correct],
        "speed": speeds}, indent=1))
    wrong = not kernels or any(row["verdict"] != "right" for row in kernels)
    return int(wrong or any(verdict(found) != "right" for _, found in correct) or any("error" in row for row in speeds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
