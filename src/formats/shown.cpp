#include "src/formats/shown.hpp"

#include "src/core/printable.hpp"

#include <cstddef>
#include <variant>

#include <nlohmann/json.hpp>

namespace anemll {

std::string shown(const GgufValue& value) {
  using Json = nlohmann::json;
  constexpr std::size_t kMost = 80;
  return std::visit(
      [](const auto& content) {
        return printable(Json(content).dump(-1, ' ', false, Json::error_handler_t::replace), kMost);
      },
      value);
}

}  // namespace anemll
