// A GGUF file is read once per process, whatever the program takes from it: architecture, weights, tokenizer,
// chat template.
#include "anemll/formats/safetensors.hpp"
#include "tests/support/gguf_model.hpp"
#include "tests/support/gguf_tokenizer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <boost/test/unit_test.hpp>
#include <sys/inotify.h>
#include <unistd.h>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

/// Counts how often a file is opened. Each opening is followed by its closing in the queue, because readers
/// map the file and close it: so no two events in a row are alike, which the kernel would make one of.
class Openings {
 public:
  explicit Openings(const fs::path& file) : queue_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    BOOST_REQUIRE(queue_ >= 0);
    BOOST_REQUIRE(::inotify_add_watch(queue_, file.c_str(), IN_OPEN | IN_CLOSE) >= 0);
  }
  ~Openings() { ::close(queue_); }
  Openings(const Openings&) = delete;
  Openings& operator=(const Openings&) = delete;

  int count() const {
    int openings = 0;
    alignas(inotify_event) std::array<char, 4096> events{};
    for (ssize_t size = 0; (size = ::read(queue_, events.data(), events.size())) > 0;) {
      for (ssize_t at = 0; at < size;) {
        inotify_event event{};
        std::memcpy(&event, events.data() + at, sizeof event);
        if ((event.mask & IN_OPEN) != 0) ++openings;
        at += static_cast<ssize_t>(sizeof event + event.len);
      }
    }
    return openings;
  }

 private:
  int queue_;
};

/// The nano model, tokenizer and all.
void write_nano(const fs::path& path) {
  anemll::Architecture nano;
  nano.family = "qwen3";
  nano.hidden_size = 64;
  nano.intermediate_size = 96;
  nano.heads = 4;
  nano.kv_heads = 2;
  nano.head_dim = 32;
  nano.max_positions = 512;
  nano.tied_embeddings = true;
  nano.layers.resize(2);
  for (anemll::LayerSpec& layer : nano.layers) layer.rope.theta = 1e6;
  const anemll::SafetensorsFile file = anemll::read_safetensors(test::golden("nano/model.safetensors"));
  test::GgufWriter writer;
  test::put_tokenizer(test::put_architecture(writer, nano), test::golden("nano"), "<|im_end|>");
  test::put_tensors(writer, nano, file.tensors).write(path);
}

void check_read_once(const fs::path& model, const std::string& command) {
  write_nano(model);
  const Openings openings(model);
  const test::ToolResult result = test::run(command);
  BOOST_TEST(result.code == 0, result.output);
  // One look at the first bytes, for what is left of a broken download; then the one reader.
  BOOST_TEST(openings.count() == 2);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(read_once)

BOOST_AUTO_TEST_CASE(by_every_program) {
  const test::TempDir temp;
  const fs::path model = temp / "nano.gguf", cache = temp / "cache";
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Number " + std::to_string(i * i) + " of the plain sentences. ";
  std::ofstream(temp / "text.txt") << text;

  check_read_once(model, test::bin("anemll_tokenize") + " encode --model-id " + model.string() + " " +
                             (temp / "text.txt").string());
  check_read_once(model, test::bin("anemll_precompute") + " --teacher_model_name_or_path " + model.string() +
                             " --output_dir " + cache.string() + " --dataset_name " +
                             test::golden("datasets/alpaca_40.json").string() +
                             " --dataset_format alpaca_chat --max_length 32 --topk 16 --holdout 0"
                             " --num_sequences 8 --batch_size 4 --dtype fp32 --threads 1");
  check_read_once(model, test::bin("anemll_train") + " --v2-checkpoint " +
                             test::golden("nano/v2_q2a4_init.pt").string() + " --model-id " + model.string() +
                             " --cache-dir " + cache.string() + " --output-dir " + (temp / "run").string() +
                             " --eval-text " + (temp / "text.txt").string() +
                             " --eval-ctx 32 --eval-chunks 2 --eval-samples 4 --batch-size 4 --max-steps 1"
                             " --warmup-steps 0 --precision fp32 --threads 1");
  check_read_once(model, test::bin("anemll_snap") + " --checkpoint " +
                             test::golden("nano/v2_q2a4_trained.pt").string() + " --model-id " +
                             model.string() + " --output " + (temp / "snap").string());
}

BOOST_AUTO_TEST_SUITE_END()
