// Typed access to one JSON object of a model folder: wrong types and ranges become data errors that name
// the file, the key and what to do. Not a general JSON layer; nlohmann stays inside this room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll {

/// Ends hints of readers that do not know which program runs, and so which option names the model.
inline constexpr const char* kAnotherModel = "another model may be a folder, a GGUF file or ORG/NAME";

/// Parses a whole file into an object; a data error names file and position.
nlohmann::json read_json_object(const std::filesystem::path& path);
/// The same of a text that `path` holds.
nlohmann::json parse_json_object(const std::string& text, const std::filesystem::path& path);

class JsonReader {
 public:
  /// `prefix` goes in front of keys in messages ("rope_parameters.").
  JsonReader(const nlohmann::json& object, std::filesystem::path file, std::string prefix = {});

  bool has(const std::string& key) const;  ///< present and not null
  const nlohmann::json& at(const std::string& key) const;

  // Absent or null gives nullopt; a wrong type or a value outside [min, max] is an error.
  std::optional<std::int64_t> integer(const std::string& key, std::int64_t min, std::int64_t max) const;
  std::optional<double> number(const std::string& key, double min, double max) const;
  std::optional<bool> boolean(const std::string& key) const;
  std::optional<std::string> string(const std::string& key) const;
  std::optional<JsonReader> object(const std::string& key) const;

  // The same, but absence is an error.
  std::int64_t required_integer(const std::string& key, std::int64_t min, std::int64_t max) const;
  std::string required_string(const std::string& key) const;

  [[noreturn]] void fail(const std::string& key, const std::string& what, const std::string& hint) const;

 private:
  const nlohmann::json* object_;
  std::filesystem::path file_;
  std::string prefix_;
};

}  // namespace anemll
