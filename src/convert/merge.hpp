// A quantised model as a plain one: its weights multiplied out, for programs that know nothing of tables and
// scales.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/tensor.hpp"
#include "src/quant/half_cast.hpp"
#include "src/student/student.hpp"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// Floats of the merged model.
enum class MergedType {
  automatic,  ///< as the model's own weights are stored
  bf16,
  fp16,
  fp32,
};

inline constexpr auto kMergedTypes = std::to_array<Choice<MergedType>>({
    {MergedType::automatic, "auto"},
    {MergedType::bf16, "bf16"},
    {MergedType::fp16, "fp16"},
    {MergedType::fp32, "fp32"},
});
constexpr std::span<const Choice<MergedType>> choices_of(MergedType) {
  return kMergedTypes;
}

/// The dtype that `type` means for this model.
DType merged_dtype(MergedType type, const ModelFiles& model);

/// Every tensor of the unquantised model in state-dict order, made when it is asked for: a quantised linear's
/// weight is Q o S, biases and norms are the student's, the rest the files'. A tied head is left out: who
/// loads the folder takes the embedding. Halves saturate and are counted in `counts`, which must outlive the
/// result; a value that is not finite is a numerics error.
std::vector<LazyTensor> merged_tensors(const Student& student, DType dtype, CastCounts& counts);

/// config.json of the merged model: `config`, the model's, with this dtype under the key names that it has
/// (`dtype`, `torch_dtype`), and `tied` as it is computed with. What rope_parameters says also stands under
/// the keys of before (rope_theta, rope_scaling): the programs around ANEMLL read no others. Data error,
/// which names `source`, when `config` is no JSON object.
std::string merged_config(const std::string& config, DType dtype, bool tied, const std::string& source);
/// tokenizer_config.json of the merged model: with a tokenizer class that transformers 4 knows as well; else
/// as it is.
std::string merged_tokenizer_config(const std::string& text);

}  // namespace anemll
