#include "src/calib/moments_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "anemll_moments_v1";
constexpr const char* kFacts = "facts";  // attributes of the file
constexpr const char* kEntries = "inputs";
constexpr std::int64_t kMostColumns = std::int64_t{1} << 20;  // the widest models have a tenth of it
constexpr const char* kDamaged =
    "the file is damaged or of another program: make it again with anemll_calibrate";

std::string dataset_name(std::int64_t entry, const char* part) {
  return strf("input_%05lld.%s", static_cast<long long>(entry), part);
}

Json facts_json(const MomentsFacts& f) {
  Json sources = Json::array();
  for (const TextSource& s : f.sources)
    sources.push_back({{"name", s.name},
                       {"share", s.share},
                       {"documents", s.documents},
                       {"rows", s.rows},
                       {"tokens", s.tokens},
                       {"holdout_rows", s.holdout_rows}});
  return {{"format", kFormat},
          {"model", f.model},
          {"fingerprint", f.fingerprint},
          {"texts", f.texts},
          {"token_weight", choice_name(f.weight)},
          {"length", f.length},
          {"sequences", f.sequences},
          {"sources", sources}};
}

MomentsFacts facts_of(const Json& json, const std::string& where) {
  if (!json.is_object() || json.value("format", "") != kFormat)
    throw_data("the file holds no moments", where, "anemll_calibrate makes such files");
  MomentsFacts f;
  f.model = json.at("model").get<std::string>();
  f.fingerprint = json.at("fingerprint").get<std::string>();
  f.texts = json.at("texts").get<std::vector<std::string>>();
  const auto weight = json.at("token_weight").get<std::string>();
  const auto kind = choice_named<TokenWeight>(weight);
  if (!kind) throw_data(strf("the token weight '%s' is not known", weight.c_str()), where, kDamaged);
  f.weight = *kind;
  f.length = json.at("length").get<std::int64_t>();
  f.sequences = json.at("sequences").get<std::int64_t>();
  for (const Json& s : json.at("sources"))
    f.sources.push_back({s.at("name").get<std::string>(), s.at("share").get<double>(),
                         s.at("documents").get<std::int64_t>(), s.at("rows").get<std::int64_t>(),
                         s.at("tokens").get<std::int64_t>(), s.at("holdout_rows").get<std::int64_t>()});
  return f;
}

MomentsFile::Entry entry_of(const Json& json, const std::string& where) {
  MomentsFile::Entry e;
  e.linears = json.at("linears").get<std::vector<std::string>>();
  e.columns = json.at("columns").get<std::int64_t>();
  e.tokens = json.at("tokens").get<std::int64_t>();
  e.weight = json.at("weight").get<double>();
  e.trace = json.at("trace").get<double>();
  e.plain_trace = json.at("plain_trace").get<double>();
  e.plain_largest = json.at("plain_largest").get<double>();
  e.largest = json.at("largest").get<double>();
  e.capped = json.at("capped").get<std::int64_t>();
  e.uncapped_share = json.at("uncapped_share").get<double>();
  e.full = json.at("full").get<bool>();
  e.diagonal_sha256 = json.at("diagonal_sha256").get<std::string>();
  e.full_sha256 = json.at("full_sha256").get<std::string>();
  if (e.columns < 1 || e.columns > kMostColumns || e.tokens < 0 || e.linears.empty())
    throw_data(strf("an input of %lld columns and %lld tokens", static_cast<long long>(e.columns),
                    static_cast<long long>(e.tokens)),
               where, kDamaged);
  return e;
}

void require_shape(const h5::Dataset& set, DType type, const std::vector<std::int64_t>& shape,
                   const std::string& where) {
  if (set.type() != type || set.shape() != shape)
    throw_data(strf("%s is %s", set.name().c_str(), set.describe().c_str()), where, kDamaged);
}

std::string digest_of(const at::Tensor& tensor) {
  return sha256_hex(std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()));
}

/// Returns the digest of the values.
std::string write_tensor(h5::File& file, const std::string& name, DType type, const at::Tensor& tensor) {
  h5::Dataset set = file.create_dataset(name, type, tensor.sizes().vec(), 0);
  set.write_rows(0, tensor.size(0), static_cast<const std::byte*>(tensor.const_data_ptr()));
  return digest_of(tensor);
}

