"""What a run leaves: whether every file is whole, and whether two ends are the same."""
import csv
import hashlib
import json
import math
import os
import re
import struct
import subprocess
import zipfile

import programs

RELATIVE = 1e-4  # fp32 sums in another order, amplified by updates: tests/e2e/ranks_test.cpp
_LEFTOVER = re.compile(r"\.tmp(\.|/|$)|\.partial(/|$)|\.draft|\.link$|\.start/made|\.(moving|old)(/|$)")
_TIME_IN_NAME = re.compile(r"_\d{8}_\d{6}\.pt$")
_DUMP = re.compile(r"(o/)?flight/flight_\S+\.json")  # tells why ranks ended, and stays
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_TIMES = ("elapsed_s", "tokens_per_s", "data_wait_s", "time_s", "peak_resident_bytes", "planned_bytes")
_MAIN = ("best_state_dict.pt", "model_state_dict.pt", "v2_init.pt")  # the others are like them: their CRCs tell enough
_inspected = set()  # digests of those that anemll_inspect has read


def is_leftover(name):
    return _LEFTOVER.search(name) is not None


def files_of(folder):
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            if name != ".lock" and os.path.isfile(path):
                found[os.path.relpath(path, folder)] = path
    return found


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _tool(*words):
    done = subprocess.run([os.path.join(programs.BIN, words[0]), *words[1:]], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{words[0]} {words[1]} ends with {done.returncode}: {done.stderr[-300:]}"


def _torn_pt(path):
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        if bad:
            return f"{bad} in it has another CRC"
    digest = hashlib.sha256(_read(path)).hexdigest()
    if digest in _inspected or os.path.basename(path) not in _MAIN:
        return ""
    _inspected.add(digest)
    return _tool("anemll_inspect", "check", path)


def _torn_safetensors(path):
    data = _read(path)
    size = struct.unpack("<Q", data[:8])[0]
    entries = json.loads(data[8:8 + size])
    end = max((e["data_offsets"][1] for name, e in entries.items() if name != "__metadata__"), default=0)
    return "" if len(data) == 8 + size + end else f"{len(data)} bytes, not {8 + size + end}"


def _torn_state(path):
    manifest, folder = json.loads(_read(path)), os.path.dirname(path)
    if "files" not in manifest:
        return ""
    for part, facts in manifest["files"].items():
        if hashlib.sha256(_read(os.path.join(folder, part))).hexdigest() != facts["sha256"]:
            return f"{part} has another digest than its manifest says"
    return ""


def torn(folder):
    """One line for each file that cannot be read, leftovers of a killed writer aside."""
    lines = []
    for name, path in sorted(files_of(folder).items()):
        if is_leftover(name):
            continue
        try:
            what = ""
            if name.endswith(".pt"):
                what = _torn_pt(path)
            elif name.endswith(".safetensors"):
                what = _torn_safetensors(path)
            elif name.endswith("manifest.json"):
                what = _torn_state(path)
            elif name.endswith((".json", "state/best")):
                json.loads(_read(path))
            elif name.endswith(".h5"):
                what = _tool("anemll_cache", "verify", path)
            elif name.endswith("state/latest") and not re.fullmatch(rb"step_\d+\n", _read(path)):
                what = "names no state"
            elif name.endswith((".csv", ".jsonl")):  # appended to: the last line may be half
                whole = _read(path).split(b"\n")[:-1]
                for line in whole if name.endswith(".jsonl") else []:
                    json.loads(line)
        except (OSError, ValueError, KeyError, struct.error, zipfile.BadZipFile) as error:
            what = f"{type(error).__name__}: {error}"
        if what:
            lines.append(f"torn file {name}: {what}")
    return lines


def _end_of(folder):
    """Names without times -> paths. Of the states only the last: which earlier ones are kept depends on the kills. What
    anemll_snap made before it was killed lies in earlier-<n>, whole but not wanted."""
    states = sorted(name for name in os.listdir(folder + "/o/state")) if os.path.isdir(folder + "/o/state") else []
    last = max((s for s in states if re.fullmatch(r"step_\d+", s)), default="")
    ends = {}
    for name, path in files_of(folder).items():
        state = re.match(r"o/state/(step_[^/]+)/", name)
        if (state and state.group(1) != last) or re.match(r"o/earlier-\d+/", name):
            continue
        ends.setdefault(_TIME_IN_NAME.sub("_TIME.pt", name), []).append(path)
    return ends


def _without_times(value):
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in _TIMES}
    if isinstance(value, list):
        return [_without_times(v) for v in value]
    return _TIME_IN_NAME.sub("_TIME.pt", value) if isinstance(value, str) else value


