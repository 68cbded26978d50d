// Every refusal of KD caches has a way on: tests/support/refusals.hpp. The other tests of this program
// provoke them.
#include "tests/support/refusals.hpp"

#include "anemll/data/kd_cache.hpp"
#include "src/data/h5.hpp"
#include "src/data/shard_file.hpp"
#include "src/data/torch_shards.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll::test {
namespace {

/// Messages of the sources that no input of a test provokes.
const std::map<std::string, std::string> kOutOfReach = {
    {"changed while it was read", "the file changes while it is read"},
    {"rank, world and first step do not fit together", "of a caller"},
    {"must be at least 1", "of a caller"},
    {"cannot write", "the library fails on a sound file"},
    {"cannot look for dataset ", "the library fails on a sound file"},
    {"cannot look for attribute ", "the library fails on a sound file"},
    {"cannot get the shape", "the library fails on a sound file"},
    {"cannot get the chunk shape", "the library fails on a sound file"},
    {"unsupported element type", "needs a file that only HDF5 itself can write"},
    {"is impossibly large", "needs a file that only HDF5 itself can write"},
    {" is too long", "needs a file that only HDF5 itself can write"},
    {"has tokens alone, and the reference's shards hold top-k logits", "e2e tests of a live teacher"},
    {"holds an HDF5 cache, which is taken as it is", "e2e tests of anemll_cache"},
};

using Json = nlohmann::ordered_json;
using Act = std::function<void(const TempDir&)>;

/// An index with one key changed.
Act index(const std::string& key, const Json& value) {
  return [=](const TempDir& folder) {
    CacheIndex whole;
    whole.shape = small_shape();
    whole.shards = {{"shard_00000.h5", 2, std::string(64, 'a')}};
    Json root = Json::parse(write_index(whole));
    root[key] = value;
    parse_index(root.dump(), folder.path() / kIndexName, kd_columns());
  };
}

/// A shard without datasets whose attributes are sound but for those that `change` writes.
Act shard(const std::function<void(h5::File&)>& change) {
  return [=](const TempDir& folder) {
    h5::File file = h5::File::create(folder / "shard_00000.h5");
    change(file);  // an attribute is written once
    const auto text = [&](const char* name, std::string_view value) {
      if (!file.has_attribute(name)) file.set_text(name, value);
    };
    const auto number = [&](const char* name, std::int64_t value) {
      if (!file.has_attribute(name)) file.set_integer(name, value);
    };
    text("format", kCacheFormat);
    number("version", kCacheVersion);
    number("vocab_size", 1000);
    number("all_attended", 1);
    for (const char* name : {"meta", "source", "sha256"}) text(name, "{}");
    file.close();
    const ShardReader reader(folder / "shard_00000.h5");
  };
}

Act meta_json(const std::string& text) {
  return [=](const TempDir& folder) {
    write_file(folder / "meta.json", text);
    (void)read_torch_meta(folder.path(), small_shape());
  };
}

/// A folder that looks like one of .pt shards, imported to `destination` in it.
Act import(const std::string& destination, bool overwrite = false, std::int64_t compress = 0) {
  return [=](const TempDir& folder) {
    std::filesystem::create_directory(folder / "pt");
    for (const char* name : {"pt/shard_00000.pt", "pt/meta.json", "notes.txt"})
      write_file(folder / name, "{}");
    ImportOptions options;
    options.overwrite = overwrite;
    options.compress = compress;
    import_torch_cache(folder / "pt", folder / destination, options, nullptr);
  };
}

std::vector<Refusal> refusals() {
  return {
      {"format", "not 7", index("format", 7)},
      {"all_attended", "not \"yes\"", index("all_attended", "yes")},
      {"payloads", "not [3]", index("payloads", {3})},
      {"temperature", "not -1", index("payloads", {{"lse_train", {{"temperature", -1}}}})},
      {"shards", "not []", index("shards", Json::array())},
      {"vocab_size", "not 1.5", index("vocab_size", 1.5)},
      {"fingerprint", "\"abc\"", index("fingerprint", "abc")},
      {"format", "another", shard([](h5::File& file) { file.set_text("format", "another"); })},
      {"version", "version 3", shard([](h5::File& file) { file.set_integer("version", 3); })},
      {"version", "is not one integer", shard([](h5::File& file) { file.set_text("version", "1"); })},
      {"sha256", "is not one text", shard([](h5::File& file) { file.set_integer("sha256", 1); })},
      {"vocab_size", "-5", shard([](h5::File& file) { file.set_integer("vocab_size", -5); })},
      {"attribute source", "{torn", shard([](h5::File& file) { file.set_text("source", "{torn"); })},
      {"temperature", "\"-1\"",
       [](const TempDir& folder) {
         CacheShape shape = small_shape();
         shape.list(Payload::lse);
         shape.lse_train_temperature = -1;
         write_shard(folder / "shard_00000.h5", shape, 0, 0, 2);
         const ShardReader reader(folder / "shard_00000.h5");
       }},
      {"vocab_size", "-2", meta_json("{\"vocab_size\": -2}")},
      {"topk", "not \"4\"", meta_json("{\"topk\": \"4\"}")},
      {"format", "\"other\"", meta_json("{\"format\": \"other\"}")},
      {"source and destination", "pt", import("pt", true)},
      {"notes.txt", "is not a .h5 file", import("notes.txt", true)},
      {"--compress", "10", import("h5", false, 10)},
      {"pt", "folder of .pt shards",
       [](const TempDir& folder) {
         std::filesystem::create_directory(folder / "pt");
         for (const char* name : {"pt/shard_00000.pt", "pt/meta.json"}) write_file(folder / name, "{}");
         export_torch_cache(folder / "pt", folder / "out", false, nullptr);
       }},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(
    data_refusals,
    *boost::unit_test::depends_on("data_order") * boost::unit_test::depends_on("data_cache_parts") *
        boost::unit_test::depends_on("data_prefetcher") * boost::unit_test::depends_on("data_cache_tokens") *
        boost::unit_test::depends_on("cache_archive") * boost::unit_test::depends_on("data_kd_cache") *
        boost::unit_test::depends_on("data_columns") * boost::unit_test::depends_on("data_torch_cache"))

BOOST_AUTO_TEST_CASE(each_is_heard) {
  check_every_message(heard() + check_refusals(refusals()),
                      std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/data", kOutOfReach,
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
