"""Whether a run whose number of ranks has changed ended near to another: losses and the tensors of the last state.

usage: near_run.py WHOLE OTHER STEP: prints what differs by more than rounding, nothing where all is near.
"""
import json
import struct
import sys

LOSS = 1e-4  # fp32 sums in another order, amplified by updates: tests/e2e/ranks_test.cpp
# A tensor of scales, by its size: the same, seen to be 2e-8 after 70 steps. Ten steps of training change one by 2e-3.
TENSOR = 1e-4


def rows(folder):
    """Of training_log.csv, without times."""
    with open(folder + "/training_log.csv") as log:
        return [line.split(",")[:4] for line in log]


def near(first, second):
    return first == second or abs(float(first) - float(second)) <= LOSS * max(abs(float(first)), abs(float(second)))


def tensors(folder, step):
    with open("%s/state/step_%08d/parameters.safetensors" % (folder, step), "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            yield name, struct.unpack("<%df" % ((end - begin) // 4), data[start + begin : start + end])


def distance(first, second):
    """Of two tensors, by the size of the first."""
    return (sum((x - y) ** 2 for x, y in zip(first, second)) / max(sum(x * x for x in first), 1e-12)) ** 0.5


def main():
    whole, other, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
    wanted, got = rows(whole), rows(other)
    if [row[0] for row in wanted] != [row[0] for row in got]:
        print("training_log.csv has other rows")
    for first, second in zip(wanted[1:], got[1:]):
        if not all(near(x, y) for x, y in zip(first, second)):
            print("training_log.csv:", ",".join(first), "and", ",".join(second))
    wanted, got = dict(tensors(whole, step)), dict(tensors(other, step))
    if not wanted or {n: len(t) for n, t in wanted.items()} != {n: len(t) for n, t in got.items()}:
        print("other tensors")
        return
    worst = max(wanted, key=lambda name: distance(wanted[name], got[name]))
    far = distance(wanted[worst], got[worst])
    print("near_run: the farthest tensor, %s: %.2g of its size" % (worst, far), file=sys.stderr)
    if not far <= TENSOR:
        print("%s differs by %.2g of its size" % (worst, far))


main()
