// What a start says of itself in files: start_report.json, and its part of config.json.
#pragma once

#include "src/start/start.hpp"

#include <string>

#include <nlohmann/json.hpp>

namespace anemll {

/// Methods that were compared with their divergences, and the errors of every block and linear. `identity`:
/// start_identity, by whose hash a second run of the command knows that it is done.
nlohmann::ordered_json start_report(const MadeStart& made, const QuantSpec& spec,
                                    const std::string& identity);
/// Whether the report's text is of this identity.
bool is_report_of(const std::string& report, const std::string& identity);

}  // namespace anemll
