// Whose divergence an evaluation reports: the cache's teacher, one that the user names, or nobody's; and what
// is wrong with a teacher or a text is said before the student is made.
#include "anemll/core/error.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/file_lock.hpp"
#include "src/core/hash.hpp"
#include "src/distill/evaluator.hpp"
#include "tests/support/capture.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

using namespace anemll;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

/// Half hidden states against fp32 ones.
constexpr double kHalf = 5e-3;
/// Nine digits in the log.
constexpr double kSame = 1e-8;

/// A copy of the nano model; `change` may alter its configuration and each of its tensors.
fs::path altered_nano(const fs::path& folder, const std::function<void(json&)>& configure,
                      const std::function<HostTensor(const std::string&, const HostTensor&)>& change) {
  fs::create_directories(folder);
  json config = json::parse(read_text(test::golden("nano/config.json")));
  configure(config);
  write_file(folder / "config.json", config.dump());
  std::vector<LazyTensor> tensors;
  const SafetensorsFile file = read_safetensors(test::golden("nano/model.safetensors"));
  for (const auto& [name, tensor] : file.tensors) tensors.push_back(lazy(name, change(name, tensor)));
  write_safetensors(folder / "model.safetensors", tensors);
  return folder;
}

/// Other weights, all else alike.
fs::path other_teacher(const fs::path& folder) {
  return altered_nano(
      folder, [](json&) {},
      [](const std::string& name, const HostTensor& tensor) {
        return name == "model.layers.0.mlp.down_proj.weight" ? HostTensor::zeros(tensor.dtype, tensor.shape)
                                                             : tensor;
      });
}

/// The nano model with its embedding (and head) cut or padded with zeros to `ids` rows.
fs::path of_ids(const fs::path& folder, std::int64_t ids) {
  return altered_nano(
      folder, [&](json& config) { config["vocab_size"] = ids; },
      [&](const std::string&, const HostTensor& tensor) {
        if (tensor.shape[0] != 4096) return tensor;
        HostTensor out = HostTensor::zeros(tensor.dtype, {ids, tensor.shape[1]});
        const std::size_t row = tensor.bytes() / 4096;
        const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(ids, 4096));
        std::memcpy(out.mutable_bytes(), tensor.data, rows * row);
        return out;
      });
}

std::string write_text(const test::TempDir& work) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Number " + std::to_string(i * i) + " of the plain sentences. ";
  write_file(work / "text.txt", text);
  return (work / "text.txt").string();
}

struct Evaluated {
  json line;
  std::size_t warnings = 0;  ///< of the teacher
  double kl(const std::string& part) const {
    return line.contains(part + "_kl_mean") ? line.at(part + "_kl_mean").get<double>() : 0;
  }
};

/// The run's first evaluation.
Evaluated evaluate(const TrainOptions& options) {
  test::Capture log(STDERR_FILENO);
  Evaluated out;
  out.line = test::of_kind(test::train(options), "eval").at(0);
  const std::string text = log.text();
  for (std::size_t at = 0; (at = text.find("another teacher", at)) != std::string::npos; ++at) ++out.warnings;
  return out;
}

bool near(double value, double expected, double tolerance) {
  return std::abs(value - expected) <= tolerance * std::abs(expected);
}

