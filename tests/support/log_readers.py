#!/usr/bin/env python3
"""Experiment logs, written and read by the packages wandb and tensorboard.

  log_readers.py goldens FOLDER        writes run.wandb and events.out, which tests compare with, byte for byte
  log_readers.py compare RUN_FOLDER    reads the logs of a run record by record and holds them against metrics.jsonl
  log_readers.py precompute RUN        reads the W&B run of a cache program

wandb is 0.28: later versions have no reader in Python."""
import glob
import hashlib
import json
import math
import os
import struct
import sys

from wandb.proto import wandb_internal_pb2 as pb
from wandb.sdk.internal.datastore import DataStore

BEGAN = 1700000000.25
STEPS = [(0, {"train/step": 0, "eval/loss": 2.5}), (5, {"train/step": 5, "train/loss": 1.0 / 3.0, "train/lr": float("nan")})]
TABLE = {"columns": ["prompt", "answer"], "data": [["Hi|", "a\nb"]]}


def wandb_records():
    """The records of tests/unit/tracking/wandb_run_test.cpp; each item is (clock, record)."""
    def items(target, values):
        for key, value in values:
            one = target.add()
            if isinstance(key, str):
                one.key = key
            else:
                one.nested_key.extend(key)
            one.value_json = value

    def record():
        records.append(pb.Record(num=len(records) + 1))
        return records[-1]

    def row(values, now, count):
        values = values + [("_step", str(count)), ("_timestamp", text(now)), ("_runtime", text(now - BEGAN))]
        history = record().history
        items(history.item, values)
        history.step.num = count
        items(record().summary.update, values + [(("_wandb", "runtime"), str(int(now - BEGAN)))])

    def text(value):
        return "NaN" if value != value else str(int(value)) if value == int(value) else repr(value)

    records = []
    record().header.version_info.CopyFrom(pb.VersionInfo(producer="anemll", min_consumer="0.70.0"))
    run = record().run
    run.run_id, run.entity, run.project, run.display_name, run.host = "abcd1234", "team", "qwen3-qat", "a run", "host"
    items(run.config.update, [("lr", "0.001"), ("model_id", '"nano"')])
    run.start_time.seconds, run.start_time.nanos = int(BEGAN), 250000000
    environment = record().environment
    environment.os, environment.program, environment.host, environment.writer_id = "Linux", "anemll_train", "host", "abcd1234"
    environment.started_at.CopyFrom(run.start_time)
    metric = record().metric
    metric.name, metric.options.defined = "train/step", True
    metric = record().metric
    metric.glob_name, metric.step_metric, metric.options.defined = "train/*", "train/step", True
    for count, (step, values) in enumerate(STEPS):
        row([(key, text(value)) for key, value in values.items()], BEGAN + 1.5 * (count + 1), count)
    content = json.dumps(TABLE, separators=(",", ":")).encode()
    digest = hashlib.sha256(content).hexdigest()
    path = "media/table/samples_2_%s.table.json" % digest[:20]
    record().files.files.add(path=path, type=pb.FilesItem.FileType.MEDIA)
    value = dict(sorted({"_type": "table-file", "path": path, "sha256": digest, "size": len(content), "ncols": 2, "nrows": 1}.items()))
    row([("train/step", "5"), ("samples", json.dumps(value, separators=(",", ":")))], BEGAN + 4.5, 2)
    leave = record().exit
    leave.exit_code, leave.runtime = 0, 4
    return records


def goldens(folder):
    path = os.path.join(folder, "run.wandb")
    if os.path.exists(path):
        os.remove(path)
    store = DataStore()
    store.open_for_write(path)
    for record in wandb_records():
        store._write_data(record.SerializeToString(deterministic=True))
    store.close()

    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
    events = [Event(wall_time=BEGAN, file_version="brain.Event:2"),
              Event(wall_time=BEGAN, step=3, session_log=SessionLog(status=SessionLog.START))]
    for step, values in STEPS:
        summary = Summary()
        for tag, value in values.items():
            summary.value.add(tag=tag, simple_value=value)
        events.append(Event(wall_time=BEGAN, step=step, summary=summary))
    text = Summary()
    one = text.value.add(tag="samples")
    one.metadata.plugin_data.plugin_name = "text"
    one.tensor.dtype = 7
    one.tensor.tensor_shape.SetInParent()
    one.tensor.string_val.append(b"| prompt | answer |\n|---|---|\n| Hi\\| | a<br>b |\n")
    events.append(Event(wall_time=BEGAN, step=5, summary=text))
    with open(os.path.join(folder, "events.out"), "wb") as out:
        for event in events:
            data = event.SerializeToString(deterministic=True)
            length = struct.pack("<Q", len(data))
            for part in (length, struct.pack("<I", masked_crc32c(length)), data, struct.pack("<I", masked_crc32c(data))):
                out.write(part)


def read_wandb(folder):
    """Records of a run's folder; an exception for one that does not parse."""
    files = glob.glob(os.path.join(folder, "run-*.wandb"))
    assert len(files) == 1, files
    store = DataStore()
    store.open_for_scan(files[0])
    records = []
    while (data := store.scan_data()) is not None:
        record = pb.Record()
        record.ParseFromString(data)
        assert record.num == len(records) + 1, "record %d is number %d" % (len(records) + 1, record.num)
        records.append(record)
    return records


