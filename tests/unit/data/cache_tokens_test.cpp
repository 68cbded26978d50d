// Whether a cache is one for a model: by what the tokens mean, else by digests, else by the numbers of ids.
#include "src/data/cache_tokens.hpp"

#include "anemll/core/file.hpp"
#include "src/data/origin.hpp"
#include "tests/support/other_tokenizer.hpp"
#include "tests/support/refusals.hpp"

#include <cstdint>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll::test {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kRows = 4096;  // of nano

/// As anemll_precompute records it.
Json meta_of(const std::filesystem::path& teacher, bool with_samples) {
  const TextModel text = load_text_model(teacher);
  Json ours = {{"tokenizer_sha256", text.sha256}};
  for (const TokenSample& sample : token_samples(text.tokenizer))
    if (with_samples) ours["token_samples"].push_back({sample.id, sample.text});
  return {{"teacher_model", "org/teacher"}, {"anemll", ours}};
}

KdCacheInfo cache_of(const Json& meta, std::int64_t vocabulary) {
  KdCacheInfo info;
  info.vocab_size = vocabulary;
  info.meta_json = meta.dump();
  return info;
}

const Json kUnknown = Json::object();

TokenMatch match(const KdCacheInfo& cache, const ModelIds& ids) {
  return compare_tokens(cache, ids).match;
}

struct Models {
  TempDir dir;
  std::filesystem::path nano = golden("nano"), other = dir / "other";
  Models() { write_model_with_other_ids(other); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(data_cache_tokens, Models)

BOOST_AUTO_TEST_CASE(the_same_number_of_other_tokens_is_refused) {
  for (const bool with_samples : {true, false}) {
    const KdCacheInfo cache = cache_of(meta_of(nano, with_samples), kRows);
    BOOST_TEST((match(cache, {kRows, nano}) == TokenMatch::same));
    BOOST_TEST((match(cache, {kRows, other}) == TokenMatch::other));
    require_own_tokens(cache, {kRows, nano}, "cache");
    try {
      require_own_tokens(cache, {kRows, other}, "somewhere/cache");
      BOOST_ERROR("nothing was refused");
    } catch (const Error& error) {
      BOOST_TEST(helps(error));
      BOOST_TEST((error.code() == ExitCode::data));
      BOOST_TEST(error.where() == "somewhere/cache");
      for (const std::string part : {"anemll_precompute", other.c_str(), "org/teacher"})
        BOOST_TEST(error.hint().find(part) != std::string::npos, error.what());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_few_new_names_and_another_form_of_the_file_are_the_same_tokens) {
  const KdCacheInfo cache = cache_of(meta_of(nano, true), kRows);
  const std::filesystem::path few = dir / "few";
  write_model_with_other_ids(few, 3500);
  BOOST_TEST((match(cache, {kRows, few}) == TokenMatch::same));

  write_file(few / "tokenizer.json", Json::parse(read_text(nano / "tokenizer.json")).dump(2));
  BOOST_TEST((match(cache, {kRows, few}) == TokenMatch::same));
  // Padding of either.
  BOOST_TEST((match(cache, {kRows + 128, few}) == TokenMatch::same));
  BOOST_TEST((match(cache_of(meta_of(nano, true), 2 * kRows), {kRows, few}) == TokenMatch::same));
}

BOOST_AUTO_TEST_CASE(without_a_tokenizer_of_both_the_numbers_decide) {
  const ModelIds model{kRows, nano};
  for (const std::int64_t rows : {std::int64_t{0}, kRows, std::int64_t{5000}, std::int64_t{3500}}) {
    BOOST_TEST((match(cache_of(kUnknown, rows), model) == TokenMatch::unknown), rows);
    BOOST_TEST((match(cache_of(meta_of(nano, true), rows), {kRows, {}}) == TokenMatch::unknown), rows);
  }
  BOOST_TEST((match(cache_of(kUnknown, 151936), {151669, {}}) == TokenMatch::unknown));
  BOOST_TEST((match(cache_of(kUnknown, kRows), {49152, {}}) == TokenMatch::other));
  BOOST_TEST((match(cache_of(kUnknown, 49152), model) == TokenMatch::other));
  const TempDir empty;
  BOOST_TEST((match(cache_of(meta_of(nano, true), kRows), {kRows, empty.path()}) == TokenMatch::unknown));
  BOOST_TEST(compare_tokens(cache_of(kUnknown, 49152), model).problem.find("49152") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(samples_that_are_none_are_passed_over) {
  Json meta = meta_of(nano, false);
  meta["anemll"]["token_samples"] =
      Json::parse(R"([1, [2], [-1, "a"], [3, 4], [4294967296, "b"], [7, "c"]])");
  const auto origin = cache_origin(meta.dump());
  BOOST_REQUIRE(origin.has_value());
  BOOST_TEST(origin->token_samples.size() == 1U);
  BOOST_TEST(origin->token_samples.at(0).id == 7);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
