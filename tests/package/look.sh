# Sourced by bare_root.sh, which has `fail` and `as_user`: what a package or an archive must hold, and that it starts. The
# programs are those of src/rooms.txt.

# Scripts that `anemll NAME` starts, and that have a --help.
readonly scripts=(two_bit workflow_a workflow_b workflow_c run_v2_training pull_cache save_to_drive supervise)

# programs_of_rooms: their file names.
programs_of_rooms() {
  sed -nE 's/^tools\/([a-z0-9_]+):.*/anemll_\1/p' src/rooms.txt | sed 's/^anemll_front$/anemll/'
}

# starts PREFIX WORD...: as an ordinary account, with a text on its output.
starts() {
  local prefix=$1 output
  shift
  output=$(as_user "$prefix/bin/$1" "${@:2}" 2>&1) || fail "$* does not start: $output"
  [ -n "$output" ] || fail "$* prints nothing"
}

look_at_program() { # ROOT PREFIX NAME
  local root=$1 prefix=$2 name=$3 share=$1$2/share page
  starts "$prefix" "$name" --version
  ! readelf -d "$root$prefix/bin/$name" | grep -F -e "$HOME" -e "$PWD" || fail "$name looks for libraries where it was built"
  page=$share/man/man1/$name.1
  [ -s "$page" ] || page=$page.gz
  [ "$(zcat -f "$page" 2>/dev/null | grep -c '^\.TH')" = 1 ] || fail "no man page of $name"
  grep -q "^#compdef.* $name\b" "$share/zsh/site-functions/_$name" || fail "no zsh completion of $name"
  grep -q "^complete -c $name " "$share/fish/vendor_completions.d/$name.fish" || fail "no fish completion of $name"
}

# What one call tells of all programs: libraries that are not there, and completions that bash does not take.
look_at_programs() { # PREFIX NAME...
  local said
  said=$(as_user bash -c 'cd "$1" && shift && ldd "$@" | grep "not found"' - "$1/bin" "${@:2}" || true)
  [ -z "$said" ] || fail "libraries are missing: $said"
  said=$(as_user bash -c 'cd "$1" && shift && for name; do . "./$name" && complete -p "$name" >/dev/null || echo "$name"; done' - \
    "$1/share/bash-completion/completions" "${@:2}" 2>&1) || fail "no bash completions: $said"
  [ -z "$said" ] || fail "no bash completion of $said"
}

# The text of a licence for each library of the private folder, and the project's own.
look_at_licences() { # ROOT PREFIX
  local doc=$1$2/share/doc/anemll-train file wheel
  [ -s "$doc/copyright" ] || fail "no licence text of its own"
  for file in "$1$2"/lib/*/anemll_train/* "$1$2"/lib/anemll_train/*; do
    [ -e "$file" ] || continue
    case ${file##*/} in
      libtorch_* | libc10*) wheel=torch ;;
      libcudart*) wheel=nvidia_cuda_runtime ;;
      libcupti*) wheel=nvidia_cuda_cupti ;;
      libarrow* | libparquet*) wheel=pyarrow ;;
      *) fail "of ${file##*/} no licence is known" ;;
    esac
    [ -n "$(find "$doc/licences/$wheel" -type f -size +0 2>/dev/null | head -n 1)" ] || fail "no licence text of ${file##*/}"
    libraries=$((libraries + 1))
  done
  [ $libraries -gt 0 ] || fail "no private folder with libraries"
}

# look_at_all ROOT PREFIX: sets `looked`, a line of what was there.
look_at_all() {
  local root=$1 prefix=$2 name programs libraries=0
  mapfile -t programs < <(programs_of_rooms)
  [ ${#programs[@]} -gt 0 ] || fail "src/rooms.txt names no program"
  [ "$(find "$root$prefix/bin" -name 'anemll*' | wc -l)" = ${#programs[@]} ] || fail "not the ${#programs[@]} programs of src/rooms.txt in $prefix/bin"
  for name in "${programs[@]}"; do look_at_program "$root" "$prefix" "$name"; done
  look_at_programs "$prefix" "${programs[@]}"
  for name in "${scripts[@]}"; do starts "$prefix" anemll "$name" --help; done
  starts "$prefix" anemll env
  starts "$prefix" anemll mpirun -np 2 anemll_precompute --version
  look_at_licences "$root" "$prefix"
  [ -s "$root$prefix/share/doc/anemll-train/options.md" ] || fail "no option reference"
  bash tests/support/installed_links.sh "$root$prefix" || fail "documents lead nowhere"
  # Nothing of the machine that built it; LibTorch's headers name themselves in the texts of their assertions.
  ! grep -rlF -e "$HOME/" -e "$PWD/" "$root$prefix/share/anemll_train" "$root$prefix/share/doc/anemll-train" || fail "these name folders of the machine that built them"
  looked="${#programs[@]} programs start, with man pages and completions; $((${#scripts[@]} + 1)) scripts start; $libraries libraries with licence texts"
}
