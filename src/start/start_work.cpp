#include "src/start/start_work.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/system_error.hpp"

#include <system_error>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSuffix = ".start";
constexpr const char* kIdentity = "start.json";
constexpr const char* kResult = "made";

/// The parts in which two identities differ, for a message.
std::string differences(const std::string& here, const std::string& there) {
  const auto a = nlohmann::ordered_json::parse(here, nullptr, false);
  const auto b = nlohmann::ordered_json::parse(there, nullptr, false);
  if (!a.is_object() || !b.is_object()) return "all of it";
  std::string names;
  for (const auto& [name, value] : a.items()) {
    if (b.contains(name) && b[name] == value) continue;
    names.append(names.empty() ? "" : ", ").append(name);
  }
  return names.empty() ? "parts that this program has not" : names;
}

}  // namespace

StartWork::StartWork(const fs::path& result, const std::string& flag)
    : work_(result, kSuffix, start_work(), flag) {}

fs::path StartWork::identity_file() const {
  return work_.path() / kIdentity;
}

void StartWork::open(const std::string& identity, EarlierStart earlier) {
  work_.take();
  if (has_name(identity_file()) && earlier != EarlierStart::start_anew) {
    if (earlier == EarlierStart::refuse)
      throw_usage("an unfinished start is there", work_.path().string(),
                  "add --resume to go on with it, or --overwrite to start anew");
    const std::string there = read_text(identity_file());
    if (there == identity) {
      log_info(work_.path().string() + ": the start goes on behind the blocks that are there");
      return;
    }
    const std::string what = "the unfinished start there is another one: " + differences(identity, there);
    if (earlier == EarlierStart::go_on)
      throw_usage(what, work_.path().string(),
                  "repeat the command that began it, or add --overwrite to start anew");
    log_info(work_.path().string() + ": " + what + "; it is replaced");
  }
  work_.clear();
  write_file(identity_file(), identity);
  sync_directory(work_.path());
}

void StartWork::discard_left() {
  if (!work_.is_there()) return;
  work_.take();
  work_.discard();
}

fs::path StartWork::make_result() const {
  const fs::path folder = work_.path() / kResult;
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) throw_system("cannot create", folder, error);
  return folder;
}

void StartWork::publish(bool replace) {
  const fs::path made = work_.path() / kResult;
  sync_directory(made);
  work_.publish(made, replace);
}

}  // namespace anemll
