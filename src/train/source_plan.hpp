// What a run will train, known before the model is built: scheme and group size out of the source (a
// checkpoint, a saved state, or the flags), and the number of trained values.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/quant/presets.hpp"
#include "anemll/train/state_store.hpp"
#include "anemll/train/train_options.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace anemll {

/// A V2 checkpoint's scheme and what its config.json says. Usage errors where a flag contradicts them.
struct CheckpointSource {
  ResolvedScheme resolved;
  QuantConfigKeys keys;
  std::int64_t group_size = 0;
};
CheckpointSource checkpoint_source(const TrainOptions& options, const TensorMap& checkpoint);

/// The scheme of a start from the model's own weights.
ResolvedScheme scratch_scheme(const TrainOptions& options);

/// Lookup tables and ranks of a saved state, by its shapes.
QuantScheme state_scheme(const StateStore::Loaded& state, const Architecture& architecture);
/// The group size that the saved run's scales were made with; 32, the default, where an old state does not
/// say.
std::int64_t state_group_size(const StateStore::Loaded& state);

struct SourcePlan {
  QuantScheme scheme;
  std::int64_t group_size = 0;
  std::int64_t trained_values = 0;
};
SourcePlan plan_source(const TrainOptions& options, const Architecture& architecture,
                       const std::optional<StateStore::Loaded>& state);

}  // namespace anemll
