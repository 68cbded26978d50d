// What a cache says of itself: by what it was made, as JSON.
#pragma once

#include "src/teacher/internal/plan.hpp"
#include "src/teacher/internal/prepare.hpp"

#include <optional>
#include <string>

namespace anemll {

/// What must be equal for a run to go on with the work of another: Plan::identity_json.
std::string identity_of(const PrecomputeOptions& options, const std::string& dtype,
                        const std::string& teacher_fingerprint, const TextModel& text,
                        const std::optional<ChatTemplate>& chat);

/// The reference's meta.json keys, and under "anemll" what it has no key for: Plan::meta_json of a plan that
/// has all else.
std::string meta_of(const PrecomputeOptions& options, const Plan& plan, const TeacherInputs& teacher,
                    const PackedDataset& read);

}  // namespace anemll
