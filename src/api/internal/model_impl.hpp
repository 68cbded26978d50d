// What a Model is made of.
#pragma once

#include "anemll/anemll.hpp"
#include "anemll/core/tensor.hpp"
#include "src/core/tool.hpp"
#include "src/model/decoder.hpp"
#include "src/student/student.hpp"
#include "src/train/train_model.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <c10/core/Device.h>

namespace anemll {

struct Model::Impl {
  GivenModel given = {};  ///< its student is null until the model is quantised
  at::Device device = at::kCPU;
  std::string id = {};                       ///< as config.json records it
  std::optional<std::string> revision = {};  ///< likewise
  std::string checkpoint = {};               ///< file of the last load, or empty
  bool frozen = false;                       ///< the indices are final
  bool has_float_weights = true;
  bool ste = false;
  bool factored = false;
  std::optional<bool> batched = {};
  std::unique_ptr<Decoder> plain = {};  ///< of a model that is not quantised, once it is asked for

  /// Usage error that names `function`, for a model without V2 layers.
  Student& student(const char* function) const;
  /// Set to evaluation.
  Decoder& decoder();
  /// Puts a student in the place of what is there.
  void take(Student made);
  /// Lets the layers compute as the model says.
  void set_numerics() const;
  /// Of a quantised model.
  std::int64_t layers() const;
};

/// For work that needs other numerics: when it ends, by whatever way, the layers compute as the model says.
class OwnNumericsAfter {
 public:
  explicit OwnNumericsAfter(const Model::Impl& impl) : impl_(impl) {}
  ~OwnNumericsAfter() { impl_.set_numerics(); }
  OwnNumericsAfter(const OwnNumericsAfter&) = delete;
  OwnNumericsAfter& operator=(const OwnNumericsAfter&) = delete;

 private:
  const Model::Impl& impl_;
};

/// Runs `body`; what it throws that is no Error becomes one.
template <class Body>
auto as_errors(const Body& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (...) {
    throw current_error();
  }
}

}  // namespace anemll
