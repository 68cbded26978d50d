// A hub, a network, a disk or a person that misbehaves: nothing that looks whole is left behind, what can be
// saved is, and the error says what to do.
#include "src/core/signals.hpp"
#include "tests/support/file_limit.hpp"
#include "tests/unit/hub/hub_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <limits>
#include <numeric>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

struct Misbehaving : HubFixture {
  Misbehaving() { add_model(); }

  using Change = std::function<void(const FakeRequest&, FakeReply&)>;
  /// Changes the first `times` answers of the store to GET.
  void at_store(int times, Change change) {
    hub.on_request([this, times, change](const FakeRequest& request, FakeReply& reply) {
      if (request.store && request.method == "GET" && changed++ < times) change(request, reply);
    });
  }
  /// Changes every answer to requests whose path has `text`.
  void at_path(const std::string& text, Change change) {
    hub.on_request([this, text, change](const FakeRequest& request, FakeReply& reply) {
      if (request.path.find(text) == std::string::npos) return;
      ++changed;
      change(request, reply);
    });
  }
  void check_whole() {
    BOOST_CHECK(read_text(snapshot / "model.safetensors") == weights);
    BOOST_CHECK(incomplete().empty());
  }
  std::vector<std::string> ranges() const {
    std::vector<std::string> all;
    for (const FakeRequest& request : hub.seen()) {
      if (request.store && request.method == "GET") all.push_back(request.range);
    }
    return all;
  }

  std::atomic<int> changed{0};
};

constexpr int kAlways = std::numeric_limits<int>::max();
constexpr std::size_t kCut = 100'000;

void cut_short(const FakeRequest&, FakeReply& reply) {
  reply.cut = std::min(kCut, reply.body.size());
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hub, Misbehaving)

BOOST_AUTO_TEST_CASE(a_truncated_body_is_resumed) {
  at_store(2, cut_short);
  get();
  check_whole();
  BOOST_CHECK((ranges() == std::vector<std::string>{"", "bytes=100000-", "bytes=200000-"}));
  BOOST_CHECK_EQUAL(waits.size(), 2U);
}

BOOST_AUTO_TEST_CASE(a_server_that_ignores_ranges_starts_anew) {
  hub.on_request([this](const FakeRequest& request, FakeReply& reply) {
    if (!request.store) return;
    if (changed++ == 0) {
      cut_short(request, reply);
    } else {
      reply = FakeReply();
      reply.body = weights;
    }
  });
  get();
  check_whole();
  BOOST_CHECK((ranges() == std::vector<std::string>{"", "bytes=100000-"}));
}

BOOST_AUTO_TEST_CASE(another_range_than_asked_for_is_not_joined) {
  hub.on_request([this](const FakeRequest& request, FakeReply& reply) {
    if (!request.store) return;
    if (changed++ == 0) cut_short(request, reply);
    if (!request.range.empty()) reply.headers["Content-Range"] = "bytes 99999-299999/300000";
  });
  get();
  check_whole();
  BOOST_CHECK((ranges() == std::vector<std::string>{"", "bytes=100000-", ""}));
}

BOOST_AUTO_TEST_CASE(a_server_that_refuses_ranges_starts_anew) {
  hub.on_request([this](const FakeRequest& request, FakeReply& reply) {
    if (!request.store) return;
    if (changed++ == 0) cut_short(request, reply);
    if (!request.range.empty()) reply.status = 416;
  });
  get();
  check_whole();
}

BOOST_AUTO_TEST_CASE(truncation_without_end_is_an_error_and_stays_for_later) {
  at_store(kAlways, [](const FakeRequest& request, FakeReply& reply) {
    reply.cut = request.range.empty() ? kCut : 0;
  });
  check_error([&] { get(); }, {"model.safetensors", "broke"});
  BOOST_CHECK(nothing_looks_whole());
  BOOST_CHECK_EQUAL(waits.size(), 4U);
  BOOST_REQUIRE_EQUAL(incomplete().size(), 1U);
  BOOST_CHECK_EQUAL(fs::file_size(incomplete().front()), kCut);
  hub.on_request({});
  get();
  check_whole();
  BOOST_CHECK_EQUAL(ranges().back(), "bytes=100000-");
}

