#include "src/datasets/mixture.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string_view>
#include <system_error>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kForm = "write NAME:SHARE,NAME:SHARE, for example wiki.txt:0.7,chat.json=sharegpt:0.3";

/// A number at the end of `text` after a colon, which is taken off.
std::optional<double> take_share(std::string_view& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  text = text.substr(0, colon);
  return value;
}

std::optional<RecordFormat> take_format(std::string_view& text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const auto format = choice_named<RecordFormat>(text.substr(equals + 1));
  if (format) text = text.substr(0, equals);
  return format;
}

class Mixture final : public Dataset {
 public:
  Mixture(std::vector<MixturePart> parts, std::vector<std::unique_ptr<Dataset>> sets)
      : parts_(std::move(parts)), sets_(std::move(sets)), taken_(parts_.size()), open_(parts_.size(), true) {
    for (const auto& set : sets_) {
      first_file_.push_back(files_.size());
      files_.insert(files_.end(), set->files().begin(), set->files().end());
    }
  }

  std::optional<Document> next() override {
    while (std::find(open_.begin(), open_.end(), true) != open_.end()) {
      const std::size_t part = next_part(parts_, taken_, open_);
      std::optional<Document> document = sets_[part]->next();
      if (!document) {
        open_[part] = false;
        if (std::find(open_.begin(), open_.end(), true) != open_.end())
          log_warning(strf("%s: no more documents: its share is smaller than was asked for",
                           parts_[part].name.c_str()));
        continue;
      }
      auto bytes = document->text.size();
      for (const ChatMessage& message : document->messages) bytes += message.content.size();
      taken_[part] += static_cast<double>(bytes);
      document->source += first_file_[part];
      return document;
    }
    return std::nullopt;
  }
  std::int64_t records() const override { return sum(&Dataset::records); }
  std::int64_t skipped() const override { return sum(&Dataset::skipped); }
  const std::vector<fs::path>& files() const override { return files_; }
  const DatasetReport& report() const override {
    report_ = {};
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      const DatasetReport& one = sets_[i]->report();
      if (i > 0) report_.why += "; ";
      report_.why += strf("%s (%.3g): %s", parts_[i].name.c_str(), parts_[i].share, one.why.c_str());
      report_.inventory.add(one.inventory);
      report_.bad_records += one.bad_records;
      report_.bad_examples.insert(report_.bad_examples.end(), one.bad_examples.begin(),
                                  one.bad_examples.end());
    }
    return report_;
  }

 private:
  std::int64_t sum(std::int64_t (Dataset::*figure)() const) const {
    std::int64_t all = 0;
    for (const auto& set : sets_) all += ((*set).*figure)();
    return all;
  }

  std::vector<MixturePart> parts_;
  std::vector<std::unique_ptr<Dataset>> sets_;
  std::vector<double> taken_;  // bytes
  std::vector<bool> open_;
  std::vector<fs::path> files_;
  std::vector<std::size_t> first_file_;
  mutable DatasetReport report_;  // put together when it is asked for
};

}  // namespace

std::vector<MixturePart> parse_mixture(const std::string& text, const std::string& flag) {
  const std::string where = strf("%s %s", flag.c_str(), text.c_str());
  std::error_code ignored;
  if (fs::exists(text, ignored)) return {{text, 1.0, std::nullopt}};
  std::vector<MixturePart> parts;
  std::size_t given = 0;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    std::string_view part = rest.substr(0, comma);
    const std::optional<double> share = take_share(part);
    const std::optional<RecordFormat> format = take_format(part);
    if (part.empty()) throw_usage("a data set without a name", where, kForm);
    if (share && !(std::isfinite(*share) && *share > 0))
      throw_usage(strf("the share of %s is not above 0", std::string(part).c_str()), where, kForm);
    if (share) ++given;
    const auto same = [&](const MixturePart& other) { return other.name == part; };
    if (std::any_of(parts.begin(), parts.end(), same))
      throw_usage(strf("%s is named twice", std::string(part).c_str()), where,
                  "write NAME:SHARE for it once");
    parts.push_back({std::string(part), share.value_or(1.0), format});
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  if (given != 0 && given != parts.size())
    throw_usage("some data sets have a share and some have none", where, kForm);
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0,
                                     [](double all, const MixturePart& p) { return all + p.share; });
  for (MixturePart& part : parts) part.share /= sum;
  return parts;
}

std::vector<MixturePart> mixture_of(const DatasetFlags& flags) {
  return flags.name ? parse_mixture(*flags.name, "--dataset_name") : std::vector<MixturePart>();
}

std::size_t next_part(std::span<const MixturePart> parts, std::span<const double> taken,
                      const std::vector<bool>& open) {
  std::size_t best = parts.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!open[i]) continue;
    if (best == parts.size() || taken[i] / parts[i].share < taken[best] / parts[best].share) best = i;
  }
  return best;
}

std::vector<std::int64_t> share_out(std::span<const MixturePart> parts, std::int64_t total) {
  std::vector<std::int64_t> counts(parts.size(), 0);
  std::vector<double> taken(parts.size(), 0);
  const std::vector<bool> open(parts.size(), true);
  for (std::int64_t i = 0; i < total; ++i) {
    const std::size_t part = next_part(parts, taken, open);
    ++counts[part];
    taken[part] += 1;
  }
  return counts;
}

std::unique_ptr<Dataset> mix(const std::vector<MixturePart>& parts,
                             std::vector<std::unique_ptr<Dataset>> sets) {
  if (sets.size() == 1) return std::move(sets.front());
  return std::make_unique<Mixture>(parts, std::move(sets));
}

}  // namespace anemll
