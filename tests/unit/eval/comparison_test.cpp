// Figures of models on scores that are given by hand: means, differences, parts, and the reports of them.
#include "src/eval/comparison.hpp"

#include "src/eval/internal/token_classes.hpp"
#include "src/inspect/text_table.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// Two windows of four scored positions each, from two sources.
struct Text {
  EvalText text{{{{1, 2, 3, 4, 5, 6, 7, 8}, 3, 4, {}}, {{8, 7, 6, 5, 4, 3, 2, 1}, 3, 4, {}}},
                {0, 1},
                {"prose", "code"}};
  TextScorer scorer{text.windows};
  ComparedText compared{text, scorer, true, nullptr};
};

/// A model with these divergences; its likelihoods follow from them.
ModelResult model(const std::string& name, const std::vector<double>& kl) {
  ModelResult result;
  result.name = name;
  result.size.body_weights = 1;
  result.scores.emplace();
  for (const double value : kl)
    result.scores->positions.push_back({value, value < 1 ? 1.0 : 0.0, 2, 2 + value, 1, 1});
  return result;
}

const ModelResult& good() {
  static const ModelResult result = model("good", {0, 0.5, 0.5, 1, 0, 0, 0, 0});
  return result;
}
const ModelResult& bad() {
  static const ModelResult result = model("bad", {1, 1.5, 1.5, 2, 2, 2, 2, 2});
  return result;
}

const PartRow* part_of(const std::vector<PartRow>& rows, const std::string& by, const std::string& part) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const PartRow& r) { return r.by == by && r.part == part; });
  return found == rows.end() ? nullptr : &*found;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(eval_comparison)

BOOST_AUTO_TEST_CASE(a_row_has_the_means_and_their_intervals) {
  const Text t;
  const ModelRow row = model_row(good(), &t.compared, {});
  BOOST_TEST(row.kl.mean == 0.25);
  BOOST_TEST((row.kl.interval.low == 0 && row.kl.interval.high == 0.5));  // the means of the two chunks
  BOOST_TEST(row.top1.mean == 7.0 / 8);
  BOOST_TEST(row.top5.mean == 1);
  BOOST_TEST(row.nll.mean == 2.25);
  BOOST_TEST(row.text->teacher_nll == 2);
  BOOST_TEST((row.chunks == 2 && row.text->positions == 8 && row.questions == 0));
}

BOOST_AUTO_TEST_CASE(differences_are_paired_chunk_by_chunk) {
  const Text t;
  const std::vector<ModelResult> results{good(), bad()};
  const std::vector<PairRow> rows = pair_rows(results, &t.compared, {});
  BOOST_TEST_REQUIRE(rows.size() == 1u);
  BOOST_TEST((rows[0].first == "good" && rows[0].second == "bad"));
  // 1 in the first chunk, 2 in the second, wherever the models themselves are.
  BOOST_TEST(rows[0].kl->mean == 1.5);
  BOOST_TEST((rows[0].kl->interval.low == 1 && rows[0].kl->interval.high == 2));
  BOOST_TEST(rows[0].nll->mean == 1.5);
  BOOST_TEST(rows[0].top1->mean == -7.0 / 8);
  BOOST_TEST(!rows[0].accuracy);
  const std::vector<ModelResult> three{good(), bad(), good()};
  const std::vector<PairRow> all = pair_rows(three, &t.compared, {});
  BOOST_TEST_REQUIRE(all.size() == 3u);
  BOOST_TEST((all[1].kl->mean == 0 && all[1].kl->interval.high == 0));
}

BOOST_AUTO_TEST_CASE(questions_need_no_text) {
  ModelResult first = good(), second = bad();
  first.scores.reset();
  second.scores.reset();
  first.choices = ChoiceResult{{{1, 1}, {0, 1}, {1, 1}, {0, 1}}, {{1, 1}, {1, 1}, {1, 1}, {0, 1}}};
  second.choices = ChoiceResult{{{1, 1}, {1, 1}, {1, 1}, {1, 1}}, {{0, 1}, {0, 1}, {0, 1}, {0, 1}}};
  const ModelRow row = model_row(first, nullptr, {});
  BOOST_TEST((row.questions == 4 && !row.text && !row.compared));
  BOOST_TEST((row.accuracy.mean == 0.5 && row.normalised_accuracy.mean == 0.75));
  BOOST_TEST((row.accuracy.interval.low < 0.5 && row.accuracy.interval.high > 0.5));
  const std::vector<ModelResult> results{first, second};
  const std::vector<PairRow> rows = pair_rows(results, nullptr, {});
  BOOST_TEST((!rows[0].kl && !rows[0].nll && rows[0].accuracy->mean == 0.5));
}

