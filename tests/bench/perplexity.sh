#!/usr/bin/env bash
# Perplexities by anemll_eval against those of the Python reference, transformers and llama.cpp. Prints one JSON object a
# figure.
#
#   tests/bench/perplexity.sh BUILD_DIR MODELS TEXT OUT
#
# MODELS is the folder of CONTRIBUTING.md (teacher-7m, smollm2), TEXT the test split of WikiText-2 raw, joined by blank
# lines. The expected values lie in tests/golden: sliding windows of teacher-7m by the reference's script, disjoint windows
# of SmolLM2 by transformers. The perplexity of SmolLM2 over 20 chunks of 512 tokens is llama.cpp's on its F16 file.
#
# PYTHON names an interpreter (python3), THREADS the threads (2). Exit codes: 0 all within 0.1%, 1 one is not, 2 usage, 3 data.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -eq 4 ] || { usage >&2; exit 2; }
build=${1%/} models=${2%/} text=$3 out=${4%/}
golden=$here/../golden
. "$here/../../launch/env.sh"
python=${PYTHON:-python3}
[ -x "$build/bin/anemll_eval" ] || refuse 2 "$build has no bin/anemll_eval" "bash launch/build.sh release, and give build/release"
for model in teacher-7m smollm2; do
  [ -f "$models/$model/config.json" ] || refuse 3 "$models has no $model" "CONTRIBUTING.md says what the folder holds"
done
[ -s "$text" ] || refuse 3 "$text is not there or empty" "WikiText-2 raw, test"
[ ! -e "$out" ] || refuse 2 "$out is there already" "give the name of a new folder"
mkdir -p "$out"

cut_text() { # GOLDEN KEY FILE: the characters that the golden value is about
  "$python" -c 'import json, sys
first, end = json.load(open(sys.argv[1]))[sys.argv[2]]
text = open(sys.argv[3], encoding="utf-8", newline="").read()[first:end]
open(sys.argv[4], "w", encoding="utf-8", newline="").write(text)' "$1" "$2" "$text" "$3"
}
score() { # NAME MODEL TEXT [WORD...]
  "$build/bin/anemll_eval" "$models/$2" --text "$3" --json --threads "${THREADS:-2}" "${@:4}" >"$out/$1.json"
}
cut_text "$golden/text/perplexity.json" chars "$out/teacher.txt"
cut_text "$golden/smollm2/perplexity.json" characters "$out/smollm2.txt"
score sliding_256_128 teacher-7m "$out/teacher.txt" --windows sliding --context 256 --stride 128 --chunks 0
score sliding_128_128 teacher-7m "$out/teacher.txt" --windows sliding --context 128 --stride 128 --chunks 0
score batched_256 smollm2 "$out/smollm2.txt" --windows batched --context 256 --chunks 0
score halves_512 smollm2 "$text" --windows halves --context 512 --chunks 20

"$python" - "$out" "$golden" <<'PYTHON'
import json, sys

out, golden = sys.argv[1:]
teacher = json.load(open(f"{golden}/text/perplexity.json"))
smollm2 = json.load(open(f"{golden}/smollm2/perplexity.json"))
wanted = {name: (teacher[name]["perplexity"], teacher[name]["tokens_scored"])
          for name in ("sliding_256_128", "sliding_128_128")}
wanted["batched_256"] = (smollm2["ppl"], smollm2["scored"])
wanted["halves_512"] = (23.0118, 20 * 255)
wrong = 0
for name, (perplexity, scored) in wanted.items():
    ours = json.load(open(f"{out}/{name}.json"))["models"][0]
    difference = ours["perplexity"] / perplexity - 1
    agrees = abs(difference) <= 0.001 and ours["positions"] == scored
    wrong += not agrees
    print(json.dumps({"figure": name, "perplexity": ours["perplexity"], "expected": perplexity, "difference": difference,
                      "scored": ours["positions"], "tokens_per_s": ours["tokens_per_s"], "agrees": agrees}))
sys.exit(1 if wrong else 0)
PYTHON
