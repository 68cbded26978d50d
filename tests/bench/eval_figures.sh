#!/usr/bin/env bash
# anemll_eval against llama.cpp on the same files and the same text: perplexity of the F16 file, and KL of quantised ones.
# Prints one JSON object a file.
#
#   tests/bench/eval_figures.sh BUILD_DIR MODEL_DIR TEXT OUT [CHUNKS]
#
# MODEL_DIR is a Hugging Face folder of a Llama model, TEXT a UTF-8 file, CHUNKS (20) how many chunks of 512 tokens are
# scored. OUT gets the .gguf files and what both programs said. Each of TYPES (Q4_0 Q3_K_M Q2_K) is made by llama-quantize, and
# its weights once more as an F16 file. On the F16 files both compute the same: perplexity must agree within 0.1%, KL
# within 1%. On quantised files llama.cpp also rounds activations: that difference is told, and no fault.
#
# LLAMA_CPP names the folder of llama.cpp's sources, LLAMA_BIN the folder of its programs (LLAMA_CPP/build/bin), PYTHON an
# interpreter with the packages of its converter (python3), THREADS the threads of both (2).
# Exit codes: 0 all agree, 1 a figure differs, 2 usage, 3 data.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -ge 4 ] && [ $# -le 5 ] || { usage >&2; exit 2; }
build=${1%/} model=${2%/} text=$3 out=${4%/} chunks=${5:-20}
. "$here/../../launch/env.sh"
python=${PYTHON:-python3} threads=${THREADS:-2}
read -ra types <<<"${TYPES:-Q4_0 Q3_K_M Q2_K}"
[ -n "${LLAMA_CPP:-}" ] || refuse 2 "LLAMA_CPP is not set" "the folder of llama.cpp's sources, built"
bin=${LLAMA_BIN:-$LLAMA_CPP/build/bin}

[ -x "$build/bin/anemll_eval" ] || refuse 2 "$build has no bin/anemll_eval" "bash launch/build.sh release, and give build/release"
for program in llama-quantize llama-perplexity; do
  [ -x "$bin/$program" ] || refuse 2 "$bin has no $program" "build llama.cpp, or name the folder by LLAMA_BIN"
done
[ -f "$LLAMA_CPP/convert_hf_to_gguf.py" ] || refuse 2 "LLAMA_CPP has no convert_hf_to_gguf.py" "the folder of llama.cpp's sources"
[ -f "$model/config.json" ] || refuse 3 "$model has no config.json" "a Hugging Face folder"
[ -s "$text" ] || refuse 3 "$text is not there or empty" "a UTF-8 text of some ten thousand words"
[ ! -e "$out" ] || refuse 2 "$out is there already" "give the name of a new folder"

mkdir -p "$out"
"$python" "$LLAMA_CPP/convert_hf_to_gguf.py" "$model" --outfile "$out/F16.gguf" --outtype f16 >"$out/converter.log" 2>&1 ||
  refuse 1 "llama.cpp's converter does not take the folder" "$out/converter.log has all of its lines"
names=(F16)
for type in "${types[@]}"; do
  "$bin/llama-quantize" "$out/F16.gguf" "$out/$type.gguf" "$type" "$threads" >"$out/quantize_$type.log" 2>&1
  "$bin/llama-quantize" --allow-requantize "$out/$type.gguf" "$out/${type}_as_F16.gguf" F16 "$threads" \
    >"$out/dequantize_$type.log" 2>&1
  names+=("$type" "${type}_as_F16")
done

perplexity() { # NAME [WORD...]
  "$bin/llama-perplexity" -m "$out/$1.gguf" -f "$text" -c 512 --chunks "$chunks" -t "$threads" \
    --kl-divergence-base "$out/base.kld" "${@:2}" >"$out/llama_$1.log" 2>&1
}
perplexity F16
for name in "${names[@]:1}"; do perplexity "$name" --kl-divergence; done

files=()
for name in "${names[@]}"; do files+=("$out/$name.gguf"); done
"$build/bin/anemll_eval" "${files[@]}" --teacher "$out/F16.gguf" --text "$text" --context 512 --chunks "$chunks" \
  --threads "$threads" --json >"$out/eval.json"

"$python" - "$out" "${names[@]}" <<'PYTHON'
import json, re, sys

out, names = sys.argv[1], sys.argv[2:]
models = json.load(open(f"{out}/eval.json"))["models"]


def said(name, pattern):
    found = re.findall(pattern, open(f"{out}/llama_{name}.log").read())
    if not found:
        sys.exit(f"eval_figures.sh: {out}/llama_{name}.log has no figure for {pattern}")
    return float(found[-1])


wrong = 0
for name, ours in zip(names, models):
    row = {"file": name, "bits_per_weight": ours["bits_per_weight"], "tokens_per_s": ours["tokens_per_s"]}
    if name == "F16":
        theirs = said(name, r"PPL = ([0-9.]+)")
        row |= {"perplexity": ours["perplexity"], "llama_cpp": theirs}
        row["difference"] = ours["perplexity"] / theirs - 1
        row["agrees"] = abs(row["difference"]) <= 0.001
    else:
        theirs = said(name, r"Mean +KLD: +([0-9.]+)")
        row |= {"kl": ours["kl"], "llama_cpp": theirs, "difference": ours["kl"] / theirs - 1}
        row |= {"top1": ours["top1"], "interval": [ours["kl_low"], ours["kl_high"]]}
        if name.endswith("_as_F16"):
            row["agrees"] = abs(row["difference"]) <= 0.01
    wrong += row.get("agrees") is False
    print(json.dumps(row))
sys.exit(1 if wrong else 0)
PYTHON
