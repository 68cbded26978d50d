// Reference folders in and out: bitwise round trips, odd but valid shards, refusals, and imports that are
// killed, repeated or raced.
#include "anemll/core/file.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/expect_error.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using test::expect_data_error;
using test::expect_error;
using test::golden;
using test::small_shape;
using test::TempDir;

void nothing(std::int64_t, std::int64_t) {}

void import(const fs::path& source, const fs::path& destination, const ImportOptions& options = {}) {
  import_torch_cache(source, destination, options, nothing);
}

TensorMap tensors_of(const fs::path& path) {
  return flatten_tensors(read_torch_file(path));
}

void check_same_tensors(const fs::path& a, const fs::path& b) {
  const TensorMap left = tensors_of(a), right = tensors_of(b);
  BOOST_TEST(left.size() == right.size());
  for (const auto& [name, tensor] : left) {
    const HostTensor* other = right.find(name);
    BOOST_REQUIRE(other != nullptr);
    BOOST_TEST(tensor.describe() == other->describe());
    const HostTensor x = tensor.packed(), y = other->packed();
    BOOST_TEST(std::equal(x.data, x.data + x.bytes(), y.data), name);
  }
}

using TorchPlant = std::function<void(const DatasetSpec&, HostTensor&)>;

void write_torch_shard(const fs::path& path, const CacheShape& shape, std::int64_t first_row,
                       std::int64_t rows, const TorchPlant& plant = {}) {
  std::vector<LazyTensor> tensors;
  for (const DatasetSpec& spec : datasets_of(shape)) {
    const test::DatasetBytes bytes = test::make_rows(spec, first_row, rows);
    HostTensor tensor = HostTensor::zeros(spec.dtype(), spec.extent(rows));
    std::copy(bytes.begin(), bytes.end(), tensor.mutable_bytes());
    if (plant) plant(spec, tensor);
    tensors.push_back(lazy(spec.name, tensor));
  }
  write_torch_file(path, tensors);
}

// Two shards of 3 and 5 rows and a meta.json.
fs::path make_torch_cache(const fs::path& folder, const TorchPlant& plant = {}) {
  fs::create_directories(folder);
  write_torch_shard(folder / "shard_00000.pt", small_shape(), 0, 3);
  write_torch_shard(folder / "shard_00001.pt", small_shape(), 3, 5, plant);
  write_file(
      folder / "meta.json",
      R"({"format": "qwen_kd_topk_cache_v1", "max_length": 8, "topk": 4, "rand_neg": 3, "vocab_size": 1000})");
  return folder;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_torch_cache)

// nano/cache was written by the reference's cache script.
BOOST_AUTO_TEST_CASE(the_reference_cache_survives_both_ways) {
  const TempDir temp;
  for (const std::int64_t compress : {0, 6}) {
    ImportOptions options;
    options.compress = compress;
    options.overwrite = true;
    import(golden("nano/cache"), temp / "h5", options);
    auto cache = KdCache::open(temp / "h5");
    BOOST_TEST(cache.info().sequences == 64);
    BOOST_TEST(cache.info().shards == 2);
    BOOST_TEST(cache.info().vocab_size == 4096);
    cache.verify(nothing);
    export_torch_cache(temp / "h5", temp / "pt", true, nothing);
    for (const char* name : {"shard_00000.pt", "shard_00001.pt"}) {
      check_same_tensors(golden("nano/cache") / name, temp / "pt" / name);
    }
    BOOST_TEST(read_text(temp / "pt" / "meta.json") == read_text(golden("nano/cache") / "meta.json"));
    BOOST_TEST(names_in(temp / "pt") ==
               (std::vector<std::string>{"meta.json", "progress.json", "shard_00000.pt", "shard_00001.pt"}));
    BOOST_TEST(read_text(temp / "pt" / "progress.json").find("\"done\": true") != std::string::npos);
  }
  BOOST_TEST(names_in(temp.path()) == (std::vector<std::string>{"h5", "pt"}));
}

