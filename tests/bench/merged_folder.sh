#!/usr/bin/env bash
# A checkpoint merged by `anemll_convert merge`, as others read the folder. Prints one JSON object a reader.
#
#   tests/bench/merged_folder.sh BUILD_DIR CHECKPOINT MODEL_DIR TEXT OUT
#
# CHECKPOINT is a V2 file, best a snapped one: what is trained only is rounded in one reader and not in another.
#
# transformers: perplexity of 64 tokens of TEXT beside ours of the checkpoint and of the folder (bench/true_kl, which
# also tells their KL), and at each of the 64 tokens that anemll_infer says of the checkpoint how far that token's logit is
# below the largest. llama.cpp: its convert_hf_to_gguf.py turns the folder into a .gguf file, from which anemll_infer must
# say the same. OUT gets the folder in fp32, and what was said.
#
# PYTHON names an interpreter with torch and transformers (python3), LLAMA_CPP the folder of llama.cpp's sources, whose
# Python packages that interpreter needs too.
# Exit codes: 0 all agree, 1 a reader disagrees, 2 usage, 3 data, 77 without LLAMA_CPP: the rest agrees.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../launch/stages.sh"
case " $* " in *" --help "* | *" -h "*) usage; exit 0 ;; esac
[ $# -eq 5 ] || { usage >&2; exit 2; }
build=${1%/} checkpoint=$2 model=${3%/} text=$4 out=${5%/}
. "$here/../../launch/env.sh"
python=${PYTHON:-python3}
# The second half of a chunk is scored, and its last token has no next one: 130 - 1 - 65.
tokens=64 chunk=130

for program in bin/anemll_convert bin/anemll_infer bench/true_kl; do
  [ -x "$build/$program" ] || refuse 2 "$build has no $program" "bash launch/build.sh release, and give build/release"
done
[ -f "$checkpoint" ] || refuse 3 "$checkpoint does not exist" "a V2 checkpoint (.pt): a workflow leaves OUT/snap/model_state_dict.pt"
[ -f "$model/tokenizer.json" ] || refuse 3 "$model has no tokenizer.json" "a Hugging Face folder: the other readers need its tokenizer"
[ -s "$text" ] || refuse 3 "$text is not there or empty" "a UTF-8 text of some hundred words"
[ ! -e "$out" ] || refuse 2 "$out is there already" "give the name of a new folder"
command -v "$python" >/dev/null || refuse 2 "there is no $python" "PYTHON names an interpreter"
"$python" -c 'import torch, transformers' 2>/dev/null ||
  refuse 2 "$python has no torch or no transformers" "a virtual environment with: pip install torch transformers; PYTHON names its interpreter"
converter=
if [ -n "${LLAMA_CPP:-}" ]; then
  converter=$LLAMA_CPP/convert_hf_to_gguf.py
  [ -f "$converter" ] || refuse 2 "LLAMA_CPP has no convert_hf_to_gguf.py" "the folder of llama.cpp's sources"
fi

mkdir -p "$out"
"$build/bin/anemll_convert" merge "$checkpoint" "$out/merged" --model-id "$model" --dtype fp32 >&2
"$python" "$here/merged_folder.py" ids "$out/merged" "$text" $chunk >"$out/ids.txt"
"$build/bench/true_kl" "$out/merged" "$checkpoint" "$out/ids.txt" 1 $chunk >"$out/kl.json"

# The first line that has some words, without the space or line end behind it.
awk 'NF >= 4 && !found {sub(/[ \t\r]+$/, ""); printf "%s", $0; found = 1}' "$text" >"$out/prompt.txt"
[ -s "$out/prompt.txt" ] || refuse 3 "$text has no line of four words" "a text of prose"
answer() { # CHECKPOINT_OR_GGUF [WORD...]
  "$build/bin/anemll_infer" "$@" --prompt "$(<"$out/prompt.txt")" --no-template --greedy --repetition-penalty 1 \
    --max-tokens $tokens --precision fp32
}
answer "$checkpoint" --model-id "$model" >"$out/answer.txt"
[ -n "$(<"$out/answer.txt")" ] || refuse 3 "the checkpoint says nothing behind the first line of $text" "another TEXT"

code=0
"$python" "$here/merged_folder.py" compare "$out/merged" "$out/ids.txt" "$out/kl.json" "$out/prompt.txt" "$out/answer.txt" || code=$?
[ $code -le 1 ] || exit $code

if [ -z "$converter" ]; then
  echo "llama.cpp's converter is skipped: LLAMA_CPP names no folder of its sources" >&2
  [ $code -ne 0 ] || code=77
  exit $code
fi
"$python" "$converter" "$out/merged" --outfile "$out/merged.gguf" --outtype f32 >"$out/converter.log" 2>&1 || {
  tail -n 20 "$out/converter.log" >&2
  refuse 1 "llama.cpp's converter does not take the folder" "$out/converter.log has all of its lines"
}
[ -s "$out/merged.gguf" ] || refuse 1 "llama.cpp's converter left no $out/merged.gguf" "$out/converter.log has all of its lines"
answer "$out/merged.gguf" >"$out/answer_gguf.txt"
same=true
cmp -s "$out/answer.txt" "$out/answer_gguf.txt" || same=false code=1
printf '{"llama.cpp": {"gguf_bytes": %d, "same_answer": %s}}\n' "$(wc -c <"$out/merged.gguf")" $same
exit $code
