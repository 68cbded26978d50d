// The eight V1 layers that the reference computed, and the numbers that it got.
#pragma once

#include "anemll/formats/safetensors.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/v1_layer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/quant/support.hpp"

#include <fstream>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

namespace anemll::test {

/// One of them.
struct V1Case {
  std::string name;
  nlohmann::json numbers;
  const TensorMap* tensors = nullptr;

  bool has(const std::string& key) const { return tensors->contains(name + "." + key); }
  at::Tensor operator[](const std::string& key) const {
    return as_torch(*tensors->find(name + "." + key)).clone();
  }

  LinearSpec linear() const {
    return {"layer", numbers["out_features"], numbers["in_features"], false, numbers["bias"]};
  }
  /// As a run would be told: the rank may reach the maximum.
  LinearQuant quant() const {
    LinearQuant quant;
    quant.type = "v1";
    quant.lut_size = numbers["lut_size"];
    quant.rank = numbers["scale_rank"];
    quant.group_size = numbers["group_size"];
    quant.lut_include_zero = numbers["lut_include_zero"];
    return quant;
  }

  /// Fresh leaves.
  V1Linear::Tensors layer(bool train_weight = false, bool train_scales = false) const {
    const auto leaf = [this](const char* key, bool trained) {
      return has(key) ? (*this)[key].set_requires_grad(trained) : at::Tensor();
    };
    return {leaf("weight", train_weight),      leaf("bias", train_weight || train_scales),
            leaf("scale_A", train_scales),     leaf("scale_B", train_scales),
            leaf("full_scales", train_scales), leaf("lut", false)};
  }
};

inline std::vector<V1Case> v1_cases() {
  static const SafetensorsFile file = read_safetensors(golden("v1_layer/v1_layer.safetensors"));
  std::ifstream numbers(golden("v1_layer/cases.json"));
  const nlohmann::json all = nlohmann::json::parse(numbers);
  std::vector<V1Case> cases;
  for (const auto& [name, value] : all.items()) cases.push_back({name, value, &file.tensors});
  return cases;
}

/// Random, with negative scales among those of the factors.
inline V1Linear::Tensors random_v1(std::int64_t out, std::int64_t in, std::int64_t rank, std::int64_t padded,
                                   bool zero = false) {
  V1Linear::Tensors tensors;
  tensors.weight = at::randn({out, in}) * 0.5;
  tensors.lut = at::tensor(make_lut(16, zero), at::kFloat);
  if (rank == 0) {
    tensors.full_scales = at::randn({out, padded}) + 1.0;
    return tensors;
  }
  tensors.scale_A = at::randn({out, rank});
  tensors.scale_B = at::randn({rank, padded});
  return tensors;
}

/// Max(A B, 1e-8) without the padded columns.
inline at::Tensor raised_scales(const V1Linear::Tensors& t) {
  const at::Tensor scales = t.full_scales.defined() ? t.full_scales : t.scale_A.mm(t.scale_B);
  return scales.narrow(1, 0, t.weight.size(1)).clamp_min(1e-8);
}

}  // namespace anemll::test