void read_tensor(const h5::Dataset& set, at::Tensor& tensor, const std::string& sha256,
                 const std::string& where) {
  set.read_rows(0, tensor.size(0), static_cast<std::byte*>(tensor.data_ptr()));
  if (digest_of(tensor) != sha256)
    throw_data(strf("the values of %s are not those that were written", set.name().c_str()), where, kDamaged);
}

std::string parts_text(const MomentsFile& file) {
  std::string text;
  for (const MomentsFile::Entry& e : file.entries()) {
    for (const std::string& name : e.linears) text += name + ',';
    text += strf(" %lld %s; ", static_cast<long long>(e.columns), e.full ? "full" : "diagonal");
  }
  return text;
}

}  // namespace

MomentsWriter::MomentsWriter(fs::path path, MomentsFacts facts)
    : path_(std::move(path)),
      temporary_(path_.string() + strf(".tmp.%lld", static_cast<long long>(::getpid()))),
      file_(h5::File::create(temporary_)),
      facts_(std::move(facts)) {}

MomentsWriter::~MomentsWriter() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void MomentsWriter::add(const std::vector<std::string>& linears, const Moments& m, std::int64_t capped,
                        double uncapped_share) {
  const std::string diagonal =
      write_tensor(file_, dataset_name(count_, "diagonal"), DType::f64, m.diagonal.contiguous());
  const std::string full = m.full.defined() ? write_tensor(file_, dataset_name(count_, "full"), DType::f32,
                                                           m.full.to(at::kFloat).contiguous())
                                            : "";
  const Json entry = {{"linears", linears},
                      {"columns", m.columns},
                      {"tokens", m.tokens},
                      {"weight", m.weight},
                      {"trace", m.trace()},
                      {"plain_trace", m.plain_trace},
                      {"plain_largest", m.plain_largest},
                      {"largest", m.largest},
                      {"capped", capped},
                      {"uncapped_share", uncapped_share},
                      {"full", m.full.defined()},
                      {"diagonal_sha256", diagonal},
                      {"full_sha256", full}};
  if (count_++ > 0) entries_ += ',';
  entries_ += entry.dump();
}

void MomentsWriter::finish() {
  file_.set_text(kFacts, facts_json(facts_).dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string all = "[";
  all += entries_;
  all += ']';
  file_.set_text(kEntries, all);
  file_.close();
  sync_file(temporary_);
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) throw_system("cannot rename the finished file", path_, error);
  temporary_.clear();
  sync_directory(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

MomentsFile MomentsFile::open(const fs::path& path) {
  MomentsFile file;
  file.file_ = h5::File::open(path);
  const std::string where = path.string();
  if (!file.file_.has_attribute(kFacts) || !file.file_.has_attribute(kEntries))
    throw_data("the file holds no moments", where, "anemll_calibrate makes such files");
  try {
    file.facts_ = facts_of(Json::parse(file.file_.text(kFacts)), where);
    for (const Json& json : Json::parse(file.file_.text(kEntries)))
      file.entries_.push_back(entry_of(json, where));
  } catch (const Json::exception& e) {
    throw_data(e.what(), where, kDamaged);
  }
  for (std::size_t i = 0; i < file.entries_.size(); ++i) {
    const Entry& e = file.entries_[i];
    const auto number = static_cast<std::int64_t>(i);
    require_shape(file.file_.dataset(dataset_name(number, "diagonal")), DType::f64, {e.columns}, where);
    if (e.full)
      require_shape(file.file_.dataset(dataset_name(number, "full")), DType::f32, {e.columns, e.columns},
                    where);
  }
  return file;
}

bool MomentsFile::has(const std::string& linear) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return std::find(e.linears.begin(), e.linears.end(), linear) != e.linears.end();
  });
}

Moments MomentsFile::read(const std::string& linear, bool full) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const std::vector<std::string>& names = entries_[i].linears;
    if (std::find(names.begin(), names.end(), linear) != names.end()) return read(i, full);
  }
  throw_data(strf("there are no moments of %s", linear.c_str()), path().string(),
             "they are of a part of the model, or of another one");
}