BOOST_AUTO_TEST_CASE(one_file_holds_all_shards) {
  const TempDir temp;
  import(make_torch_cache(temp / "pt"), temp / "all.h5");
  auto cache = KdCache::open(temp / "all.h5");
  BOOST_TEST(cache.info().sequences == 8);
  BOOST_TEST(cache.info().shards == 1);
  cache.verify(nothing);
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{7}, {Payload::negatives}, batch);
  BOOST_TEST(batch[kd::input_ids][0] == test::expected_id("input_ids", 7, 0));
  export_torch_cache(temp / "all.h5", temp / "back", false, nothing);
  BOOST_TEST(tensors_of(temp / "back" / "shard_00000.pt").find("rand_logits")->describe() ==
             "float16[8, 7, 3]");
}

BOOST_AUTO_TEST_CASE(negatives_can_be_left_out) {
  const TempDir temp;
  ImportOptions options;
  options.with_negatives = false;
  import(make_torch_cache(temp / "pt"), temp / "h5", options);
  BOOST_TEST(KdCache::open(temp / "h5").info().rand_neg == 0);
  export_torch_cache(temp / "h5", temp / "back", false, nothing);
  BOOST_TEST(tensors_of(temp / "back" / "shard_00000.pt").size() == 4);
  BOOST_TEST(read_text(temp / "back" / "meta.json").find("\"rand_neg\": 0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(single_examples_and_gaps_in_the_numbers) {
  const TempDir temp;
  make_torch_cache(temp / "pt");
  write_torch_shard(temp / "pt" / "shard_00007.pt", small_shape(), 8, 1,
                    [](const DatasetSpec&, HostTensor& tensor) {
                      tensor.shape.erase(tensor.shape.begin());
                      tensor.strides = contiguous_strides(tensor.shape);
                    });
  BOOST_TEST(tensors_of(temp / "pt" / "shard_00007.pt").find("input_ids")->describe() == "int32[8]");
  import(temp / "pt", temp / "h5");
  auto cache = KdCache::open(temp / "h5");
  BOOST_TEST(cache.info().sequences == 9);
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{8}, {}, batch);
  BOOST_TEST(batch[kd::input_ids][3] == test::expected_id("input_ids", 8, 3));
  BOOST_TEST(batch[kd::topk_logits][27] == test::expected_half(8, 27, 4));
}

BOOST_AUTO_TEST_CASE(meta_is_optional_and_foreign_files_are_skipped) {
  const TempDir temp;
  make_torch_cache(temp / "pt");
  fs::remove(temp / "pt" / "meta.json");
  write_file(temp / "pt" / "notes.pt", "the reference would choke on this");
  import(temp / "pt", temp / "h5");
  BOOST_TEST(KdCache::open(temp / "h5").info().vocab_size == 0);
  BOOST_TEST(KdCache::open(temp / "h5").info().sequences == 8);
  export_torch_cache(temp / "h5", temp / "back", false, nothing);
  BOOST_TEST(read_text(temp / "back" / "meta.json").find("\"max_length\": 8") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_masked_position_is_noted) {
  const TempDir temp;
  make_torch_cache(temp / "pt", [](const DatasetSpec& spec, HostTensor& tensor) {
    if (spec.name == "attention_mask") tensor.mutable_bytes()[12] = std::byte{0};
  });
  import(temp / "pt", temp / "h5");
  auto cache = KdCache::open(temp / "h5");
  BOOST_TEST(!cache.info().all_attended);
  cache.verify(nothing);
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{4}, {}, batch);
  BOOST_TEST(batch[kd::attention_mask][4] == 0);
}

BOOST_AUTO_TEST_CASE(bad_sources_are_refused_and_leave_nothing) {
  const TempDir temp;
  const auto refuse = [&](const std::vector<std::string>& parts, const TorchPlant& plant) {
    fs::remove_all(temp / "pt");
    make_torch_cache(temp / "pt", plant);
    expect_data_error([&] { import(temp / "pt", temp / "h5"); }, parts);
    BOOST_TEST(names_in(temp.path()) == std::vector<std::string>{"pt"});
  };
  const auto set = [](const std::string& name, std::size_t at, auto value) {
    return [=](const DatasetSpec& spec, HostTensor& tensor) {
      if (spec.name == name) std::memcpy(tensor.mutable_bytes() + at * sizeof value, &value, sizeof value);
    };
  };
  refuse({"shard_00001.pt", "topk_idx", "row 2", "position 0, entry 1", "1000"},
         set("topk_idx", 57, std::int32_t{1000}));
  refuse({"shard_00001.pt", "topk_logits", "row 0", "not finite"},
         set("topk_logits", 1, std::uint16_t{0x7E00}));
  refuse({"shard_00001.pt", "topk_logits", "row 0", "descending"},
         set("topk_logits", 1, std::uint16_t{0x5000}));
  refuse({"shard_00001.pt", "topk_idx", "int64[5, 7, 4]", "int32[5, 7, 4]"},
         [](const DatasetSpec& spec, HostTensor& tensor) {
           if (spec.name == "topk_idx") tensor = HostTensor::zeros(DType::i64, tensor.shape);
         });
  refuse({"shard_00001.pt", "topk_logits", "float16[4, 7, 4]"},
         [](const DatasetSpec& spec, HostTensor& tensor) {
           if (spec.name == "topk_logits") tensor = HostTensor::zeros(DType::f16, {4, 7, 4});
         });
  refuse({"shard_00001.pt", "K 6", "K 4"}, [](const DatasetSpec& spec, HostTensor& tensor) {
    if (spec.name.starts_with("topk")) tensor = HostTensor::zeros(tensor.dtype, {5, 7, 6});
  });
  refuse({"shard_00001.pt", "topk_idx", "int32[5, 8, 4]", "8 tokens"},
         [](const DatasetSpec& spec, HostTensor& tensor) {
           if (spec.name.starts_with("topk")) tensor = HostTensor::zeros(tensor.dtype, {5, 8, 4});
         });
}

BOOST_AUTO_TEST_CASE(bad_meta_and_damaged_files_are_refused) {
  const TempDir temp;
  const auto refuse_meta = [&](const std::string& meta, const std::vector<std::string>& parts) {
    make_torch_cache(temp / "pt");
    write_file(temp / "pt" / "meta.json", meta);
    expect_data_error([&] { import(temp / "pt", temp / "h5"); }, parts);
    BOOST_TEST(!fs::exists(temp / "h5"));
  };
  refuse_meta("{", {"meta.json", "JSON"});
  refuse_meta(R"({"format": "other"})", {"meta.json", "other"});
  refuse_meta(R"({"topk": 64})", {"meta.json", "topk = 64", "4"});
  refuse_meta(R"({"max_length": 16})", {"meta.json", "max_length = 16"});
  refuse_meta(R"({"vocab_size": "many"})", {"meta.json", "vocab_size"});
  refuse_meta(R"({"vocab_size": 100})", {"outside [0, 100)"});

  make_torch_cache(temp / "pt");
  fs::resize_file(temp / "pt" / "shard_00001.pt", 900);
  expect_data_error([&] { import(temp / "pt", temp / "h5"); }, {"shard_00001.pt"});
  make_torch_cache(temp / "pt");
  std::vector<LazyTensor> lone = {lazy("input_ids", HostTensor::zeros(DType::i32, {5, 8})),
                                  lazy("labels", HostTensor::zeros(DType::i32, {5, 8}))};
  write_torch_file(temp / "pt" / "shard_00001.pt", lone);
  expect_data_error([&] { import(temp / "pt", temp / "h5"); }, {"shard_00001.pt", "topk_idx", "missing"});
  fs::create_directory(temp / "empty");
  expect_data_error([&] { import(temp / "empty", temp / "h5"); }, {"shard_*.pt"});
  expect_data_error([&] { import(temp / "nowhere", temp / "h5"); }, {"nowhere"});
  BOOST_TEST(!fs::exists(temp / "h5"));
}

BOOST_AUTO_TEST_CASE(destinations_are_protected) {
  const TempDir temp;
  make_torch_cache(temp / "pt");
  import(temp / "pt", temp / "h5");
  expect_error([&] { import(temp / "pt", temp / "h5"); }, ExitCode::usage, {"already exists", "--overwrite"});
  ImportOptions overwrite;
  overwrite.overwrite = true;
  import(temp / "pt", temp / "h5", overwrite);

  fs::create_directory(temp / "home");
  write_file(temp / "home" / "thesis.txt", "years of work");
  expect_error([&] { import(temp / "pt", temp / "home", overwrite); }, ExitCode::usage,
               {"thesis.txt", "not overwritten"});
  BOOST_TEST(read_text(temp / "home" / "thesis.txt") == "years of work");
  // Onto itself would remove the source.
  expect_error([&] { import(temp / "pt", temp / "pt", overwrite); }, ExitCode::usage, {"same"});
  expect_error([&] { export_torch_cache(temp / "h5", temp / "h5" / "", true, nothing); }, ExitCode::usage,
               {"same"});
  BOOST_TEST(names_in(temp.path()) == (std::vector<std::string>{"h5", "home", "pt"}));
  KdCache::open(temp / "h5").verify(nothing);

  // A failing overwrite keeps what was there.
  fs::resize_file(temp / "pt" / "shard_00001.pt", 900);
  expect_data_error([&] { import(temp / "pt", temp / "h5", overwrite); }, {"shard_00001.pt"});
  KdCache::open(temp / "h5").verify(nothing);
}

BOOST_AUTO_TEST_CASE(what_a_killed_import_left_is_cleared_and_a_living_one_respected) {
  const TempDir temp;
  make_torch_cache(temp / "pt");
  fs::create_directories(temp / "h5.partial" / "cache");
  write_file(temp / "h5.partial" / ".lock", "");
  write_file(temp / "h5.partial" / "cache" / "shard_00000.h5", "half a shard");
  expect_data_error([&] { KdCache::open(temp / "h5.partial"); }, {"not a KD cache"});
  import(temp / "pt", temp / "h5");
  BOOST_TEST(names_in(temp.path()) == (std::vector<std::string>{"h5", "pt"}));
  ImportOptions overwrite;
  overwrite.overwrite = true;
  for (const char* name : {"h5.partial", "h5.replaced"}) {  // the user's own, of our names
    fs::create_directory(temp / name);
    write_file(temp / name / "notes.txt", "mine");
  }
  expect_error([&] { import(temp / "pt", temp / "h5", overwrite); }, ExitCode::usage,
               {"h5.partial", "notes.txt"});
  KdCache::open(temp / "h5").verify(nothing);
  fs::rename(temp / "h5.partial", temp / "mine");
  import(temp / "pt", temp / "h5", overwrite);
  BOOST_TEST(names_in(temp.path()) == (std::vector<std::string>{"h5", "h5.replaced", "mine", "pt"}));
  BOOST_TEST(read_text(temp / "h5.replaced" / "notes.txt") == "mine");
  BOOST_TEST(names_in(temp / "h5") ==
             (std::vector<std::string>{"index.json", "shard_00000.h5", "shard_00001.h5"}));

  fs::create_directory(temp / "two.partial");
  const int fd = ::open((temp / "two.partial" / ".lock").c_str(), O_RDWR | O_CREAT, 0644);
  BOOST_REQUIRE(fd >= 0);
  BOOST_REQUIRE(::flock(fd, LOCK_EX) == 0);
  expect_error([&] { import(temp / "pt", temp / "two"); }, ExitCode::usage, {"another process"});
  BOOST_TEST(fs::exists(temp / "two.partial" / ".lock"));
  ::close(fd);
  import(temp / "pt", temp / "two");
}

// A file size limit stands in for a full disk: both make write() fail, somewhere between the first byte of a
// shard and the metadata that closing it writes.
BOOST_AUTO_TEST_CASE(a_full_disk_is_an_error_that_leaves_nothing) {
  const TempDir temp;
  make_torch_cache(temp / "pt");
  import(temp / "pt", temp / "whole");
  const auto shard_bytes = fs::file_size(temp / "whole" / "shard_00001.h5");
  rlimit before{};
  BOOST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (rlim_t limit = 64; limit < shard_bytes; limit += 311) {
    rlimit small = before;
    small.rlim_cur = limit;
    BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    bool failed = false;
    try {
      import(temp / "pt", temp / "h5");
    } catch (const Error& error) {
      failed = error.code() == ExitCode::data;
    }
    ::setrlimit(RLIMIT_FSIZE, &before);
    BOOST_TEST(failed, "limit " << limit);
    BOOST_TEST(names_in(temp.path()) == (std::vector<std::string>{"pt", "whole"}), "limit " << limit);
  }
  std::signal(SIGXFSZ, handler);
  import(temp / "pt", temp / "h5");
  KdCache::open(temp / "h5").verify(nothing);
}

BOOST_AUTO_TEST_CASE(training_imports_once_and_again_when_the_source_changes) {
  const TempDir temp;
  make_torch_cache(temp / "pt");
  fs::create_directory(temp / "out");
  int imports = 0;
  const auto count = [&](std::int64_t done, std::int64_t) { imports += done == 0 ? 1 : 0; };
  const auto ensure = [&] { return ensure_hdf5_cache(temp / "pt", temp / "out", count); };

  const fs::path path = ensure();
  BOOST_TEST(imports == 1);
  const std::string fingerprint = KdCache::open(path).info().fingerprint;
  BOOST_TEST(ensure() == path);
  BOOST_TEST(imports == 1);

  // Same name and size, other content: nothing that is there is replaced.
  write_torch_shard(temp / "pt" / "shard_00001.pt", small_shape(), 4, 5);
  const fs::path second = ensure();
  BOOST_TEST(second == temp / "out/kd_cache-2");
  BOOST_TEST(imports == 2);
  BOOST_TEST(KdCache::open(path).info().fingerprint == fingerprint);
  BOOST_TEST(KdCache::open(second).info().fingerprint != fingerprint);
  BOOST_TEST(ensure() == second);
  BOOST_TEST(imports == 2);
  write_torch_shard(temp / "pt" / "shard_00002.pt", small_shape(), 8, 2);
  const fs::path third = ensure();
  BOOST_TEST(imports == 3);
  BOOST_TEST(KdCache::open(third).info().sequences == 10);

  // Damaged ones may be anybody's.
  write_file(third / kIndexName, "{");
  const fs::path fourth = ensure();
  BOOST_TEST(imports == 4);
  BOOST_TEST(read_text(third / kIndexName) == "{");
  fs::remove(fourth / "shard_00001.h5");
  const fs::path fifth = ensure();
  BOOST_TEST(imports == 5);
  KdCache::open(fifth).verify(nothing);

  // A cache that somebody made under the first name is not an import, whatever its source is called.
  for (const fs::path& name : {path, second, third, fourth, fifth}) fs::remove_all(name);
  import(temp / "pt", path);
  std::string index = read_text(path / kIndexName);
  const std::size_t at = index.find(kTorchCacheFormat, index.find("\"source\""));
  BOOST_REQUIRE(at != std::string::npos);
  write_file(path / kIndexName,
             index.replace(at, std::string(kTorchCacheFormat).size(), "anemll_precompute"));
  BOOST_TEST(ensure() == second);
  BOOST_TEST(imports == 6);
  BOOST_TEST(read_text(path / kIndexName) == index);

  // HDF5 caches are taken as they are.
  BOOST_TEST(ensure_hdf5_cache(path, temp / "elsewhere", count) == path);
  BOOST_TEST(ensure_hdf5_cache(path / "shard_00000.h5", temp / "elsewhere", count) ==
             path / "shard_00000.h5");
  BOOST_TEST(!fs::exists(temp / "elsewhere"));
}

BOOST_AUTO_TEST_SUITE_END()
}  // namespace anemll
