#!/usr/bin/env bash
# --teacher_revision v1.1 --dataset_revision 2024-05 with local folders: revisions are of the hub.
# Right: told or refused, naming a revision.
# Wrong: silence, while the user believes in a version.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plain a.jsonl 60 zebra; precompute a.jsonl kd --teacher_revision v1.1 --dataset_revision 2024-05; warned 'revision'
