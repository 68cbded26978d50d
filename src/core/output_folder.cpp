// See output_folder.hpp. A move is made in a folder earlier-<n>.moving, which gets its name when all is in
// it: the new run writes nothing before, so whatever results lie beside such a folder belong into it.
#include "src/core/output_folder.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/internal/made_folders.hpp"
#include "src/core/put_in_place.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMoving = ".moving";
constexpr std::string_view kEarlier = "earlier-#";
constexpr std::string_view kEarlierMoving = "earlier-#.moving";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

[[noreturn]] void throw_move(const fs::path& from, const std::error_code& error) {
  throw_system("cannot move", from, error, "nothing was lost: start again", "nothing was lost");
}

/// With those above it. A file of this name is told as such, whatever the system says.
void make_folders(const fs::path& folder, const std::string& flag) {
  std::error_code error;
  fs::create_directories(folder, error);
  for (fs::path at = folder; !at.empty() && at != at.parent_path(); at = at.parent_path()) {
    std::error_code none;
    if (!fs::exists(at, none) || fs::is_directory(at, none)) continue;
    throw_data("is a file, not a folder", at.string(), "give " + flag + " the path of a folder");
  }
  if (error) throw_system("cannot create", folder, error);
}

/// A relative link would point elsewhere from its new folder.
void move_entry(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (fs::is_symlink(from)) {
    const fs::path target = fs::read_symlink(from, error);
    if (!error && target.is_relative()) {
      fs::create_symlink(fs::absolute(from.parent_path() / target).lexically_normal(), to, error);
      if (!error) fs::remove(from, error);
      if (error) throw_move(from, error);
      return;
    }
  }
  fs::rename(from, to, error);
  if (error) throw_move(from, error);
}

/// `to` gets the content of `from` and shares its bytes where the file system can.
void link_entry(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(fs::canonical(from), to, error);  // a second name for a link would lead elsewhere
  if (!error) return;
  require_space(to.parent_path(), fs::file_size(from));
  fs::path draft = to;
  draft += ".tmp";
  fs::copy_file(from, draft, fs::copy_options::overwrite_existing, error);
  if (error) throw_move(from, error);
  sync_file(draft);
  put_in_place(draft, to);
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

void remove_leftover(const fs::path& entry) {
  std::error_code error;
  fs::remove_all(entry, error);
  if (error) {
    log_warning(entry.string() + ": left by a writer that was killed, cannot be removed: " + error.message());
  } else {
    log_info(entry.string() + ": left by a writer that was killed; removed");
  }
}

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    const char p = pattern.front();
    if (p == '*') {
      pattern.remove_prefix(1);
      for (std::size_t skip = 0; skip <= name.size(); ++skip) {
        if (matches(pattern, name.substr(skip))) return true;
      }
      return false;
    }
    if (name.empty()) return false;
    if (p == '#') {
      std::size_t digits = 0;
      while (digits < name.size() && is_digit(name[digits])) ++digits;
      if (digits == 0) return false;
      name.remove_prefix(digits);
    } else {
      if (p != name.front()) return false;
      name.remove_prefix(1);
    }
    pattern.remove_prefix(1);
  }
  return name.empty();
}

std::optional<std::int64_t> number_in(std::string_view pattern, std::string_view name) {
  constexpr std::size_t kDigits = 18;  // as many fit in every case
  if (!matches(pattern, name)) return std::nullopt;
  std::size_t i = pattern.find('#');
  const std::size_t first = i;
  std::int64_t number = 0;
  for (; i < name.size() && is_digit(name[i]); ++i) {
    if (i - first == kDigits) return std::nullopt;
    number = number * 10 + (name[i] - '0');
  }
  return number;
}

const EntryRule* rule_of(const Product& product, const fs::path& entry) {
  std::string name = entry.filename().string();
  std::error_code error;
  if (fs::is_directory(entry, error)) name += '/';
  for (const EntryRule& rule : product.rules) {
    if (matches(rule.pattern, name) && (rule.holds == nullptr || rule.holds(entry))) return &rule;
  }
  return nullptr;
}

void sweep(const fs::path& folder, std::span<const std::string_view> patterns) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const auto fits = [&](std::string_view pattern) { return matches(pattern, name); };
    if (std::any_of(patterns.begin(), patterns.end(), fits)) found.push_back(entry.path());
  }
  for (const fs::path& entry : found) remove_leftover(entry);
}

OutputFolder::OutputFolder(fs::path folder, const Product& product, std::string flag,
                           std::vector<std::string> own_names)
    : folder_(std::move(folder)),
      product_(product),
      flag_(std::move(flag)),
      own_names_(std::move(own_names)) {}

EntryRole OutputFolder::role_of(const fs::path& entry) const {
  const std::string name = entry.filename().string();
  for (const std::string& own : own_names_) {
    if (name == own) return EntryRole::result;
    if (name.starts_with(own) && matches(".tmp.#", std::string_view(name).substr(own.size())))
      return EntryRole::leftover;
  }
  const EntryRule* rule = anemll::rule_of(product_, entry);
  if (rule == nullptr) return EntryRole::other;
  const auto is_entry = [&](const fs::path& source) { return same_file(source, entry); };
  if (rule->role == EntryRole::foreign && std::any_of(accepted_.begin(), accepted_.end(), is_entry))
    return EntryRole::other;
  return rule->role;
}

