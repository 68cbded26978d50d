// Every refusal of the hub has a way on: tests/support/refusals.hpp. The other tests of this program provoke
// them, and those of answers that they have no use for are provoked here.
#include "tests/support/refusals.hpp"

#include "src/hub/recorded_id.hpp"
#include "tests/unit/hub/hub_fixture.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anemll::test {
namespace {

/// What of an answer is changed, and what the refusal then names.
struct Answer {
  std::string path;  ///< a part of the requests'
  std::function<void(FakeReply&)> change;
  std::vector<std::string> named;
  std::string token{};
};

std::function<void(FakeReply&)> status(int code, const std::string& error_code) {
  return [=](FakeReply& reply) {
    reply = FakeReply();
    reply.status = code;
    reply.headers["X-Error-Code"] = error_code;
  };
}
std::function<void(FakeReply&)> header(const std::string& name, const std::string& value) {
  return [=](FakeReply& reply) { reply.headers[name] = value; };
}
void many_headers(FakeReply& reply) {
  for (int i = 0; i < 5; ++i) reply.headers["X-Filler-" + std::to_string(i)] = std::string(60'000, 'x');
}
void long_body(FakeReply& reply) {
  reply.body.assign((std::size_t{64} << 20) + 1, ' ');
}

const std::string kOther(40, 'a');

std::vector<Answer> answers() {
  return {
      {"/revision/", many_headers, {"/api/models/org/name", "256 KiB", "HF_ENDPOINT"}},
      {"/revision/", long_body, {"/api/models/org/name", "64 MiB", "HF_ENDPOINT"}},
      {"/revision/", status(429, ""), {"/api/models/org/name", "too many requests", "HF_ENDPOINT"}, "hf_a"},
      {"resolve", status(404, "EntryNotFound"), {"org/name has no file", ".json", "ORG/NAME"}},
      {"resolve", header("X-Repo-Commit", kOther), {kOther, FakeHub::kCommit, "HF_ENDPOINT"}},
      {"resolve", header("X-Linked-Size", "900000000000000000"), {"models--org--name", "HF_HUB_CACHE"}}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hub_refusals, *boost::unit_test::depends_on("hub"))

BOOST_FIXTURE_TEST_CASE(answers_name_what_is_wrong_with_them, HubFixture) {
  add_model();
  for (const Answer& answer : answers()) {
    ::setenv("HF_TOKEN", answer.token.c_str(), 1);
    hub.on_request([&](const FakeRequest& request, FakeReply& reply) {
      if (request.path.find(answer.path) != std::string::npos) answer.change(reply);
    });
    check_error([&] { get(); }, answer.named);
    hub.on_request({});
  }
  BOOST_TEST(nothing_looks_whole());
}

BOOST_AUTO_TEST_CASE(local_files_are_named) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  // A blob that was cut: its name is the hash of what it held.
  write_file(root / kOther, "");
  std::filesystem::create_symlink(kOther, root / "m.gguf");
  check_error([&] { fetch_model((root / "m.gguf").string(), {}, ModelUse::weights); },
              {(root / "m.gguf").string(), "empty", "hf download"});
  // A folder of blobs instead of one of them.
  const std::filesystem::path blobs = root / "blobs";
  std::filesystem::create_directory(blobs);
  write_file(blobs / "sha256-b", "notes");
  write_file(blobs / "sha256-a", "GGUF" + std::string("\3\0\0\0", 4) + std::string(64, '\0'));
  for (const ModelUse use : {ModelUse::weights, ModelUse::text})
    check_error([&] { fetch_model(blobs.string(), {}, use); },
                {blobs.string(), "no config.json",
                 "the GGUF file itself as the model: " + (blobs / "sha256-a").string()});
  const std::filesystem::path adapter = root / "adapter";
  std::filesystem::create_directory(adapter);
  write_file(adapter / "adapter_config.json", "{}");
  check_error([&] { fetch_model(adapter.string(), {}, ModelUse::weights); },
              {adapter.string(), "adapter_config.json", "merge_and_unload"});
  const RecordedModel recorded{"../gone/model", "", root / "config.json"};
  check_error([&] { choose_model(std::nullopt, std::nullopt, recorded); },
              {(root / "config.json").string(), "../gone/model", "--model-id"});
}

BOOST_AUTO_TEST_CASE(each_is_heard) {
  check_every_message(heard(), std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/hub", /*out_of_reach=*/{},
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
