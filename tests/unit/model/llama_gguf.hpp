// A random llama as a folder, for tests that write it as a GGUF file.
#pragma once

#include "tests/support/gguf_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <cstring>
#include <random>

namespace anemll::test {

/// Widths that blocks of 32 divide.
inline const Keys kLlamaChanges{{"vocab_size", "50"},        {"hidden_size", "64"},
                                {"intermediate_size", "96"}, {"max_position_embeddings", "128"},
                                {"attention_bias", "true"},  {"mlp_bias", "true"}};

inline HostTensor random_f32(const std::vector<std::int64_t>& shape, std::mt19937& engine) {
  HostTensor out = HostTensor::zeros(DType::f32, shape);
  std::normal_distribution<float> normal(0.0F, 0.3F);
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    const float value = normal(engine);
    std::memcpy(out.mutable_bytes() + i * 4, &value, sizeof(value));
  }
  return out;
}

/// A random llama folder, untied and with biases everywhere.
inline ModelFiles llama_folder(const TempDir& folder, const Keys& more = {}) {
  Keys changes = kLlamaChanges;
  for (const auto& [key, value] : more) changes[key] = value;
  write_config(folder.path(), llama_keys(), changes);
  TensorMap tensors;
  std::mt19937 engine(5);
  for (const TensorSpec& spec : expected_tensors(read_architecture(folder.path()))) {
    tensors.set(spec.name, random_f32(spec.shape, engine));
  }
  write_tensors(folder / "model.safetensors", tensors);
  return load_model_files(folder.path());
}

inline HostTensor ones(std::int64_t count) {
  HostTensor out = HostTensor::zeros(DType::f32, {count});
  for (std::int64_t i = 0; i < count; ++i) {
    const float one = 1;
    std::memcpy(out.mutable_bytes() + i * 4, &one, sizeof(one));
  }
  return out;
}

}  // namespace anemll::test