BOOST_AUTO_TEST_CASE(wrong_bytes_are_fetched_once_more_and_then_refused) {
  const auto damage = [](const FakeRequest&, FakeReply& reply) { reply.body[7] ^= 1; };
  at_store(1, damage);
  get();
  check_whole();
  fs::remove_all(cache);
  changed = 0;
  at_store(kAlways, damage);
  check_error([&] { get(); }, {"model.safetensors", "not those of its etag", FakeHub::etag(weights, true)});
  BOOST_CHECK(nothing_looks_whole());
  BOOST_CHECK(incomplete().empty());
}

BOOST_AUTO_TEST_CASE(wrong_bytes_of_a_small_file_are_refused) {
  at_path("/api/resolve-cache/models/org/name", [](const FakeRequest& request, FakeReply& reply) {
    if (request.method == "GET" && request.path.ends_with("config.json")) reply.body[0] = '[';
  });
  check_error([&] { get(); }, {"config.json", "not those of its etag"});
  BOOST_CHECK(nothing_looks_whole());
}

BOOST_AUTO_TEST_CASE(a_leftover_of_other_bytes_does_not_spoil_the_file) {
  fs::create_directories(folder / "blobs");
  write_file(blob().string() + ".0123abcd.incomplete", std::string(1000, 'x'));
  get();
  check_whole();
  BOOST_CHECK((ranges() == std::vector<std::string>{"bytes=1000-", ""}));
}

BOOST_AUTO_TEST_CASE(more_bytes_than_announced_are_refused) {
  at_store(kAlways, [](const FakeRequest&, FakeReply& reply) { reply.body += "more"; });
  check_error([&] { get(); }, {"more than the 300000 bytes"});
  BOOST_CHECK(nothing_looks_whole());
  BOOST_CHECK(incomplete().empty());
}

BOOST_AUTO_TEST_CASE(etags_that_are_no_hash_check_the_size_only) {
  at_path("resolve/", [](const FakeRequest&, FakeReply& reply) {
    if (reply.status == 302) reply.headers["X-Linked-Etag"] = "W/\"../../../evil/1a2b-3c\"";
  });
  get();
  BOOST_CHECK(read_text(snapshot / "model.safetensors") == weights);
  BOOST_CHECK(!fs::exists(cache / "evil"));
  for (const auto& entry : fs::directory_iterator(folder / "blobs"))
    BOOST_CHECK_EQUAL(entry.path().filename().string().find('.'), std::string::npos);
}

BOOST_AUTO_TEST_CASE(too_many_requests_are_waited_for_as_asked) {
  at_path("/api/models", [this](const FakeRequest&, FakeReply& reply) {
    if (changed > 2) return;
    reply = FakeReply();
    reply.status = 429;
    if (changed == 1) reply.headers["Retry-After"] = "7";
    if (changed == 2) reply.headers["ratelimit"] = "\"api\";r=0;t=55";
  });
  get();
  BOOST_CHECK((waits == std::vector<double>{7, 55}));
}

BOOST_AUTO_TEST_CASE(waits_are_bounded_in_total) {
  at_path("/api/models", [](const FakeRequest&, FakeReply& reply) {
    reply = FakeReply();
    reply.status = 429;
    reply.headers["Retry-After"] = "120";
  });
  check_error([&] { get(); }, {"too many requests", "try again in 2m 00s", "HF_TOKEN"});
  BOOST_CHECK((waits == std::vector<double>{120, 120}));
}

BOOST_AUTO_TEST_CASE(server_errors_pass_or_are_told) {
  at_path("/api/models", [this](const FakeRequest&, FakeReply& reply) {
    if (changed <= 2) reply.status = 500 + changed;
  });
  get();
  BOOST_REQUIRE_EQUAL(waits.size(), 2U);
  BOOST_CHECK(waits[0] >= 0.25 && waits[0] <= 0.5);
  BOOST_CHECK(waits[1] >= 0.5 && waits[1] <= 1);
  fs::remove_all(cache);
  at_path("/api/models", [](const FakeRequest&, FakeReply& reply) { reply.status = 503; });
  check_error([&] { get(); }, {"HTTP 503", (cache / "models--org--name").string(), hub.endpoint()});
  BOOST_CHECK(!fs::exists(cache));
}