Moments MomentsFile::read(std::size_t entry, bool full) const {
  const Entry& e = entries_[entry];
  const auto number = static_cast<std::int64_t>(entry);
  const std::string where = path().string();
  if (full && !e.full)
    throw_data(strf("there is no whole matrix of %s", e.linears.front().c_str()), where,
               "anemll_calibrate --full keeps it");
  Moments m(e.columns, {full, false});
  m.tokens = e.tokens;
  m.weight = e.weight;
  m.plain_trace = e.plain_trace;
  m.plain_largest = e.plain_largest;
  m.largest = e.largest;
  read_tensor(file_.dataset(dataset_name(number, "diagonal")), m.diagonal, e.diagonal_sha256, where);
  const auto* values = m.diagonal.const_data_ptr<double>();
  if (!std::all_of(values, values + e.columns, [](double v) { return std::isfinite(v) && v >= 0; }))
    throw_data(strf("moments of %s are no sums of squares", e.linears.front().c_str()), where, kDamaged);
  if (full) {
    at::Tensor stored = at::empty({e.columns, e.columns}, at::kFloat);
    read_tensor(file_.dataset(dataset_name(number, "full")), stored, e.full_sha256, where);
    const auto* first = stored.const_data_ptr<float>();
    if (!std::all_of(first, first + stored.numel(), [](float v) { return std::isfinite(v); }))
      throw_data(strf("moments of %s are no numbers", e.linears.front().c_str()), where, kDamaged);
    m.full.copy_(stored);
    m.full.diagonal().copy_(m.diagonal);
  }
  return m;
}

void MomentsFile::require_model(const std::string& fingerprint, const std::string& model) const {
  if (facts_.fingerprint == fingerprint) return;
  throw_data(strf("the moments are of another model (%s) than %s", facts_.model.c_str(), model.c_str()),
             path().string(), "moments describe the inputs of one model: run anemll_calibrate with this one");
}

void combine_moments(std::span<const fs::path> files, const fs::path& output) {
  if (files.empty()) throw_usage("there is nothing to combine", "", "name files of anemll_calibrate");
  std::vector<MomentsFile> all;
  for (const fs::path& path : files) all.push_back(MomentsFile::open(path));
  MomentsFacts facts = all.front().facts();
  const std::string parts = parts_text(all.front());
  for (std::size_t i = 1; i < all.size(); ++i) {
    const MomentsFacts& more = all[i].facts();
    const std::string where = all[i].path().string();
    const std::string first = all.front().path().string();
    all[i].require_model(facts.fingerprint, strf("%s (%s)", facts.model.c_str(), first.c_str()));
    if (more.weight != facts.weight)
      throw_usage(strf("tokens are weighted by %s, in %s by %s", choice_name(more.weight).c_str(),
                       first.c_str(), choice_name(facts.weight).c_str()),
                  where, "combine files of one --token-weight");
    if (parts_text(all[i]) != parts)
      throw_usage(strf("the linears or their parts are others than in %s", first.c_str()), where,
                  "combine files that were all made with --full, or all without it");
    for (const std::string& text : more.texts) {
      if (std::find(facts.texts.begin(), facts.texts.end(), text) != facts.texts.end())
        throw_usage("the same text is in two of the files", where, "it would count twice: leave one out");
      facts.texts.push_back(text);
    }
    facts.sequences += more.sequences;
    facts.length = std::max(facts.length, more.length);
    facts.sources.insert(facts.sources.end(), more.sources.begin(), more.sources.end());
  }
  MomentsWriter writer(output, facts);
  for (std::size_t e = 0; e < all.front().entries().size(); ++e) {
    const MomentsFile::Entry& first = all.front().entries()[e];
    Moments sum = all.front().read(e, first.full);
    std::int64_t capped = first.capped;
    double share = first.uncapped_share;
    for (std::size_t i = 1; i < all.size(); ++i) {
      sum.combine(all[i].read(e, first.full));
      capped += all[i].entries()[e].capped;
      share = std::max(share, all[i].entries()[e].uncapped_share);
    }
    writer.add(first.linears, sum, capped, share);
  }
  writer.finish();
}

}  // namespace anemll
