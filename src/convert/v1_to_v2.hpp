// A trained V1 model as the start of V2 training: the same tables, the scales as unit factors with
// magnitudes, and frozen indices. Norms, embedding, head and float weights are the V1 file's.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/inventory.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/quant/layer_type.hpp"
#include "src/student/student.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace anemll {

/// A number that somebody asked for by name, where the V1 file's shapes say another.
struct V1Contradiction {
  bool mlp = false;
  bool table = false;  ///< entries of a table; else a rank
  std::int64_t wanted = 0, has = 0;
  std::string linear;  ///< the first of them
};

/// What every linear is in the file and what it becomes, known by shapes alone.
struct V1Plan {
  QuantSpec from;  ///< V1's linears, and those that it left float
  QuantSpec to;    ///< V2's
  /// Ranks where V1 has a scale for each weight; all numbers of linears that V1 left float.
  QuantSpec target;
  std::vector<V1Contradiction> contradictions;  ///< at most one a kind of linear and number
  std::vector<std::string> warnings;            ///< --config, where the shapes say another
};

/// `wishes`: a preset and single numbers. Shapes decide: V1's table and rank stay. `expand_rank`: ranks grow
/// to the wishes'. Data errors: V2 layers, no V1 layer at all. Usage errors as of scratch_quant.
V1Plan plan_v1_to_v2(const V2Checkpoint& v1, const Architecture& architecture, const QuantWishes& wishes,
                     bool expand_rank);

struct V1ToV2Options {
  std::uint64_t seed = 0;  ///< of new ranks' directions
  InitOptions init;        ///< of linears that V1 left float; `ste` of all indices
};

/// The V2 checkpoint, for Student::from_checkpoint with plan.to. Rank 0 converts, the others receive. Tells
/// what was started, factored and expanded. Collective. Data errors name file and key.
V2Checkpoint convert_v1_to_v2(const V2Checkpoint& v1, const ModelFiles& model, const V1Plan& plan,
                              const V1ToV2Options& options, Communicator& comm);

/// The tensors of the file: used, compared (a stored effective weight), or left out.
Inventory v1_inventory(const V2Checkpoint& v1, const Architecture& architecture, const V1Plan& plan);

/// How far the scales of a converted linear are from those that V1 computes with.
struct ScaleDifference {
  std::string linear;
  bool kept_rank = false;  ///< scales and rank are V1's: nothing but rounding may differ
  double error = 0;        ///< ||S2 - S1|| / ||S1|| over the weights whose scale V1 did not raise
  std::int64_t raised =
      0;  ///< weights whose scale was below 1e-8, which V1 raised to that; V2's has its sign
  std::int64_t weights = 0;
};
/// Of the linears that were V1's, in module order. `v1` and `v2` of plan.from and plan.to.
std::vector<ScaleDifference> compare_scales(Student& v1, Student& v2);

}  // namespace anemll
