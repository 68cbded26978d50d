// How the records lie in a .json file, found by a first look that keeps nothing: one array, be it of arrays,
// objects one after the other, or objects around one array of them ({"version": 1, "data": {"rows": [...]}}).
#pragma once

#include "src/datasets/internal/record.hpp"
#include "src/datasets/internal/text_window.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

struct JsonShape {
  enum class Kind { array, objects, wrapped };
  Kind kind = Kind::objects;
  /// Wrapped: the members that lead to the array, as they are spelled in the file.
  std::vector<std::string> path = {};

  /// "data.rows"
  std::string name() const;
};

/// An object that has a wanted field is a record, whatever else it has. Bad JSON is left for the reader to
/// report.
JsonShape json_shape(const std::filesystem::path& path, const FieldList& wanted);

/// Whether what is named as JSON Lines is other JSON: an array of records, or objects of several lines each.
/// Looks at the first two lines.
bool is_spread_json(TextWindow& window);

/// Whether a key or a record follows the bracket at the front, which other text may begin with too.
bool begins_json_record(TextWindow& window);

/// The length of the JSON value at the front of the window, read until it is whole; 0 where the file ends
/// inside it. Only brackets and quotes are looked at.
std::size_t value_length(TextWindow& window);

/// Moves the window from behind the opening bracket of an object to the first byte of the value of `member`.
/// False when there is none.
bool enter_member(TextWindow& window, std::string_view member);

/// From inside an object, behind a value, to behind its closing bracket. False when that is not good JSON.
bool leave_object(TextWindow& window);

}  // namespace anemll::datasets
