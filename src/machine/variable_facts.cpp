// The environment of a run, without what is secret in it.
#include "src/machine/internal/facts.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace anemll {
namespace {

constexpr std::string_view kBeginnings[] = {
    "ANEMLL_",  "OMP_",   "MKL_",    "KMP_",    "GOMP_", "OPENBLAS_", "OMPI_",        "PMIX_",
    "PMI_",     "PRTE_",  "UCX_",    "FI_",     "NCCL_", "CUDA_",     "NVIDIA_",      "TORCH_",
    "PYTORCH_", "ATEN_",  "DNNL_",   "ONEDNN_", "HDF5_", "HF_",       "HUGGINGFACE_", "HUGGING_FACE_",
    "WANDB_",   "SLURM_", "MALLOC_", "LD_",     "LC_"};
constexpr std::string_view kNames[] = {"HUGGINGFACEHUB_API_TOKEN",
                                       "LANG",
                                       "TMPDIR",
                                       "http_proxy",
                                       "https_proxy",
                                       "no_proxy",
                                       "HTTP_PROXY",
                                       "HTTPS_PROXY",
                                       "NO_PROXY",
                                       "XDG_CACHE_HOME"};
// In names of variables whose value gives access to something.
constexpr std::string_view kSecrets[] = {"TOKEN",      "KEY",  "SECRET", "PASS", "PASSWD",
                                         "CREDENTIAL", "AUTH", "COOKIE", "JWT",  "CERT"};
// Beginnings of such values, whatever the variable is called.
constexpr std::string_view kSecretValues[] = {"hf_", "sk-", "ghp_", "github_pat_", "glpat-", "Bearer "};

bool is_told(std::string_view name) {
  return std::ranges::find(kNames, name) != std::end(kNames) ||
         std::ranges::any_of(kBeginnings, [&](std::string_view begin) { return name.starts_with(begin); });
}

bool is_secret(std::string_view name, std::string_view value) {
  std::string upper;
  for (const char c : name) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const auto in_name = [&](std::string_view word) { return upper.find(word) != std::string::npos; };
  const auto in_value = [&](std::string_view begin) { return value.starts_with(begin); };
  return std::ranges::any_of(kSecrets, in_name) || std::ranges::any_of(kSecretValues, in_value);
}

/// "https://user:word@host" without what stands before the @, wherever it stands in the text.
std::string without_user(std::string text) {
  for (std::size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at)) {
    at += 3;
    const std::size_t end = std::min(text.find_first_of("/ ,;", at), text.size());
    const std::size_t user = text.rfind('@', end);
    if (user != std::string::npos && user >= at && user < end) text.replace(at, user - at, "...");
  }
  return text;
}

}  // namespace

FactGroup variable_facts(const char* const* environment) {
  FactGroup group{"Variables", {}};
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals), value = entry.substr(equals + 1);
    if (!is_told(name)) continue;
    group.facts.emplace_back(std::string(name), value.empty()            ? "set, empty"
                                                : is_secret(name, value) ? "set, not shown"
                                                                         : without_user(std::string(value)));
  }
  std::ranges::sort(group.facts);
  return group;
}

}  // namespace anemll
