// Fields of JSON that others wrote: what is missing or of another type is told by an empty value, never by an
// error.
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll {

using ReportJson = nlohmann::ordered_json;

/// The value of a key; null where there is none.
inline const ReportJson& field_of(const ReportJson& object, const char* key) {
  static const ReportJson kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}
/// NaN where it is no number.
inline double number_of(const ReportJson& object, const char* key) {
  const ReportJson& value = field_of(object, key);
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}
inline std::string text_of(const ReportJson& object, const char* key) {
  const ReportJson& value = field_of(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}
/// The elements of a list, none for anything else.
inline const ReportJson& list_of(const ReportJson& object, const char* key) {
  static const ReportJson kEmpty = ReportJson::array();
  const ReportJson& value = field_of(object, key);
  return value.is_array() ? value : kEmpty;
}

}  // namespace anemll
