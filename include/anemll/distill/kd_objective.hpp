// What a student is trained on: the choice of one objective out of the table of those that there are.
#pragma once

#include "anemll/core/choices.hpp"

#include <span>
#include <string>
#include <string_view>

namespace anemll {

struct Objective;  // one row of the table: src/distill/objective.hpp

/// One of the objectives. It stays good while others are added.
class KdObjective {
 public:
  /// The default: topk, the reference's.
  KdObjective();
  explicit KdObjective(const Objective& row) : row_(&row) {}

  const Objective& operator*() const { return *row_; }
  const Objective* operator->() const { return row_; }
  bool operator==(const KdObjective&) const = default;

 private:
  const Objective* row_;
};

/// The words of --kd-objective, in the order of the table. The list stands until an objective is added.
std::span<const Choice<KdObjective>> choices_of(KdObjective);
/// Usage error, listing the known ones, when there is no such objective.
KdObjective objective_named(std::string_view name);
/// Each name with what it does, for --help.
std::string objectives_in_words();

}  // namespace anemll