BOOST_AUTO_TEST_CASE(refusals_say_what_to_do) {
  struct Case {
    int status;
    const char* code;
    const char* token;
    std::vector<std::string> parts;
  };
  const Case cases[] = {
      {401, "RepoNotFound", "", {"there is no model org/name, or it is private", "HF_TOKEN"}},
      {404, "RepoNotFound", "hf_a", {"there is no model org/name", "token that was sent"}},
      {401, "", "", {"there is no model org/name, or it is private"}},
      {401, "", "hf_a", {"no access to the model org/name", "token that was sent"}},
      {401, "GatedRepo", "", {"org/name is gated", hub.endpoint() + "/org/name", "HF_TOKEN"}},
      {403, "GatedRepo", "hf_a", {"org/name is gated: \\xC2\\x9B31mred", "account of your token"}},
      {404, "RevisionNotFound", "", {"has no revision main"}},
      {403, "", "", {"HTTP 403", "HF_TOKEN"}},
      {418, "", "", {"HTTP 418"}},
  };
  for (const Case& c : cases) {
    ::setenv("HF_TOKEN", c.token, 1);
    at_path("/api/models", [&c](const FakeRequest&, FakeReply& reply) {
      reply = FakeReply();
      reply.status = c.status;
      if (*c.code != '\0') reply.headers["X-Error-Code"] = c.code;
      // CSI in one character: a header with ESC is not taken everywhere.
      reply.headers["X-Error-Message"] =
          "\xc2\x9b"
          "31mred";
    });
    check_error([&] { get(); }, c.parts);
  }
  BOOST_CHECK(waits.empty());
  hub.on_request({});
  ::unsetenv("HF_TOKEN");
  check_error([&] { fetch(HubKind::model, "org/other", "main", settings(), model_demand(ModelUse::all)); },
              {"there is no model org/other", (cache / "models--org--other").string()});
  check_error([&] { fetch(HubKind::model, "org/name", "v9", settings(), model_demand(ModelUse::all)); },
              {"no revision v9"});
}

BOOST_AUTO_TEST_CASE(a_gated_file_is_told_too) {
  at_path("resolve/", [](const FakeRequest&, FakeReply& reply) {
    reply = FakeReply();
    reply.status = 403;
    reply.headers["X-Error-Code"] = "GatedRepo";
  });
  check_error([&] { get(); }, {"gated"});
  BOOST_CHECK(nothing_looks_whole());
}

BOOST_AUTO_TEST_CASE(hostile_names_are_refused) {
  for (const std::string name :
       {"../x.safetensors", "a/../../x.safetensors", "/x.safetensors", "a//x.safetensors",
        "..\\\\x.safetensors", "c:x.safetensors", "./x.safetensors"}) {
    at_path("/revision/", [&name](const FakeRequest&, FakeReply& reply) {
      reply.body = std::string(R"({"sha": ")") + FakeHub::kCommit +
                   R"(", "siblings": [{"rfilename": "config.json"},
        {"rfilename": ")" +
                   name + R"("}]})";
    });
    HubDemand all = model_demand(ModelUse::all);
    all.choose = [](const std::vector<std::string>& files, const std::string&) { return files; };
    check_error([&] { fetch(HubKind::model, "org/name", "main", settings(), all); },
                {"leads out of the cache"});
  }
  BOOST_CHECK(!fs::exists(cache));
}

BOOST_AUTO_TEST_CASE(answers_that_are_no_hubs_are_refused) {
  const std::string sha = std::string(R"("sha": ")") + FakeHub::kCommit + "\"";
  for (const std::string& body : {std::string("<html>"), std::string("[]"), std::string("{}"),
                                  std::string(R"({"sha": "../../x", "siblings": []})"), "{" + sha + "}",
                                  "{" + sha + R"(, "siblings": [1]})"}) {
    at_path("/revision/", [&](const FakeRequest&, FakeReply& reply) { reply.body = body; });
    check_error([&] { get(); }, {"not a hub's"});
    if (body.front() != '{') check_error([&] { get(); }, {body});
  }
  at_path("/revision/",
          [&](const FakeRequest&, FakeReply& reply) { reply.body = "{" + sha + R"(, "siblings": []})"; });
  check_error([&] { get(); }, {"none of the files that are needed"});
  at_path("resolve", [](const FakeRequest&, FakeReply& reply) {
    reply.headers.erase("ETag");
    reply.headers.erase("X-Linked-Etag");
  });
  check_error([&] { get(); }, {"no ETag"});
  BOOST_CHECK(nothing_looks_whole());
}

