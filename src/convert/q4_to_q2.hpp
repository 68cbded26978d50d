// A trained 4-bit model as the start of a 2-bit one: smaller tables, more scale ranks, and the indices that
// follow. Everything else of the model stays.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/compat.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/student/student.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// How a table becomes smaller.
enum class LutReduce {
  weighted_kmeans,  ///< the values that are nearest to the 4-bit weights, each counted by its scale squared
  symmetric,        ///< the same among tables that are their own mirror image
  kmeans_entries,   ///< the reference's: k-means of the old entries alone, whatever weights use them
};

inline constexpr auto kLutReduces = std::to_array<Choice<LutReduce>>({
    {LutReduce::weighted_kmeans, "weighted-kmeans"},
    {LutReduce::symmetric, "symmetric"},
    {LutReduce::kmeans_entries, "kmeans-entries"},
});
constexpr std::span<const Choice<LutReduce>> choices_of(LutReduce) {
  return kLutReduces;
}

struct Q2Options {
  QuantScheme target;                            ///< of MLP and attention linears
  LutReduce reduce = LutReduce::kmeans_entries;  ///< the best as measured: src/convert/README.md
  /// Of the new components' directions.
  std::uint64_t seed = 0;
  /// `reference`: no indices are written, so that whoever loads the file chooses all of them from the float
  /// weights; of ranks that shrink the first components stay, not the largest.
  Compat compat = Compat::none;
};

/// What became of one linear.
struct Q2Change {
  std::string linear;
  bool mlp = false;
  bool started = false;  ///< the checkpoint did not have it: made from the model's weight
  LinearQuant from, to;
  double weight_error = 0;  ///< ||W_new - W_old|| / ||W_old|| by the new indices
};

struct Q2Result {
  Student student;
  std::vector<Q2Change> changes;  ///< in module order
};

/// Adds to a 4-bit checkpoint what it lacks: each linear of the body without scales is started from its float
/// weight (the checkpoint's, else the model's) at the target's numbers. Returns their names. Data errors as
/// of a start from scratch; a file without any V2 layer of the model, or with layers of another type.
std::vector<std::string> add_missing_linears(V2Checkpoint& checkpoint, const ModelFiles& model,
                                             const QuantScheme& target);

/// The 2-bit model. `q4` is of one layer type, v2 (data error otherwise). Usage errors: a table would have to
/// grow, or has no symmetric form of that size. `started`: names as of add_missing_linears.
Q2Result convert_q4_to_q2(Student& q4, const std::vector<std::string>& started, const Q2Options& options,
                          at::Device device);

/// The reference state dict of the result. With `compat` reference without `_Q`.
std::vector<LazyTensor> q2_state_dict(const Student& q2, Compat compat);

/// Whether something of the source is lost, so that its loss jumps: a smaller table or rank, a linear made
/// anew.
bool loses(const std::vector<Q2Change>& changes);
/// What was kept, reduced, expanded and started, for people: one line each.
std::string changes_text(const std::vector<Q2Change>& changes, const Q2Options& options);

/// config.json beside the file, with the reference's keys; without `compat` reference ours too.
struct Q2ConfigFacts {
  std::string model_id;
  std::optional<std::string> model_revision = {};
  std::string source_checkpoint;
};
std::string q2_config(const QuantSpec& spec, const Q2ConfigFacts& facts, const Q2Options& options);

}  // namespace anemll
