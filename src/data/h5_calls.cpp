#include "src/data/internal/h5_calls.hpp"

#include "anemll/core/error.hpp"
#include "src/core/system_error.hpp"

#include <string_view>

namespace anemll::h5 {
namespace {

// The report of one failed call: the deepest record has the cause, the outermost the intent.
struct Report {
  std::string cause;
  std::string intent;
};

herr_t collect(unsigned /*depth*/, const H5E_error2_t* record, void* data) {
  auto* report = static_cast<Report*>(data);
  const std::string text = record->desc != nullptr ? record->desc : "";
  if (report->cause.empty()) report->cause = text;
  report->intent = text;
  return 0;
}

// What the operating system said, where HDF5 wraps it in offsets and addresses.
std::string plain(const std::string& cause) {
  constexpr std::string_view kMark = "error message = '";
  const std::size_t mark = cause.find(kMark);
  if (mark == std::string::npos) return cause;
  const std::size_t start = mark + kMark.size();
  return cause.substr(start, cause.find('\'', start) - start);
}

std::string hint_for(const std::string& cause) {
  if (std::string hint = hint_in(cause); !hint.empty()) return hint;
  if (cause.find("bad version number") != std::string::npos) {
    return "written in a newer HDF5 format than this program's library knows; write it with libver bounds up "
           "to v110 (python3 h5py)";
  }
  return "the file is not HDF5, was cut off by a copy or is damaged: copy it again, or make the cache again "
         "with anemll_precompute or anemll_cache import";
}

}  // namespace

void fail(const std::string& action, const std::string& where) {
  Report report;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect, &report);
  H5Eclear2(H5E_DEFAULT);
  const std::string cause = report.cause.empty() ? "no reason given" : plain(report.cause);
  std::string what = action + " (HDF5: " + cause;
  if (report.intent != report.cause) what += "; " + report.intent;
  throw_data(what + ")", where, hint_for(cause));
}

void quiet() {
  [[maybe_unused]] static const herr_t before_first_use = H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Handle own(hid_t id, Handle::Close close, const std::string& action, const std::string& where) {
  if (id < 0) fail(action, where);
  return Handle(id, close);
}

void check(herr_t status, const std::string& action, const std::string& where) {
  if (status < 0) fail(action, where);
}

}  // namespace anemll::h5
