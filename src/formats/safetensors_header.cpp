// A streaming parse: the handler sees every key, so duplicates cannot hide behind a map, and a header of
// the maximal length costs no more than its own entries.
#include "src/formats/internal/safetensors_header.hpp"

#include "src/formats/internal/limits.hpp"

#include <cstddef>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll::formats {
namespace {

using Json = nlohmann::json;

class HeaderHandler final : public nlohmann::json_sax<Json> {
 public:
  SafetensorsHeader header;
  std::string problem;  ///< set when a callback has returned false

  bool start_object(std::size_t) override {
    if (skipping_ > 0 || at_unknown_field()) return ++skipping_, true;
    switch (place_) {
      case Place::outside:
        place_ = Place::root;
        return true;
      case Place::root:
        place_ = name_ == "__metadata__" ? Place::metadata : Place::tensor;
        fields_ = 0;
        current_ = {};
        current_.name = name_;
        return true;
      default:
        return misplaced("an object");
    }
  }

  bool end_object() override {
    if (skipping_ > 0) return --skipping_, true;
    if (place_ == Place::tensor) {
      if (fields_ != (kDType | kShape | kOffsets)) {
        return fail("tensor '" + name_ + "' lacks " + lacking());
      }
      if (header.entries.size() == kMaxTensors)
        return fail("more than " + std::to_string(kMaxTensors) + " tensors");
      header.entries.push_back(std::move(current_));
    }
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool key(std::string& text) override {
    if (skipping_ > 0) return true;
    if (place_ == Place::root) {
      name_ = text;
      return names_.insert(text).second || fail("duplicate key '" + text + "'");
    }
    field_name_ = text;
    if (place_ == Place::metadata) {
      return header.metadata.emplace(text, std::string()).second ||
             fail("duplicate metadata key '" + text + "'");
    }
    field_ = text == "dtype" ? kDType : text == "shape" ? kShape : text == "data_offsets" ? kOffsets : 0;
    if ((fields_ & field_) != 0) return fail("tensor '" + name_ + "' has two fields '" + text + "'");
    fields_ |= field_;
    return true;
  }

  bool start_array(std::size_t) override {
    if (skipping_ > 0 || at_unknown_field()) return ++skipping_, true;
    if (place_ != Place::tensor || field_ == kDType) return misplaced("a list");
    place_ = Place::numbers;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    if (skipping_ > 0) return --skipping_, true;
    place_ = Place::tensor;
    if (field_ == kShape) {
      if (numbers_.size() > kMaxRank) {
        return fail("shape of tensor '" + name_ + "' has too many dimensions, more than " +
                    std::to_string(kMaxRank));
      }
      current_.shape = numbers_;
      return true;
    }
    if (numbers_.size() != 2)
      return fail("data_offsets of tensor '" + name_ + "' must be two numbers, not " +
                  std::to_string(numbers_.size()));
    current_.begin = numbers_[0];
    current_.end = numbers_[1];
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (ignored()) return true;
    if (place_ != Place::numbers) return misplaced("a number");
    // One more than the limit is kept, so that end_array sees the excess.
    if (numbers_.size() <= kMaxRank) numbers_.push_back(value);
    return true;
  }
  bool number_integer(std::int64_t) override { return ignored() || misplaced("a negative number"); }
  bool number_float(double, const std::string&) override {
    return ignored() || misplaced("a fraction or huge number");
  }
  bool boolean(bool) override { return ignored() || misplaced("a truth value"); }
  bool binary(Json::binary_t&) override { return misplaced("binary data"); }
  bool null() override {
    return ignored() || (place_ == Place::root && name_ == "__metadata__") || misplaced("null");
  }
  bool string(std::string& value) override {
    if (ignored()) return true;
    if (place_ == Place::metadata) {
      header.metadata[field_name_] = std::move(value);
      return true;
    }
    if (place_ != Place::tensor || field_ != kDType) return misplaced("a string");
    current_.dtype = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("the header is not valid JSON (near byte " + std::to_string(8 + position) + ")");
  }

 private:
  enum class Place { outside, root, tensor, numbers, metadata };
  static constexpr unsigned kDType = 1, kShape = 2, kOffsets = 4;

  std::string lacking() const {
    const char* const first = (fields_ & kDType) == 0 ? "dtype" : (fields_ & kShape) == 0 ? "shape" : "";
    return *first != '\0' ? first : "data_offsets";
  }
  bool at_unknown_field() const { return place_ == Place::tensor && field_ == 0; }
  bool ignored() const { return skipping_ > 0 || at_unknown_field(); }
  bool fail(std::string text) {
    problem = std::move(text);
    return false;
  }
  bool misplaced(const std::string& what) {
    if (place_ == Place::metadata)
      return fail("metadata '" + field_name_ + "' must be a string, not " + what);
    if (place_ == Place::root) return fail("'" + name_ + "' must be an object, not " + what);
    return fail("field '" + field_name_ + "' of tensor '" + name_ + "' cannot hold " + what);
  }

  Place place_ = Place::outside;
  std::size_t skipping_ = 0;  ///< open brackets inside an unknown field
  unsigned fields_ = 0;
  unsigned field_ = 0;
  std::string name_;
  std::string field_name_;
  std::unordered_set<std::string> names_;
  std::vector<std::uint64_t> numbers_;
  SafetensorsEntry current_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const Complaint& complain) {
  if (json.empty() || json.front() != '{') complain("the header must begin with '{'");
  // The JSON library takes NUL for the end of its input; the format does not.
  if (json.find('\0') != std::string_view::npos) complain("the header contains a NUL byte");
  HeaderHandler handler;
  if (!Json::sax_parse(json.begin(), json.end(), &handler)) complain(handler.problem);
  return std::move(handler.header);
}

}  // namespace anemll::formats