struct Setup {
  test::TempDir work;
  TrainOptions options(const std::string& name, const test::PayloadCache& made) const {
    test::write_payload_cache(work / name, made);
    return test::nano_options(work / name, work / (name + "-out"));
  }
  /// The run must end with `code` and say all `words`.
  static void refused(const TrainOptions& options, ExitCode code, const std::vector<std::string>& words) {
    BOOST_CHECK_EXCEPTION(test::train(options), Error, [&](const Error& e) {
      const std::string text = e.what();
      for (const std::string& word : words)
        BOOST_TEST(text.find(word) != std::string::npos, "no '" << word << "' in: " << text);
      return e.code() == code && !e.hint().empty();
    });
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(train_evaluation_teacher)

BOOST_AUTO_TEST_CASE(a_named_teacher_wins_over_the_cache) {
  const Setup s;
  const std::string other = other_teacher(s.work / "other").string();
  TrainOptions options = s.options("without", {.rows = 8, .hidden = false});
  options.teacher_model = other;
  const Evaluated want = evaluate(options);
  BOOST_TEST(want.warnings == 0u);  // nobody knows who made the cache

  options = s.options("with", {.rows = 8, .teacher = test::nano_files().fingerprint});
  const Evaluated cached = evaluate(options);
  BOOST_TEST(cached.warnings == 0u);
  BOOST_TEST(!near(cached.kl("train"), want.kl("train"), 10 * kHalf));
  options.teacher_model = other;
  options.output_dir += "-named";
  const Evaluated named = evaluate(options);
  for (const char* part : {"train", "holdout"}) {
    BOOST_TEST(near(named.kl(part), want.kl(part), kSame),
               part << ": " << named.kl(part) << " for " << want.kl(part));
  }
  BOOST_TEST(named.warnings == 1u);  // it is not the one that training follows
  options.teacher_model = test::golden("nano").string();
  options.output_dir += "-same";
  const Evaluated same = evaluate(options);
  BOOST_TEST(near(same.kl("train"), cached.kl("train"), kHalf));
  BOOST_TEST(same.warnings == 0u);
}

BOOST_AUTO_TEST_CASE(the_base_model_speaks_for_rows_only_where_it_made_them) {
  const Setup s;
  const std::string stranger(64, 'a');
  const auto with_text = [&](TrainOptions options) {
    options.eval_text = write_text(s.work);
    options.eval_ctx = 32;
    options.eval_chunks = 2;
    return evaluate(options);
  };
  const Evaluated own =
      with_text(s.options("own", {.rows = 8, .hidden = false, .teacher = test::nano_files().fingerprint}));
  BOOST_TEST(own.warnings == 0u);
  BOOST_TEST((own.kl("train") > 0 && own.kl("holdout") > 0 && own.kl("text") > 0));

  // As earlier versions name the teacher.
  const Evaluated earlier = with_text(
      s.options("earlier", {.rows = 8, .hidden = false, .teacher = test::nano_files().first_fingerprint}));
  BOOST_TEST(earlier.warnings == 0u);
  BOOST_TEST(near(earlier.kl("train"), own.kl("train"), kSame));

  const Evaluated unsaid = with_text(s.options("unsaid", {.rows = 8, .hidden = false}));
  BOOST_TEST(unsaid.warnings == 0u);
  BOOST_TEST(near(unsaid.kl("train"), own.kl("train"), kSame));

  const Evaluated foreign =
      with_text(s.options("foreign", {.rows = 8, .hidden = false, .teacher = stranger}));
  BOOST_TEST(foreign.warnings == 1u);
  BOOST_TEST((foreign.kl("train") == 0 && foreign.kl("holdout") == 0));
  BOOST_TEST(foreign.line.contains("holdout_loss"));
  BOOST_TEST(near(foreign.kl("text"), own.kl("text"), kSame));

  // Hidden states are the cache's own word, whoever made it.
  const Evaluated hidden = with_text(s.options("hidden", {.rows = 8, .teacher = stranger}));
  BOOST_TEST(hidden.warnings == 1u);
  BOOST_TEST(near(hidden.kl("train"), own.kl("train"), kHalf));
}

BOOST_AUTO_TEST_CASE(a_teacher_of_a_padded_vocabulary_counts_over_the_shared_ids) {
  const Setup s;
  TrainOptions options = s.options("cache", {.rows = 8, .hidden = false});
  options.eval_text = write_text(s.work);
  options.eval_ctx = 32;
  options.eval_chunks = 2;
  options.teacher_model = test::golden("nano").string();
  const Evaluated want = evaluate(options);
  options.teacher_model = of_ids(s.work / "padded", 4200).string();
  options.output_dir += "-padded";
  const Evaluated padded = evaluate(options);
  for (const char* part : {"train", "holdout", "text"}) {
    BOOST_TEST(want.kl(part) > 0);
    BOOST_TEST(near(padded.kl(part), want.kl(part), 1e-5), part << ": " << padded.kl(part));
  }
  options.eval_text.reset();
  options.teacher_model = of_ids(s.work / "small", 100).string();
  options.output_dir += "-small";
  Setup::refused(options, ExitCode::data, {"the id ", "only 100 ids", "--teacher-model"});
}

BOOST_AUTO_TEST_CASE(teachers_that_do_not_fit_are_refused_before_the_student_is_made) {
  const Setup s;
  const auto same = [](const std::string&, const HostTensor& tensor) { return tensor; };
  const auto of_positions = [&](std::int64_t count) {
    const auto set = [&](json& config) { config["max_position_embeddings"] = count; };
    return altered_nano(s.work / ("max" + std::to_string(count)), set, same).string();
  };
  TrainOptions options = s.options("cache", {.rows = 8, .holdout = 0, .hidden = false});
  options.v2_checkpoint = test::golden("nano/v2_q2a4_init.pt").string();
  auto tokens = json::parse(read_text(test::golden("nano/tokenizer.json")));
  tokens["added_tokens"][0]["content"] = "<|another|>";
  const fs::path stranger = of_ids(s.work / "stranger", 4200);
  write_file(stranger / "tokenizer.json", tokens.dump());
  options.teacher_model = stranger.string();
  Setup::refused(options, ExitCode::data, {"4087", "<|another|>", "<|endoftext|>", "different models"});
  options.teacher_model = of_positions(16);
  Setup::refused(options, ExitCode::data, {"16 positions", *options.teacher_model});
  options.teacher_model = of_positions(48);
  options.eval_text = write_text(s.work);
  options.eval_ctx = 64;
  options.eval_chunks = 2;
  Setup::refused(options, ExitCode::usage, {"--eval-ctx", "48 positions", *options.teacher_model});
  options.eval_ctx = 1024;
  options.teacher_model.reset();
  Setup::refused(options, ExitCode::usage, {"--eval-ctx", "512 positions"});
}

BOOST_AUTO_TEST_CASE(what_the_teacher_folder_leaves_out_is_an_error_where_the_user_wants_one) {
  const Setup s;
  TrainOptions options = s.options("cache", {.rows = 8, .holdout = 0, .hidden = false});
  options.strict = true;
  options.teacher_model = other_teacher(s.work / "teacher").string();
  write_file(s.work / "teacher/adapter_config.json", "{}");
  Setup::refused(options, ExitCode::data, {"adapter_config.json", *options.teacher_model});
}

// What a state recorded of text and teacher, by today's rule and by that of earlier versions.
BOOST_AUTO_TEST_CASE(a_text_that_an_earlier_version_recorded_is_the_same) {
  const Setup s;
  const TrainOptions options = s.options("cache", {.rows = 8, .holdout = 0, .hidden = false});
  const auto comm = make_single_communicator();
  Prefetcher data(options.cache_dir, OrderKind::sequential, 4, 0, {});
  const ModelFiles& nano = test::nano_files();
  Evaluator::Sources sources;
  sources.teacher = nano;
  sources.base_fingerprint = nano.fingerprint;
  sources.text.emplace(std::vector<std::int32_t>(100, 5), TextProtocol{32, 2}, "text");
  const std::string text = sources.text->digest();
  const Evaluator evaluator({5, 2, "cache"}, data, {}, std::move(sources), *comm, at::kCPU);
  BOOST_TEST(evaluator.text_digest() == sha256_hex(text + nano.fingerprint));
  BOOST_TEST(evaluator.is_text(evaluator.text_digest()));
  BOOST_TEST(evaluator.is_text(sha256_hex(text + nano.first_fingerprint)));
  BOOST_TEST(!evaluator.is_text(""));
  BOOST_TEST(!evaluator.is_text(sha256_hex(text + std::string(64, 'a'))));
}

BOOST_AUTO_TEST_CASE(a_text_that_is_not_utf8_is_named) {
  const Setup s;
  TrainOptions options = s.options("cache", {.rows = 8, .holdout = 0});
  options.eval_text = (s.work / "latin.txt").string();
  write_file(*options.eval_text, "Ten bytes \xE9 and more");
  Setup::refused(options, ExitCode::data, {"byte 10", "latin.txt"});
}

BOOST_AUTO_TEST_CASE(two_runs_do_not_share_a_folder) {
  const Setup s;
  const TrainOptions options = s.options("cache", {.rows = 8, .holdout = 0});
  fs::create_directories(options.output_dir);
  FileLock other;
  BOOST_REQUIRE(other.take(fs::path(options.output_dir) / ".lock"));
  Setup::refused(options, ExitCode::usage,
                 {"another process is writing a training run into this folder", options.output_dir});
  BOOST_TEST(!fs::exists(fs::path(options.output_dir) / "metrics.jsonl"));
  other.release();
  BOOST_TEST(!test::train(options).empty());
  BOOST_TEST(other.take(fs::path(options.output_dir) / ".lock"));
}

BOOST_AUTO_TEST_SUITE_END()
