#include "src/start/start_report.hpp"

#include "src/core/hash.hpp"

#include <cmath>

namespace anemll {
namespace {

using nlohmann::ordered_json;

constexpr const char* kIdentity = "identity_sha256";

ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json();
}

}  // namespace

ordered_json start_report(const MadeStart& made, const QuantSpec& spec, const std::string& identity) {
  ordered_json report;
  report["kept"] = made.kept;
  report["quantisation"] = spec.describe();
  report[kIdentity] = sha256_hex(identity);
  report["holdout"] = ordered_json::array();
  for (const ScoredStart& scored : made.compared) {
    const DivergenceSummary& d = scored.divergence;
    report["holdout"].push_back({{"start", scored.name},
                                 {"kl_mean", number(d.mean)},
                                 {"kl_median", number(d.median)},
                                 {"kl_p99", number(d.p99)},
                                 {"top1", number(d.top1)},
                                 {"positions", d.positions}});
  }
  report["blocks"] = ordered_json::array();
  for (std::size_t b = 0; b < made.blocks.size(); ++b) {
    const BlockReport& block = made.blocks[b];
    ordered_json linears = ordered_json::object();
    for (std::size_t i = 0; i < block.linears.size(); ++i)
      linears[spec.entries()[b * block.linears.size() + i].linear] = number(block.linears[i]);
    report["blocks"].push_back({{"stream_error", number(block.stream)}, {"linears", linears}});
  }
  return report;
}

bool is_report_of(const std::string& report, const std::string& identity) {
  const ordered_json object = ordered_json::parse(report, nullptr, false);
  return object.is_object() && object.value(kIdentity, ordered_json()) == sha256_hex(identity);
}

}  // namespace anemll
