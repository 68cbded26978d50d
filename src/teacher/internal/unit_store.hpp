// Finished micro-batches of an unfinished cache, one file each. A file is whole or it does not count: it
// carries the plan's id, its place and a hash of everything. Any number of ranks write different units at a
// time.
#pragma once

#include "src/data/schema.hpp"
#include "src/teacher/internal/payload.hpp"
#include "src/teacher/internal/plan.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace anemll {

class UnitStore {
 public:
  UnitStore(std::filesystem::path folder, const Plan& plan);

  void write(const Unit& unit, const TeacherPayload& payload) const;
  /// nullopt when there is none, or when what is there is damaged or another plan's.
  std::optional<TeacherPayload> read(const Unit& unit) const;
  /// Whether a file of the right size is there: the quick look of a resumed run; read() decides.
  bool has(const Unit& unit) const;
  void remove(const Unit& unit) const;

 private:
  std::filesystem::path path_of(const Unit& unit) const;
  std::string header_of(const Unit& unit) const;
  std::size_t bytes_of(const Unit& unit) const;
  std::filesystem::path folder_;
  std::string plan_id_;
  CacheShape shape_;
};

}  // namespace anemll
