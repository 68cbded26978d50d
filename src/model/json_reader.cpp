#include "src/model/internal/json_reader.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/printable.hpp"
#include "src/model/internal/limits.hpp"

#include <cmath>
#include <utility>

namespace anemll {

nlohmann::json read_json_object(const std::filesystem::path& path) {
  return parse_json_object(read_input_text(path), path);
}

nlohmann::json parse_json_object(const std::string& text, const std::filesystem::path& path) {
  std::string found;
  try {
    nlohmann::json value = nlohmann::json::parse(text);
    if (value.is_object()) return value;
    found = printable(value.dump(), kShownValue);
  } catch (const nlohmann::json::exception& error) {
    throw_data(std::string("not valid JSON: ") + error.what(), path.string(), fetch_advice(path));
  }
  throw_data("the file holds no JSON object: " + found, path.string(), fetch_advice(path));
}

JsonReader::JsonReader(const nlohmann::json& object, std::filesystem::path file, std::string prefix)
    : object_(&object), file_(std::move(file)), prefix_(std::move(prefix)) {}

void JsonReader::fail(const std::string& key, const std::string& what, const std::string& hint) const {
  throw_data(what, file_.string() + ", key \"" + prefix_ + key + "\"", hint + "; " + kAnotherModel);
}

bool JsonReader::has(const std::string& key) const {
  const auto found = object_->find(key);
  return found != object_->end() && !found->is_null();
}

const nlohmann::json& JsonReader::at(const std::string& key) const {
  const auto found = object_->find(key);
  if (found == object_->end()) fail(key, "the key is missing", fetch_advice(file_));
  return *found;
}

std::optional<std::int64_t> JsonReader::integer(const std::string& key, std::int64_t min,
                                                std::int64_t max) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::json& value = at(key);
  const std::string hint = "write a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  if (!value.is_number_integer()) fail(key, "not an integer: " + value.dump(), hint);
  const bool huge =
      value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(max);
  if (huge || value.get<std::int64_t>() < min) fail(key, "out of range: " + value.dump(), hint);
  return value.get<std::int64_t>();
}

std::optional<double> JsonReader::number(const std::string& key, double min, double max) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::json& value = at(key);
  const std::string hint = strf("write a number from %g to %g", min, max);
  if (!value.is_number()) fail(key, "not a number: " + value.dump(), hint);
  const double number = value.get<double>();
  if (!std::isfinite(number) || number < min || number > max)
    fail(key, "out of range: " + value.dump(), hint);
  return number;
}

std::optional<bool> JsonReader::boolean(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::json& value = at(key);
  if (!value.is_boolean()) fail(key, "not a boolean: " + value.dump(), "write true or false");
  return value.get<bool>();
}

std::optional<std::string> JsonReader::string(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::json& value = at(key);
  if (!value.is_string()) fail(key, "not a string: " + value.dump(), "write a string in quotes");
  return value.get<std::string>();
}

std::optional<JsonReader> JsonReader::object(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const nlohmann::json& value = at(key);
  if (!value.is_object()) fail(key, "not an object: " + value.dump(), "write an object in braces, or null");
  return JsonReader(value, file_, prefix_ + key + ".");
}

std::int64_t JsonReader::required_integer(const std::string& key, std::int64_t min, std::int64_t max) const {
  const auto value = integer(key, min, max);
  if (!value) fail(key, "the key is missing", fetch_advice(file_));
  return *value;
}

std::string JsonReader::required_string(const std::string& key) const {
  auto value = string(key);
  if (!value) fail(key, "the key is missing", fetch_advice(file_));
  return *std::move(value);
}

}  // namespace anemll