BOOST_AUTO_TEST_CASE(parts_add_up) {
  const Text t;
  const std::vector<PartRow> rows = part_rows(good(), t.compared);
  const PartRow* prose = part_of(rows, "source", "prose");
  const PartRow* code = part_of(rows, "source", "code");
  BOOST_TEST_REQUIRE((prose != nullptr && code != nullptr));
  BOOST_TEST((prose->summary.mean == 0.5 && prose->summary.positions == 4));
  BOOST_TEST((code->summary.mean == 0 && code->summary.positions == 4));
  // Eight bins of one position each, of which four have something.
  const PartRow* last = part_of(rows, "position", "6 to 6");
  BOOST_TEST_REQUIRE(last != nullptr);
  BOOST_TEST((last->summary.positions == 2 && last->summary.mean == 0.5));
  BOOST_TEST((part_of(rows, "position", "2 to 2") == nullptr));
  BOOST_TEST(rows.size() == 6u);  // without a tokenizer no kinds of tokens
}

BOOST_AUTO_TEST_CASE(tokens_have_kinds) {
  const TextModel nano = load_text_model(test::golden("nano"));
  TokenClasses classes(nano.tokenizer);
  const auto kind = [&](const std::string& text) {
    const std::vector<std::int32_t> ids = nano.tokenizer.encode(text);
    BOOST_TEST(!ids.empty());
    return classes.of(ids.front());
  };
  BOOST_TEST((kind("7") == TokenClass::digits));
  BOOST_TEST((kind("{") == TokenClass::code));
  BOOST_TEST((kind("\t") == TokenClass::code));
  BOOST_TEST((kind("a") == TokenClass::other));
  BOOST_TEST((kind("<|im_end|>") == TokenClass::other));  // special
  BOOST_TEST((classes.of(-1) == TokenClass::other));
  // A word of letters out of the later half.
  bool met = false;
  for (std::int32_t id = static_cast<std::int32_t>(nano.tokenizer.size() / 2); id < nano.tokenizer.size();
       ++id) {
    const std::string text = nano.tokenizer.bytes(std::vector<std::int32_t>{id}, true);
    const bool letters = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || c == ' ';
    }) && text.find_first_not_of(' ') != std::string::npos;
    if (!letters) continue;
    met = true;
    BOOST_TEST((classes.of(id) == TokenClass::rare));
  }
  BOOST_TEST(met);
  // Every position of a text has one kind.
  Text t;
  t.compared.tokenizer = &nano.tokenizer;
  std::int64_t positions = 0;
  for (const PartRow& row : part_rows(good(), t.compared)) {
    if (row.by == "token") positions += row.summary.positions;
  }
  BOOST_TEST(positions == 8);
}

BOOST_AUTO_TEST_CASE(a_histogram_holds_every_position) {
  const Text t;
  const ModelRow row = model_row(bad(), &t.compared, {});
  const std::vector<double> edges = kl_histogram_edges();
  BOOST_REQUIRE(row.kl_histogram.size() + 1 == edges.size());
  std::vector<std::int64_t> wanted(row.kl_histogram.size(), 0);
  const ModelResult result = bad();
  for (const PositionScore& score : result.scores->positions) {
    if (score.counted == 0) continue;
    const auto above = std::upper_bound(edges.begin(), edges.end(), score.kl) - edges.begin();
    ++wanted[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(above - 1, 0, std::ssize(wanted) - 1))];
  }
  BOOST_TEST(row.kl_histogram == wanted, boost::test_tools::per_element());
  BOOST_TEST(std::is_sorted(edges.begin(), edges.end()));
  const ComparedText alone{t.text, t.scorer, false, nullptr};
  BOOST_TEST(model_row(good(), &alone, {}).kl_histogram.empty());
}

BOOST_AUTO_TEST_CASE(reports_name_what_there_is) {
  const Text t;
  std::vector<ModelRow> rows{model_row(good(), &t.compared, {}), model_row(bad(), &t.compared, {})};
  const std::string text = tables(model_columns(), rows, 0);
  BOOST_TEST(has(text, "kl_p999"), text);
  BOOST_TEST(!has(text, "accuracy"), text);  // nobody was asked
  const std::string markdown = markdown_tables(model_columns(), rows);
  BOOST_TEST(has(markdown, "| good |"), markdown);
  BOOST_TEST(has(markdown, "|---|---:|"), markdown);
  const std::string json = rows_json(model_columns(), rows);
  BOOST_TEST(has(json, "\"kl\":0.25"), json);
  BOOST_TEST(has(json, "\"accuracy\":null"), json);
  // Without a teacher there is a perplexity and nothing to compare.
  const ComparedText alone{t.text, t.scorer, false, nullptr};
  rows = {model_row(good(), &alone, {})};
  const std::string likelihoods = tables(model_columns(), rows, 0);
  BOOST_TEST(has(likelihoods, "perplexity"), likelihoods);
  BOOST_TEST(!has(likelihoods, "kl"), likelihoods);
  BOOST_TEST(!has(likelihoods, "top1"), likelihoods);
}

BOOST_AUTO_TEST_SUITE_END()