BOOST_AUTO_TEST_CASE(redirects_without_end_or_to_no_web_address_are_refused) {
  at_path("/api/models", [](const FakeRequest& request, FakeReply& reply) {
    reply.status = 307;
    reply.headers["Location"] = request.path;
  });
  check_error([&] { get(); }, {"more than 10 redirects"});
  BOOST_CHECK_EQUAL(changed, 11);
  at_path("/api/models", [](const FakeRequest&, FakeReply& reply) {
    reply.status = 302;
    reply.headers["Location"] = "file:///etc/passwd?secret";
  });
  check_error([&] { get(); }, {"no web address: file:///etc/passwd"});
}

BOOST_AUTO_TEST_CASE(no_answer_is_not_waited_for_forever) {
  at_path("/api/models", [](const FakeRequest&, FakeReply& reply) { reply.silent = true; });
  HubSettings hasty = settings();
  hasty.etag_timeout_s = 0.05;
  check_error([&] { fetch(HubKind::model, "org/name", "main", hasty, model_demand(ModelUse::all)); },
              {"does not answer in time", "HF_HUB_ETAG_TIMEOUT"});
  BOOST_CHECK_EQUAL(waits.size(), 4U);
}

BOOST_AUTO_TEST_CASE(a_download_that_stalls_is_resumed) {
  at_store(1, [](const FakeRequest&, FakeReply& reply) {
    reply.cut = kCut;
    reply.hang = true;
  });
  HubSettings hasty = settings();
  hasty.download_timeout_s = 0.1;
  fetch(HubKind::model, "org/name", "main", hasty, model_demand(ModelUse::all));
  check_whole();
  BOOST_CHECK((ranges() == std::vector<std::string>{"", "bytes=100000-"}));
}

BOOST_AUTO_TEST_CASE(a_full_disk_leaves_nothing_that_looks_whole) {
  {
    const FileLimit limit(150'000);
    check_error([&] { get(); }, {"cannot write", "incomplete", "HF_HUB_CACHE"});
  }
  BOOST_CHECK(nothing_looks_whole());
  get();
  check_whole();
  BOOST_CHECK_EQUAL(ranges().back(), "bytes=150000-");
}

BOOST_AUTO_TEST_CASE(a_cache_that_cannot_be_written_is_told) {
  write_file(root / "file", "");
  HubSettings elsewhere = settings();
  elsewhere.cache_root = root / "file/cache";
  check_error([&] { fetch(HubKind::model, "org/name", "main", elsewhere, model_demand(ModelUse::all)); },
              {"cannot write into the hub cache", "file/cache", "HF_HUB_CACHE"});
}

BOOST_AUTO_TEST_CASE(a_signal_to_stop_ends_a_download_that_goes_on_later) {
  at_store(1, [](const FakeRequest&, FakeReply& reply) {
    reply.cut = kCut;
    reply.hang = true;
    std::raise(SIGTERM);
  });
  install_signal_flag();
  check_error([&] { get(); }, {"asked to stop"}, ExitCode::save_and_requeue);
  clear_pending_signal();
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGUSR1, SIG_DFL);
  BOOST_CHECK(nothing_looks_whole());
  get();
  check_whole();
}

BOOST_AUTO_TEST_CASE(a_damaged_blob_is_fetched_again) {
  fs::create_directories(folder / "blobs");
  write_file(blob(), "short");
  get();
  check_whole();
}

BOOST_AUTO_TEST_CASE(a_model_without_weights_we_read_is_told) {
  hub.add("org/bin", "config.json", config);
  hub.add("org/bin", "consolidated.00.pth", weights, true);
  check_error([&] { fetch(HubKind::model, "org/bin", "main", settings(), model_demand(ModelUse::all)); },
              {"org/bin has no model.safetensors"});
  hub.add("org/gguf", "q4.gguf", weights, true);
  const auto get_gguf = [&] {
    fetch(HubKind::model, "org/gguf", "main", settings(), model_demand(ModelUse::all));
  };
  check_error(get_gguf, {"none of the files that are needed", "download one", ".gguf"});
  hub.add("org/gguf", "config.json", config);
  check_error(get_gguf, {"org/gguf has no model.safetensors", "download one", ".gguf"});
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 0);
}

BOOST_AUTO_TEST_SUITE_END()
