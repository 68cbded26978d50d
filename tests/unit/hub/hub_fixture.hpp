// What the hub's tests share: an environment of their own, a cache, a fake hub, settings that wait for
// nothing.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/hub/hub.hpp"
#include "src/hub/internal/fetch.hpp"
#include "tests/support/fake_hub.hpp"
#include "tests/support/refusals.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

/// Clears every variable that the hub reads, sets those given, and puts all back at the end.
class HubVariables {
 public:
  explicit HubVariables(const std::map<std::string, std::string>& values) {
    for (const char* name : kNames) {
      const char* old = std::getenv(name);
      saved_.emplace_back(name, old != nullptr ? std::optional<std::string>(old) : std::nullopt);
      ::unsetenv(name);
    }
    ::setenv("NO_PROXY", "127.0.0.1", 1);
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~HubVariables() {
    for (const auto& [name, value] : saved_) {
      ::unsetenv(name.c_str());
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
    }
  }
  HubVariables(const HubVariables&) = delete;
  HubVariables& operator=(const HubVariables&) = delete;

 private:
  static constexpr const char* kNames[] = {"HF_HUB_CACHE",
                                           "HUGGINGFACE_HUB_CACHE",
                                           "HF_HOME",
                                           "XDG_CACHE_HOME",
                                           "HOME",
                                           "HF_ENDPOINT",
                                           "HF_TOKEN",
                                           "HUGGING_FACE_HUB_TOKEN",
                                           "HF_TOKEN_PATH",
                                           "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                           "HF_HUB_OFFLINE",
                                           "TRANSFORMERS_OFFLINE",
                                           "HF_HUB_ETAG_TIMEOUT",
                                           "HF_HUB_DOWNLOAD_TIMEOUT",
                                           "NO_PROXY",
                                           "no_proxy"};
  std::vector<std::pair<std::string, std::optional<std::string>>> saved_;
};

/// A repository org/name with a small model, whose weights are a large file.
struct HubFixture {
  TempDir root;
  FakeHub hub;
  HubVariables variables{{{"HOME", root.path().string()}, {"HF_ENDPOINT", hub.endpoint()}}};
  std::filesystem::path cache = root / ".cache/huggingface/hub";
  std::filesystem::path folder = cache / "models--org--name";
  std::filesystem::path snapshot = folder / "snapshots" / FakeHub::kCommit;
  std::string config = R"({"model_type": "qwen3"})";
  std::string weights = make_weights(300'000);
  std::vector<double> waits;

  static std::string make_weights(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
    return text;
  }

  void add_model() {
    hub.add("org/name", "config.json", config);
    hub.add("org/name", "tokenizer.json", "{}");
    hub.add("org/name", "model.safetensors", weights, /*large=*/true);
    hub.add("org/name", "pytorch_model.bin", "not wanted", /*large=*/true);
    hub.add("org/name", "onnx/model.safetensors", "not wanted", /*large=*/true);
    hub.add("org/name", "README.md", "not wanted");
  }

  /// Those of the environment, with waits that are noted instead of waited for.
  HubSettings settings() {
    HubSettings out = read_settings({});
    out.retry.sleep = [this](double seconds) { waits.push_back(seconds); };
    out.etag_timeout_s = out.download_timeout_s = 5;
    return out;
  }
  HubSnapshot get() {
    return fetch(HubKind::model, "org/name", "main", settings(), model_demand(ModelUse::all));
  }
  std::filesystem::path blob() const { return folder / "blobs" / FakeHub::etag(weights, true); }

  /// Files in blobs/ that are not whole.
  std::vector<std::filesystem::path> incomplete() const {
    std::vector<std::filesystem::path> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "blobs", ignored)) {
      if (entry.path().extension() == ".incomplete") found.push_back(entry.path());
    }
    return found;
  }
  bool nothing_looks_whole() const {
    return !std::filesystem::exists(snapshot) && !std::filesystem::exists(folder / "refs/main") &&
           !std::filesystem::exists(blob());
  }
};

/// Chooses the files whose names hold `part`; a data error when there are none.
inline ChooseFiles named(const std::string& part) {
  return [part](const std::vector<std::string>& names, const std::string&) {
    std::vector<std::string> chosen;
    for (const std::string& name : names)
      if (name.find(part) != std::string::npos) chosen.push_back(name);
    if (chosen.empty()) throw_data("no file named " + part, "here", "choose others with --dataset_split");
    return chosen;
  };
}

/// `work` must throw a data (or other) error whose text has all of `parts`.
inline void check_error(const std::function<void()>& work, const std::vector<std::string>& parts,
                        ExitCode code = ExitCode::data) {
  try {
    work();
  } catch (const Error& error) {
    BOOST_CHECK_MESSAGE(error.code() == code, error.what());
    BOOST_CHECK_MESSAGE(!error.hint().empty(), "no hint: " << error.what());
    if (code != ExitCode::save_and_requeue) helps(error);  // a signal is no refusal
    for (const std::string& part : parts) {
      BOOST_CHECK_MESSAGE(std::string(error.what()).find(part) != std::string::npos,
                          "no \"" << part << "\" in: " << error.what());
    }
    return;
  }
  BOOST_ERROR("no error; expected: " << (parts.empty() ? "" : parts.front()));
}

}  // namespace anemll::test
