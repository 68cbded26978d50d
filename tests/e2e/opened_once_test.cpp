// A GGUF file is opened once per process: each program goes on although its model disappears as soon as it
// has been opened.
#include "anemll/formats/safetensors.hpp"
#include "tests/support/gguf_model.hpp"
#include "tests/support/gguf_tokenizer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/test/unit_test.hpp>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

/// Renames a file when somebody opens it. What opens it again at once may still find it, so this never fails
/// a good program, and finds a bad one where there is work between two readings.
class Vanishing {
 public:
  explicit Vanishing(fs::path file) : file_(std::move(file)), queue_(::inotify_init1(IN_CLOEXEC)) {
    BOOST_REQUIRE(queue_ >= 0);
    BOOST_REQUIRE(::inotify_add_watch(queue_, file_.c_str(), IN_OPEN) >= 0);
    watcher_ = std::thread([this] { watch(); });
  }
  ~Vanishing() {
    ended_ = true;
    watcher_.join();
    ::close(queue_);
  }
  Vanishing(const Vanishing&) = delete;
  Vanishing& operator=(const Vanishing&) = delete;
  bool opened() const { return opened_; }

 private:
  void watch() {
    while (!ended_ && !opened_) {
      pollfd wanted{queue_, POLLIN, 0};
      if (::poll(&wanted, 1, 20) <= 0) continue;
      std::error_code ignored;
      fs::rename(file_, file_.string() + ".away", ignored);
      opened_ = true;
    }
  }

  fs::path file_;
  int queue_;
  std::atomic<bool> ended_ = false, opened_ = false;
  std::thread watcher_;
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

void check_opened_once(const fs::path& model, const std::string& command) {
  write_nano(model);
  const Vanishing vanishing(model);
  const test::ToolResult result = test::run(command);
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(vanishing.opened());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(opened_once)

BOOST_AUTO_TEST_CASE(by_every_program) {
  const test::TempDir temp;
  const fs::path model = temp / "nano.gguf", cache = temp / "cache";
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Number " + std::to_string(i * i) + " of the plain sentences. ";
  std::ofstream(temp / "text.txt") << text;

  check_opened_once(model, test::bin("anemll_tokenize") + " encode --model-id " + model.string() + " " +
                               (temp / "text.txt").string());
  check_opened_once(model, test::bin("anemll_precompute") + " --teacher_model_name_or_path " +
                               model.string() + " --output_dir " + cache.string() + " --dataset_name " +
                               test::golden("datasets/alpaca_40.json").string() +
                               " --dataset_format alpaca_chat --max_length 32 --topk 16 --holdout 0"
                               " --num_sequences 8 --batch_size 4 --dtype fp32 --threads 1");
  check_opened_once(model, test::bin("anemll_train") + " --v2-checkpoint " +
                               test::golden("nano/v2_q2a4_init.pt").string() + " --model-id " +
                               model.string() + " --cache-dir " + cache.string() + " --output-dir " +
                               (temp / "run").string() + " --eval-text " + (temp / "text.txt").string() +
                               " --eval-ctx 32 --eval-chunks 2 --eval-samples 4 --batch-size 4 --max-steps 1"
                               " --warmup-steps 0 --precision fp32 --threads 1");
  check_opened_once(model, test::bin("anemll_snap") + " --checkpoint " +
                               test::golden("nano/v2_q2a4_trained.pt").string() + " --model-id " +
                               model.string() + " --output " + (temp / "snap").string());
}

BOOST_AUTO_TEST_SUITE_END()