std::vector<fs::path> OutputFolder::entries(EntryRole role) const {
  std::vector<fs::path> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (role_of(entry.path()) == role) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void OutputFolder::refuse_foreign() const {
  const std::vector<fs::path> found = entries(EntryRole::foreign);
  if (found.empty()) return;
  const EntryRule* rule = rule_of(product_, found.front());
  const std::string more = found.size() > 1 ? " and " + std::to_string(found.size() - 1) + " more" : "";
  throw_usage("is not a folder for " + std::string(product_.name) + ": it holds " +
                  found.front().filename().string() + more + " (" + std::string(rule->what) + ")",
              folder_.string(), "give " + flag_ + " a folder of its own; nothing was changed");
}

void OutputFolder::take(bool goes_on) {
  std::error_code error;
  if (!goes_on && fs::is_directory(folder_, error)) refuse_foreign();
  for (fs::path& missing : missing_folders(folder_)) made_.push_back(std::move(missing));
  make_folders(folder_, flag_);
  const bool mine = product_.lock.empty() ? lock_.take_folder(folder_) : lock_.take(folder_ / product_.lock);
  if (!mine) {
    throw_usage("another process is writing " + std::string(product_.name) + " into this folder",
                folder_.string(), "wait for it, or choose another " + flag_);
  }
  finish_moves();
  for (const fs::path& entry : entries(EntryRole::leftover)) remove_leftover(entry);
  if (!goes_on) refuse_foreign();
}

void OutputFolder::release() {
  lock_.leave();
  remove_empty(made_);
  made_.clear();
}

std::vector<fs::path> OutputFolder::results() const {
  return entries(EntryRole::result);
}

bool OutputFolder::is_kept_already(const fs::path& file) const {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const fs::path copy = entry.path() / file.filename();
    if (!matches(kEarlier, entry.path().filename().string()) || !fs::is_regular_file(copy)) continue;
    if (same_file(copy, file)) return true;
    if (fs::file_size(copy) == fs::file_size(file) && read_text(copy) == read_text(file)) return true;
  }
  return false;
}

fs::path OutputFolder::next_earlier() const {
  std::int64_t last = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view pattern : {kEarlier, kEarlierMoving})
      last = std::max(last, number_in(pattern, name).value_or(0));
  }
  return folder_ / ("earlier-" + std::to_string(last + 1));
}

std::optional<fs::path> OutputFolder::set_aside(const std::vector<fs::path>& stays) {
  std::vector<fs::path> moved = results();
  std::erase_if(moved, [&](const fs::path& entry) {  // the source of a run that was to begin before
    const auto is_entry = [&](const fs::path& file) { return same_file(file, entry); };
    return std::any_of(stays.begin(), stays.end(), is_entry) && is_kept_already(entry);
  });
  std::vector<fs::path> described = entries(EntryRole::described);
  std::erase_if(described, [&](const fs::path& file) { return moved.empty() && is_kept_already(file); });
  if (moved.empty() && described.empty()) return std::nullopt;
  const fs::path place = next_earlier();
  fs::path staging = place;
  staging += kMoving;
  fs::create_directory(staging);
  // First what keeps its path, so that a move that is ended later knows it by its second name.
  for (const fs::path& file : stays) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
      if (!entry.is_regular_file() || !same_file(entry.path(), file)) continue;
      const fs::path copy = staging / entry.path().filename();
      std::error_code no_links;
      if (role_of(entry.path()) == EntryRole::result) {
        link_entry(entry.path(), copy);
      } else {
        fs::create_hard_link(fs::canonical(entry.path()), copy,
                             no_links);  // for company; it is in no danger where it lies
      }
    }
  }
  sync_directory(staging);
  finish_moves();
  log_info("what an earlier run made was moved to " + place.string());
  return place;
}

fs::path OutputFolder::set_aside_one(const std::string& name) {
  const fs::path place = next_earlier();
  fs::create_directory(place);
  move_entry(folder_ / name, place / name);
  sync_directory(place);
  sync_directory(folder_);
  return place / name;
}

void OutputFolder::finish_moves() const {
  std::vector<fs::path> begun;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    if (entry.is_directory() && matches(kEarlierMoving, entry.path().filename().string()))
      begun.push_back(entry.path());
  }
  std::sort(begun.begin(), begun.end());
  for (const fs::path& staging : begun) {
    for (const fs::path& file : entries(EntryRole::described)) {
      if (!fs::exists(staging / file.filename())) link_entry(file, staging / file.filename());
    }
    for (const fs::path& entry : results()) {
      // Under both names it is the file that stays; a copy that was cut short lies there as .tmp.
      if (!has_name(staging / entry.filename())) move_entry(entry, staging / entry.filename());
    }
    sync_directory(staging);
    fs::path place = staging;
    place.replace_extension();
    std::error_code error;
    fs::rename(staging, place, error);
    if (error) throw_move(staging, error);
    sync_directory(folder_);
  }
}

}  // namespace anemll
