"""The programs under test: their commands, the moments at which one can catch them, and where a moment lies.

A command runs in a folder of its own and writes to `o` in it, so that no file holds the name of the folder.
"""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GOLDEN = os.path.join(ROOT, "tests/golden")
NANO = os.path.join(GOLDEN, "nano")
BIN = os.path.abspath(os.environ.get("ANEMLL_BIN", os.path.join(ROOT, "build/release/bin")))
MPIRUN = ["bash", os.path.join(ROOT, "launch/mpirun.sh"), "-np"]

STEPS, EVAL, SAVE, STATE = 12, 4, 6, 2
_WORK_LIMIT = ["--work-timeout", "4"]
_MODEL_AND_CACHE = ["--model-id", NANO, "--cache-dir", NANO + "/cache"]


class Program:
    """`phases`: name -> (what, pattern, ms). One waits for a line of output or a file of this pattern, then up to so
    many milliseconds. `limits`: the options that end soon what hangs. {k} is a step, {e} one with an evaluation, {s} one with a state, {p} one with a checkpoint."""

    def __init__(self, name, words, phases, ranks=(1, 2, 4), training=False, limits=()):
        self.name, self.words, self.phases, self.ranks, self.training, self.limits = name, words, phases, ranks, training, limits

    def command(self, ranks):
        start = [*MPIRUN, str(ranks)] if ranks > 1 else []
        return [*start, os.path.join(BIN, self.words[0]), *self.words[1:]]


def _training(name, source, more):
    words = ["anemll_train", *source, *_MODEL_AND_CACHE, "--output-dir", "o",
             "--batch-size", "4", "--lr", "5e-4", "--warmup-steps", "3", "--logging-steps", "1",
             "--eval-samples", "8", "--eval-steps", str(EVAL), "--save-steps", str(SAVE), "--state-steps", str(STATE),
             "--max-steps", str(STEPS), "--precision", "fp32", "--threads", "1", "--seed", "7", "--resume", "auto"]
    phases = {
        "start": ("line", r"threads per rank", 250),
        "import": ("line", r"KD cache", 20),
        "step": ("line", r"step {k}/\d+  loss", 12),
        "evaluation": ("line", r"step {e}/\d+  loss", 6),
        "state write": ("file", r"o/state/step_0*{s}\.tmp", 3),
        ".pt write": ("file", r"o/(best_state_dict|checkpoint_step{p}|v2_.*)\.pt\.tmp\.\d+", 4),
        "last files": ("line", r"step %d/\d+  eval" % STEPS, 40),
        **more}
    limits = [word for name in ("init", "step", "work") for word in (f"--{name}-timeout", "4")]
    return Program(name, words, phases, training=True, limits=limits)


PROGRAMS = {p.name: p for p in (
    _training("train-v2", ["--v2-checkpoint", NANO + "/v2_q2a4_init.pt"], {}),
    _training("train-scratch", ["--from-scratch"], {
        "scale init": ("line", r"scale init", 60),
        "first write": ("file", r"o/v2_scratch_initial\.pt\.tmp\.\d+", 4)}),
    Program("precompute",
            ["anemll_precompute", "--teacher_model_name_or_path", NANO,
             "--dataset_name", GOLDEN + "/datasets/alpaca_40.json", "--dataset_format", "alpaca_chat",
             "--max_length", "32", "--topk", "16", "--num_sequences", "40", "--batch_size", "1", "--shard_size", "8",
             "--dtype", "fp32", "--threads", "1", "--output_dir", "o", "--resume"],
            {"start": ("line", r"threads per rank", 60),
             "teacher pass": ("file", r"o.precompute/units/rows_.*\.unit", 60),
             "unit write": ("file", r"o.precompute/units/.*\.tmp\.\d+", 2),
             "shard write": ("file", r"o.precompute/cache/shard_.*\.tmp", 3),
             "between shards": ("file", r"o.precompute/cache/shard_0000[0-3]\.h5", 20)}, limits=_WORK_LIMIT),
    Program("snap",
            ["anemll_snap", "--checkpoint", NANO + "/v2_q2a4_trained.pt", *_MODEL_AND_CACHE, "--fp16", "--output", "o",
             "--samples", "8", "--test-tokens", "4"],
            {"start": ("line", r"threads per rank", 40),
             "import": ("line", r"KD cache", 10),
             "snap write": ("file", r"o/model_state_dict\.pt\.tmp\.\d+", 8),
             "scoring": ("line", r"Scoring", 60),
             "last files": ("file", r"o/model_state_dict\.pt", 160)}, ranks=(1,)),
    Program("init",
            ["anemll_init", "--init", "cd", *_MODEL_AND_CACHE,
             "--calibration-tokens", "256", "--threads", "1", "--output", "o", "--resume"],
            {"start": ("line", r"threads per rank", 100),
             "block": ("line", r"looks at", 400),
             "block write": ("file", r"o.start/block_.*", 5),
             "between blocks": ("line", r"block 1 of 2", 250),
             "init write": ("file", r"o.start/made", 8)}, limits=_WORK_LIMIT),
)}


def listing(folder):
    """Relative paths of all that lies in `folder`, a folder too; a program may be at work in it."""
    found = []
    for at, folders, files in os.walk(folder):
        start = os.path.relpath(at, folder)
        found += [os.path.normpath(os.path.join(start, name)) for name in folders + files]
    return found


_WRITES = ((r"/state/(step_\d+\.tmp|(latest|best)\.tmp|frozen\.draft)", "state write"),
           (r"\.start/made", "init write"), (r"\.start/block_.*\.tmp", "block write"),
           (r"/units/.*\.tmp\.", "unit write"), (r"\.precompute/cache/.*\.tmp", "shard write"),
           (r"kd_cache\.partial", "import"), (r"\.pt\.(tmp\.|link)", ".pt write"), (r"\.tmp\.\d+$", "small file write"))


def landed(program, lines, files):
    """The phase in which a program is that has said `lines` and whose folder holds `files`."""
    for pattern, phase in _WRITES:
        if any(re.search(pattern, name) for name in files):
            return "snap write" if program.name == "snap" and phase == ".pt write" else phase
    said = "\n".join(lines)
    if program.training:
        steps = re.findall(r"step (\d+)/\d+  (loss|eval)", said)
        if not steps:
            return "scale init" if "scale init" in said else "start"
        step, what = int(steps[-1][0]), steps[-1][1]
        if step == STEPS and what == "eval":
            return "last files"
        return "evaluation" if what == "loss" and step % EVAL == 0 else "step"
    if program.name == "precompute":
        if "teacher pass" not in said:
            return "start"
        return "after the end" if "complete" in said else "teacher pass"
    if program.name == "snap":
        return "last files" if "Snapped" in said else "scoring" if "Scoring" in said else "start"
    return "block" if "looks at" in said else "start"