def rows_of(records):
    rows = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            row = {item.key: json.loads(item.value_json) for item in record.history.item}
            assert row["_step"] == len(rows) == record.history.step.num, row
            rows.append(row)
    return rows


def same(one, other, tolerance=1e-6):
    if one is None or other is None:
        return (one is None or math.isnan(one)) and (other is None or math.isnan(other))
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-12)


# Metric of the logs: kind and key of metrics.jsonl.
NAMES = {"train/loss": ("train", "loss"), "train/kl": ("train", "kl"), "train/lr": ("train", "lr"),
         "train/grad_norm": ("train", "grad_norm"), "train/tokens_per_sec": ("train", "tokens_per_s"),
         "train/elapsed_sec": ("train", "elapsed_s"), "eval/loss": ("eval", "loss"), "train/next_lr": ("train", "next_lr"),
         "eval/new_best": ("eval", "new_best"), "layers/elapsed_sec": ("layers", "elapsed_s")}
CLOSING = "summary/final_loss"
SAMPLES = "eval/samples"  # answers: a table of a W&B run, a text of TensorBoard


def compare(folder):
    with open(os.path.join(folder, "metrics.jsonl")) as lines:
        metrics = [json.loads(line) for line in lines]
    runs = glob.glob(os.path.join(folder, "wandb", "offline-run-*"))
    assert len(runs) == 1, "one run, not %s" % runs
    records = read_wandb(runs[0])
    rows = rows_of(records)
    kinds = [record.WhichOneof("record_type") for record in records]
    assert kinds[:2] == ["header", "run"] and kinds[-1] == "exit" and kinds.count("exit") == 1, kinds
    config = {item.key: json.loads(item.value_json) for item in records[1].run.config.update}
    summary = {}
    for record in records:
        for item in record.summary.update:
            summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    compared = 0
    for name, (kind, key) in NAMES.items():
        want = [(m["step"], m[key]) for m in metrics if m["kind"] == kind]
        have = [(row["train/step"], row[name]) for row in rows if name in row]
        assert len(want) == len(have) and want, (name, len(want), len(have))
        for (step, value), (step_there, there) in zip(want, have):
            assert step == step_there and same(value, there), (name, step, value, step_there, there)
            compared += 1
        assert same(summary[name], want[-1][1]), name
    closing = [m["summary"]["final_loss"] for m in metrics if m["kind"] == "summary"]
    assert len(closing) == 1 and same(summary[CLOSING], closing[0]), (closing, summary)
    print("wandb: %d records, %d rows, %d values equal to metrics.jsonl, %d config keys, project %s, exit %d" %
          (len(records), len(rows), compared, len(config), records[1].run.project, records[-1].exit.exit_code))

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, STORE_EVERYTHING_SIZE_GUIDANCE
    events = EventAccumulator(os.path.join(folder, "tensorboard"), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
    events.Reload()
    compared = 0
    for name, (kind, key) in NAMES.items():
        want = [(m["step"], m[key]) for m in metrics if m["kind"] == kind]
        have = [(e.step, e.value) for e in events.Scalars(name)]
        assert len(want) == len(have), (name, want, have)
        for (step, value), (step_there, there) in zip(want, have):
            assert step == step_there and same(value, there, 1e-5), (name, step, value, step_there, there)
            compared += 1
    have = [e.value for e in events.Scalars(CLOSING)]
    assert len(have) == 1 and same(have[0], closing[0], 1e-5), (have, closing)
    files = len(glob.glob(os.path.join(folder, "tensorboard", "events.out.tfevents.*")))
    samples = [m for m in metrics if m["kind"] == "eval" and "samples" in m]
    texts = events.Tensors(SAMPLES)
    tables = [row for row in rows if SAMPLES in row]
    assert 0 < len(samples) == len(texts) == len(tables), (len(samples), len(texts), len(tables))
    for sample, text, table in zip(samples, texts, tables):
        answers = [one["answer"] for one in sample["samples"]]
        with open(os.path.join(runs[0], "files", table[SAMPLES]["path"])) as content:
            data = json.load(content)
        assert table["train/step"] == sample["step"], table
        assert [row[-1] for row in data["data"]] == answers, (data, answers)
        shown = text.tensor_proto.string_val[0].decode()
        assert text.step == sample["step"] and all(one["prompt"] in shown for one in sample["samples"]), shown
    print("tensorboard: %d files, %d tags, %d values equal to metrics.jsonl, %d texts of samples" %
          (files, len(events.Tags()["scalars"]), compared, len(texts)))


def precompute(folder):
    records = read_wandb(folder)
    rows = rows_of(records)
    assert rows and records[-1].exit.exit_code == 0
    print("wandb of the cache program: %d records, %d rows, last %s" % (len(records), len(rows), rows[-1]))


if __name__ == "__main__":
    {"goldens": goldens, "compare": compare, "precompute": precompute}[sys.argv[1]](*sys.argv[2:])