def _rows(path):
    """Without the lines of who computed: a run that goes on may do so on other ranks, in another folder."""
    rows = [_without_times(json.loads(line)) for line in _read(path).splitlines()]
    return [row for row in rows if row.get("kind") != "start"]


def _content(name, path, folder):
    """What two equal ends have in common of a file."""
    if name.endswith(".jsonl"):
        return _rows(path)
    if name.endswith(".csv"):
        with open(path, encoding="utf-8") as file:
            return [row[:-1] for row in csv.reader(file)]
    if name.endswith("trainer.json"):
        return _without_times(json.loads(_read(path))["state"])
    if name.endswith("manifest.json"):
        facts = json.loads(_read(path))
        facts.get("files", {}).pop("trainer.json", None)  # it holds a time
        return facts
    content = _STAMP.sub(b"", _read(path))
    return content.replace(folder.encode(), b"") if name.endswith(".json") else content


def _near(a, b):
    return a == b or (a is not None and b is not None and math.isfinite(a) and math.isfinite(b) and
                      abs(a - b) <= RELATIVE * abs(b))


def _other_losses(ours, theirs):
    if [(r["kind"], r.get("step")) for r in ours] != [(r["kind"], r.get("step")) for r in theirs]:
        return ["o/metrics.jsonl has other rows"]
    far = [(a["step"], a["loss"], b["loss"]) for a, b in zip(ours, theirs)
           if "loss" in b and not _near(a.get("loss"), b["loss"])]
    return [f"loss of step {step} is {mine}, not {wanted} within {RELATIVE}" for step, mine, wanted in far[:3]]


def differences(folder, wanted, to_the_bit):
    """One line for each way in which the end in `folder` is another than that in `wanted`."""
    ours, theirs = _end_of(folder), _end_of(wanted)
    lines = [f"file {name} is missing" for name in sorted(theirs.keys() - ours.keys())]
    lines += [f"file {name} is too many" for name in sorted(ours.keys() - theirs.keys()) if not _DUMP.fullmatch(name)]
    for name in sorted(ours.keys() & theirs.keys()):
        expected = _content(name, theirs[name][0], wanted)
        for path in ours[name]:
            got = _content(name, path, folder)
            if to_the_bit and got != expected:
                lines.append(f"{name} is another one" + _first_difference(got, expected))
            elif not to_the_bit and name.endswith("metrics.jsonl"):
                lines += _other_losses(got, expected)
            elif not to_the_bit and name.endswith((".pt", ".safetensors")) and len(got) != len(expected):
                lines.append(f"{name} has {len(got)} bytes, not {len(expected)}")
    return lines


def _first_difference(got, expected):
    if isinstance(got, bytes):
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        return f": {len(got)} and {len(expected)} bytes, the first difference at {at}"
    if isinstance(got, list):
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        return f": {len(got)} and {len(expected)} rows, first {got[at:at + 1]} instead of {expected[at:at + 1]}"
    if isinstance(got, dict):
        keys = sorted(k for k in got.keys() | expected.keys() if got.get(k) != expected.get(k))
        return ": " + ", ".join(f"{k} {got.get(k)} instead of {expected.get(k)}" for k in keys)
    return f": {got} instead of {expected}"[:600]
