// Files of moments: what is written is read, files combine, and what does not fit is refused by name.
#include "src/calib/moments_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kFirst = {"model.layers.0.self_attn.q_proj",
                                         "model.layers.0.self_attn.k_proj"};
const std::vector<std::string> kSecond = {"model.layers.0.mlp.down_proj"};

MomentsFacts facts(const std::string& text, const std::string& fingerprint = "2:ab") {
  return {"nano", fingerprint, {text}, TokenWeight::norm, 32, 4, {{"wiki.txt", 0.7, 10, 4, 128, 0}}};
}

Moments moments(std::int64_t columns, bool full) {
  Moments m(columns, {full, false});
  m.add(at::randn({50, columns}), at::randn({50}).abs());
  return m;
}

void write(const fs::path& path, const MomentsFacts& of, const Moments& first, const Moments& second) {
  MomentsWriter writer(path, of);
  writer.add(kFirst, first, 3, 0.9);
  writer.add(kSecond, second);
  writer.finish();
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    BOOST_TEST(!e.hint().empty());
    return e.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_moments_file)

BOOST_AUTO_TEST_CASE(what_was_written_is_read) {
  const test::TempDir dir;
  const Moments first = moments(12, true), second = moments(20, false);
  write(dir / "m.h5", facts("text"), first, second);
  const MomentsFile file = MomentsFile::open(dir / "m.h5");
  BOOST_TEST(file.facts().fingerprint == "2:ab");
  BOOST_TEST(file.facts().sources.at(0).tokens == 128);
  BOOST_TEST(file.entries().at(0).capped == 3);
  BOOST_TEST(file.entries().at(0).trace == first.trace());
  BOOST_TEST(file.has("model.layers.0.self_attn.k_proj"));
  BOOST_TEST(!file.has("lm_head"));
  const Moments read = file.read("model.layers.0.self_attn.k_proj", true);
  BOOST_TEST(at::equal(read.diagonal, first.diagonal));
  BOOST_TEST(at::equal(read.full.tril(-1), first.full.to(at::kFloat).to(at::kDouble).tril(-1)));
  BOOST_TEST(at::equal(read.full.diagonal(), first.diagonal));
  BOOST_TEST(read.weight == first.weight);
  BOOST_TEST(read.tokens == 50);
  BOOST_TEST(at::equal(file.read(kSecond[0], false).diagonal, second.diagonal));
  BOOST_TEST(says(refusal([&] { file.read(kSecond[0], true); }), "no whole matrix"));
  BOOST_TEST(says(refusal([&] { file.read("lm_head", false); }), "no moments of lm_head"));
  BOOST_TEST(says(refusal([&] { file.require_model("2:cd", "other"); }), "another model"));
}

BOOST_AUTO_TEST_CASE(equal_moments_give_equal_bytes) {
  const test::TempDir dir;
  const Moments first = moments(12, true), second = moments(20, false);
  write(dir / "a.h5", facts("text"), first, second);
  write(dir / "b.h5", facts("text"), first, second);
  BOOST_TEST(read_text(dir / "a.h5") == read_text(dir / "b.h5"));
}

BOOST_AUTO_TEST_CASE(a_file_appears_when_it_is_whole) {
  const test::TempDir dir;
  {
    MomentsWriter writer(dir / "m.h5", facts("text"));
    writer.add(kFirst, moments(12, false));
  }
  BOOST_TEST(fs::is_empty(dir.path()));
}

BOOST_AUTO_TEST_CASE(files_combine_to_the_sum) {
  const test::TempDir dir;
  Moments a = moments(12, false);
  const Moments b = moments(12, false), other = moments(20, false);
  write(dir / "a.h5", facts("one"), a, other);
  write(dir / "b.h5", facts("two"), b, other);
  const std::vector<fs::path> both = {dir / "a.h5", dir / "b.h5"};
  combine_moments(both, dir / "sum.h5");
  a.combine(b);
  const MomentsFile sum = MomentsFile::open(dir / "sum.h5");
  BOOST_TEST(at::equal(sum.read(kFirst[1], false).diagonal, a.diagonal));
  BOOST_TEST(sum.facts().sequences == 8);
  BOOST_TEST(sum.facts().sources.size() == 2U);
  BOOST_TEST(sum.facts().texts.size() == 2U);
  BOOST_TEST(sum.entries().at(0).capped == 6);
}

BOOST_AUTO_TEST_CASE(files_that_do_not_belong_together_are_refused) {
  const test::TempDir dir;
  const Moments first = moments(12, false), second = moments(20, false);
  write(dir / "a.h5", facts("one"), first, second);
  write(dir / "model.h5", facts("two", "2:cd"), first, second);
  write(dir / "text.h5", facts("one"), first, second);
  write(dir / "shape.h5", facts("two"), moments(12, true), second);
  MomentsFacts unweighted = facts("two");
  unweighted.weight = TokenWeight::none;
  write(dir / "weight.h5", unweighted, first, second);
  const auto refused = [&](const char* name) {
    const std::vector<fs::path> both = {dir / "a.h5", dir / name};
    return refusal([&] { combine_moments(both, dir / "sum.h5"); });
  };
  BOOST_TEST(says(refused("model.h5"), "another model"));
  BOOST_TEST(says(refused("text.h5"), "the same text"));
  BOOST_TEST(says(refused("shape.h5"), "--full"));
  BOOST_TEST(says(refused("weight.h5"), "weighted by none"));
  BOOST_TEST(!fs::exists(dir / "sum.h5"));
}

BOOST_AUTO_TEST_CASE(other_and_damaged_files_are_refused) {
  const test::TempDir dir;
  write_file(dir / "text.h5", "no HDF5");
  BOOST_TEST(!refusal([&] { MomentsFile::open(dir / "text.h5"); }).empty());
  h5::File::create(dir / "empty.h5").close();
  BOOST_TEST(says(refusal([&] { MomentsFile::open(dir / "empty.h5"); }), "no moments"));
  Moments bad = moments(12, false);
  bad.diagonal[3] = -1.0;
  write(dir / "bad.h5", facts("one"), bad, moments(20, false));
  const MomentsFile file = MomentsFile::open(dir / "bad.h5");
  BOOST_TEST(says(refusal([&] { file.read(kFirst[0], false); }), "no sums of squares"));
}

BOOST_AUTO_TEST_CASE(a_changed_value_is_noticed) {
  const test::TempDir dir;
  const Moments first = moments(12, true);
  write(dir / "m.h5", facts("one"), first, moments(20, false));
  std::string bytes = read_text(dir / "m.h5");
  const std::string value(static_cast<const char*>(first.diagonal.const_data_ptr()), sizeof(double));
  const std::size_t place = bytes.find(value);
  BOOST_REQUIRE(place != std::string::npos);
  bytes[place] = static_cast<char>(bytes[place] ^ 1);  // the last bit of a number
  write_file(dir / "m.h5", bytes);
  const MomentsFile file = MomentsFile::open(dir / "m.h5");
  BOOST_TEST(says(refusal([&] { file.read(kFirst[0], false); }), "not those that were written"));
  file.read(kSecond[0], false);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
