// Small model folders for tests: a config as JSON text with replaced keys, and random or given tensors.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/formats/safetensors.hpp"
#include "anemll/model/model_files.hpp"
#include "tests/support/refusals.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

using Keys = std::map<std::string, std::string>;  // key -> JSON text; empty text removes the key

/// A small llama in the old key names.
inline Keys llama_keys() {
  return {{"model_type", "\"llama\""},    {"vocab_size", "50"},       {"hidden_size", "16"},
          {"intermediate_size", "24"},    {"num_hidden_layers", "2"}, {"num_attention_heads", "4"},
          {"num_key_value_heads", "2"},   {"hidden_act", "\"silu\""}, {"rms_norm_eps", "1e-05"},
          {"rope_theta", "10000.0"},      {"rope_scaling", "null"},   {"tie_word_embeddings", "false"},
          {"torch_dtype", "\"bfloat16\""}};
}

inline void write_config(const std::filesystem::path& folder, Keys keys, const Keys& changes = {}) {
  for (const auto& [key, value] : changes) keys[key] = value;
  std::string text;
  for (const auto& [key, value] : keys) {
    if (!value.empty()) text += (text.empty() ? "{" : ", ") + ("\"" + key + "\": ") + value;
  }
  write_file(folder / "config.json", text + "}");
}

inline void write_tensors(const std::filesystem::path& path, const TensorMap& tensors) {
  std::vector<LazyTensor> list;
  for (const auto& [name, tensor] : tensors) list.push_back(lazy(name, tensor));
  write_safetensors(path, list);
}

/// The error that `action` throws, which must be a data error naming `where` and `what` and carrying a hint.
inline void check_data_error(const std::function<void()>& action, const std::string& where,
                             const std::string& what) {
  try {
    action();
  } catch (const Error& error) {
    BOOST_CHECK(error.code() == ExitCode::data);
    BOOST_CHECK_MESSAGE(error.where().find(where) != std::string::npos, "where: " << error.where());
    BOOST_CHECK_MESSAGE(std::string(error.what()).find(what) != std::string::npos, "what: " << error.what());
    helps(error);
    return;
  }
  BOOST_ERROR("no error for " + what);
}

}  // namespace anemll::test
