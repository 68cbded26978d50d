// Downloads from a hub that behaves: layout, redirects, tokens, revisions, what is wanted, what a second call
// does.
#include "tests/support/capture.hpp"
#include "tests/unit/hub/hub_fixture.hpp"

#include <algorithm>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_SUITE(hub, HubFixture)

BOOST_AUTO_TEST_CASE(a_model_is_laid_out_as_python_does) {
  add_model();
  const HubSnapshot found = get();
  BOOST_CHECK_EQUAL(found.path, snapshot);
  BOOST_CHECK_EQUAL(found.repository, "org/name");
  BOOST_CHECK_EQUAL(found.commit, FakeHub::kCommit);
  BOOST_CHECK_EQUAL(read_text(folder / "refs/main"), FakeHub::kCommit);
  BOOST_CHECK_EQUAL(read_text(snapshot / "config.json"), config);
  BOOST_CHECK(read_text(snapshot / "model.safetensors") == weights);
  BOOST_CHECK_EQUAL(fs::read_symlink(snapshot / "model.safetensors"),
                    "../../blobs/" + FakeHub::etag(weights, true));
  BOOST_CHECK_EQUAL(fs::read_symlink(snapshot / "config.json"),
                    "../../blobs/" + FakeHub::etag(config, false));
  BOOST_CHECK(read_text(cache / "CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
  BOOST_CHECK(fs::exists(cache / ".locks/models--org--name" / (FakeHub::etag(weights, true) + ".lock")));
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(snapshot)) files.push_back(entry.path().filename());
  std::sort(files.begin(), files.end());
  BOOST_CHECK((files == std::vector<std::string>{"config.json", "model.safetensors", "tokenizer.json"}));
  std::vector<std::string> parts;
  for (const auto& entry : fs::directory_iterator(folder)) parts.push_back(entry.path().filename());
  std::sort(parts.begin(), parts.end());
  BOOST_CHECK((parts == std::vector<std::string>{".no_exist", "blobs", "refs", "snapshots"}));
  BOOST_CHECK(incomplete().empty());
  BOOST_CHECK(waits.empty());
  for (const FakeRequest& request : hub.seen()) BOOST_CHECK_EQUAL(request.encoding, "identity");
}

BOOST_AUTO_TEST_CASE(weights_of_torch_save_are_fetched_where_there_are_no_others) {
  hub.add("org/torch", "config.json", config);
  hub.add("org/torch", "tokenizer.json", "{}");
  hub.add("org/torch", "pytorch_model.bin", weights, /*large=*/true);
  hub.add("org/torch", "training_args.bin", "not wanted");
  const HubSnapshot found =
      fetch(HubKind::model, "org/torch", "main", settings(), model_demand(ModelUse::all));
  BOOST_CHECK(read_text(found.path / "pytorch_model.bin") == weights);
  BOOST_CHECK(!fs::exists(found.path / "training_args.bin"));
}

BOOST_AUTO_TEST_CASE(what_is_cached_needs_no_request) {
  add_model();
  get();
  const std::size_t before = hub.seen().size();
  BOOST_CHECK_EQUAL(get().path, snapshot);
  const HubSettings here = settings();
  BOOST_CHECK_EQUAL(
      fetch(HubKind::model, "org/name", FakeHub::kCommit, here, model_demand(ModelUse::all)).path, snapshot);
  BOOST_CHECK_EQUAL(hub.seen().size(), before);
}

BOOST_AUTO_TEST_CASE(a_commit_writes_no_ref) {
  add_model();
  fetch(HubKind::model, "org/name", FakeHub::kCommit, settings(), model_demand(ModelUse::all));
  BOOST_CHECK(fs::exists(snapshot / "config.json"));
  BOOST_CHECK(fs::is_empty(folder / "refs"));
}

BOOST_AUTO_TEST_CASE(files_that_other_programs_left_out_are_fetched_when_they_can_be) {
  add_model();
  hub.add("org/name", "tokenizer_config.json", "{\"eos_token\": \"a\"}");
  hub.add("org/name", "chat_template.jinja", "template");
  get();
  const auto unfetched = [&] {
    return !fs::exists(snapshot / "tokenizer_config.json") && !fs::exists(snapshot / "chat_template.jinja");
  };
  for (const char* name : {"tokenizer_config.json", "chat_template.jinja"}) fs::remove(snapshot / name);
  hub.on_request([](const FakeRequest&, FakeReply& reply) { reply.status = 500; });
  Capture log(2);
  const fs::path at = get().path;
  const std::string said = log.text();
  BOOST_CHECK_EQUAL(at, snapshot);  // used as it is, and told
  BOOST_CHECK(waits.empty());
  BOOST_CHECK_NE(
      said.find("warning: the cached snapshot " + snapshot.string() + " has no tokenizer_config.json"),
      std::string::npos);
  BOOST_CHECK_NE(said.find("has no chat_template.jinja; whether"), std::string::npos);
  // Training needs neither.
  const std::size_t before = hub.seen().size();
  fetch(HubKind::model, "org/name", "main", settings(), model_demand(ModelUse::weights));
  BOOST_CHECK_EQUAL(hub.seen().size(), before);
  hub.on_request({});
  BOOST_CHECK(unfetched());
  BOOST_CHECK_EQUAL(get().path, snapshot);
  BOOST_CHECK_EQUAL(read_text(snapshot / "chat_template.jinja"), "template");
  BOOST_CHECK(fs::exists(snapshot / "tokenizer_config.json"));
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 1);
}

BOOST_AUTO_TEST_CASE(a_tokenizer_that_is_missing_is_fetched_and_offline_named) {
  add_model();
  get();
  fs::remove(snapshot / "tokenizer.json");
  HubSettings offline = settings();
  offline.offline = "HF_HUB_OFFLINE=1";
  check_error([&] { fetch(HubKind::model, "org/name", "main", offline, model_demand(ModelUse::text)); },
              {"has no tokenizer.json", "HF_HUB_OFFLINE=1 forbids"});
  fetch(HubKind::model, "org/name", "main", offline, model_demand(ModelUse::weights));
  hub.on_request([](const FakeRequest&, FakeReply& reply) { reply.status = 404; });
  check_error([&] { get(); }, {"has no tokenizer.json", "there is no model org/name"});
  hub.on_request({});
  get();
  BOOST_CHECK_EQUAL(read_text(snapshot / "tokenizer.json"), "{}");
}

BOOST_AUTO_TEST_CASE(files_that_do_not_exist_are_asked_for_once) {
  add_model();
  get();
  for (const char* name : {"tokenizer_config.json", "chat_template.jinja", "added_tokens.json"})
    BOOST_CHECK_MESSAGE(fs::exists(folder / ".no_exist" / FakeHub::kCommit / name), name);
  const std::size_t before = hub.seen().size();
  Capture log(2);
  get();
  const std::string said = log.text();
  BOOST_CHECK_EQUAL(hub.seen().size(), before);
  BOOST_CHECK_EQUAL(said.find("has no"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_completes_a_snapshot_is_of_its_commit) {
  add_model();
  get();
  fs::remove_all(folder / ".no_exist");
  std::vector<std::string> lists;
  hub.on_request([&](const FakeRequest& request, FakeReply&) {
    if (request.path.starts_with("/api/models")) lists.push_back(request.path);
  });
  get();
  BOOST_REQUIRE_EQUAL(lists.size(), 1U);
  BOOST_CHECK(lists[0].ends_with(std::string("/revision/") + FakeHub::kCommit));
}

BOOST_AUTO_TEST_CASE(a_commit_that_the_hub_dropped_is_replaced_when_it_lacks_files) {
  add_model();
  hub.add("org/name", "chat_template.jinja", "template");
  get();
  fs::remove(snapshot / "chat_template.jinja");
  const std::string dropped(40, 'd');
  fs::rename(snapshot, folder / "snapshots" / dropped);
  write_file(folder / "refs/main", dropped);
  // Asked for by its own name there is nothing to take instead.
  const HubSnapshot kept =
      fetch(HubKind::model, "org/name", dropped, settings(), model_demand(ModelUse::all));
  BOOST_CHECK_EQUAL(kept.commit, dropped);
  BOOST_CHECK_EQUAL(get().path, snapshot);
  BOOST_CHECK(fs::exists(snapshot / "chat_template.jinja"));
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 1);
}

BOOST_AUTO_TEST_CASE(damaged_files_are_fetched_again) {
  add_model();
  const std::string template_text = "{{ messages }}";
  const std::string head = R"({"a":{"dtype":"U8","shape":[64],"data_offsets":[0,64]}})";
  std::string tensors(8, '\0');
  tensors[0] = static_cast<char>(head.size());
  tensors += head + std::string(64, 'x');
  hub.add("org/name", "model.safetensors", tensors, true);
  hub.add("org/name", "chat_template.jinja", template_text);
  hub.add("org/name", "tokenizer_config.json", "{\"a\": {\"b\": 1}}");
  get();
  const auto damage = [&](const std::string& name, const std::string& content) {
    const fs::path file = fs::canonical(snapshot / name);
    if (content == "gone") {
      fs::remove(file);
    } else {
      write_file(file, content);
    }
  };
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";
  const struct {
    const char* name;
    std::string content;
    const char* words;
  } cases[] = {{"chat_template.jinja", "gone", "a link that leads nowhere"},
               {"chat_template.jinja", "", "empty"},
               {"tokenizer_config.json", "{\"a\": {\"b", "cut"},
               {"tokenizer_config.json", "gone", "a link that leads nowhere"},
               {"config.json", "", "empty"},
               {"tokenizer.json", std::string("{\0\0", 3), "cut"},
               {"model.safetensors", pointer, "a pointer of Git LFS"},
               {"model.safetensors", tensors.substr(0, 100), "cut: 100 bytes of"},
               {"model.safetensors", tensors.substr(0, 20), "cut: 20 bytes of"},
               {"model.safetensors", "", "empty"}};
  HubSettings offline = settings();
  offline.offline = "HF_HUB_OFFLINE=1";
  for (const auto& c : cases) {
    damage(c.name, c.content);
    check_error([&] { fetch(HubKind::model, "org/name", "main", offline, model_demand(ModelUse::all)); },
                {std::string("has no ") + c.name + " (" + c.words, "HF_HUB_OFFLINE"});
    get();
    BOOST_CHECK(read_text(snapshot / "chat_template.jinja") == template_text);
    BOOST_CHECK(read_text(snapshot / "model.safetensors") == tensors);
  }
  damage("chat_template.jinja", "edited by hand");
  Capture log(2);
  get();
  const std::string said = log.text();
  BOOST_CHECK_NE(said.find("chat_template.jinja is not what was downloaded"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(shards_that_are_missing_are_added) {
  hub.add("org/name", "config.json", config);
  hub.add("org/name", "tokenizer.json", "{}");
  hub.add(
      "org/name", "model.safetensors.index.json",
      R"({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})");
  hub.add("org/name", "model-00001-of-00002.safetensors", weights, true);
  hub.add("org/name", "model-00002-of-00002.safetensors", make_weights(1000), true);
  get();
  fs::remove(snapshot / "model-00002-of-00002.safetensors");
  BOOST_CHECK_EQUAL(get().path, snapshot);
  BOOST_CHECK_EQUAL(fs::file_size(snapshot / "model-00002-of-00002.safetensors"), 1000U);
  // Its blob was still there.
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(make_weights(1000), true)), 1);
}

BOOST_AUTO_TEST_CASE(the_token_goes_to_the_hub_alone) {
  add_model();
  ::setenv("HF_TOKEN", "hf_secret", 1);
  get();
  int with = 0;
  for (const FakeRequest& request : hub.seen()) {
    BOOST_CHECK_EQUAL(request.authorization, request.store ? "" : "Bearer hf_secret");
    with += request.store ? 0 : 1;
  }
  BOOST_CHECK_GT(with, 0);
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 1);
}

BOOST_AUTO_TEST_CASE(a_hub_that_sends_us_elsewhere_for_its_list_gets_no_token_there) {
  add_model();
  ::setenv("HF_TOKEN", "hf_secret", 1);
  hub.on_request([this](const FakeRequest& request, FakeReply& reply) {
    if (request.store || !request.path.starts_with("/api/models")) return;
    reply.status = 302;
    reply.headers["Location"] = hub.store().substr(5) + "/list";  // "//127.0.0.1:port/list"
  });
  check_error([&] { get(); }, {"org/name"});
  bool arrived = false;
  for (const FakeRequest& request : hub.seen()) {
    if (!request.store) continue;
    arrived = true;
    BOOST_CHECK_EQUAL(request.authorization, "");
  }
  BOOST_CHECK(arrived);
}

// What a saved folder holds is said by its index files.
BOOST_AUTO_TEST_CASE(index_files_of_saved_folders_come_with_the_data) {
  hub.add("datasets/org/name", "dataset_dict.json", R"({"splits": ["train"]})");
  hub.add("datasets/org/name", "train/state.json", R"({"_data_files": []})");
  hub.add("datasets/org/name", "train/data-00000-of-00001.arrow", "rows");
  hub.add("datasets/org/name", "test/state.json", "{}");
  const fs::path there = fetch_dataset("org/name", {}, [](const auto&, const auto&) {
                           return std::vector<std::string>{"train/data-00000-of-00001.arrow"};
                         }).path;
  for (const char* name : {"dataset_dict.json", "train/state.json", "train/data-00000-of-00001.arrow"})
    BOOST_TEST(fs::exists(there / name), name);
  BOOST_TEST(!fs::exists(there / "test/state.json"));
}

BOOST_AUTO_TEST_CASE(datasets_have_their_own_addresses) {
  const std::string name = "data/train-00000-of-00001-a09b74b3ef9c3b56.parquet";
  hub.add("datasets/tatsu-lab/alpaca", name, weights, true);
  hub.add("datasets/tatsu-lab/alpaca", "README.md", "the card");
  hub.add("datasets/tatsu-lab/alpaca", "dataset_infos.json", "not wanted");
  hub.add("datasets/tatsu-lab/alpaca", "extra/rows.jsonl", "not wanted");
  const HubSnapshot found =
      fetch(HubKind::dataset, "tatsu-lab/alpaca", "main", settings(), dataset_demand(named(".parquet")));
  BOOST_CHECK_EQUAL(found.path, cache / "datasets--tatsu-lab--alpaca/snapshots" / FakeHub::kCommit);
  BOOST_CHECK(read_text(found.path / name) == weights);
  BOOST_CHECK_EQUAL(fs::read_symlink(found.path / name), "../../../blobs/" + FakeHub::etag(weights, true));
  BOOST_CHECK_EQUAL(read_text(found.path / "README.md"), "the card");
  BOOST_CHECK(!fs::exists(found.path / "extra"));
  BOOST_CHECK_EQUAL(hub.count("HEAD", "/datasets/tatsu-lab/alpaca/resolve/"), 2);
}

BOOST_AUTO_TEST_CASE(the_card_is_there_when_files_are_chosen) {
  hub.add("datasets/org/name", "README.md", "a.jsonl");
  hub.add("datasets/org/name", "a.jsonl", "a");
  hub.add("datasets/org/name", "b.jsonl", "b");
  const ChooseFiles by_card = [](const std::vector<std::string>& names, const std::string& card) {
    return card.empty() ? names : std::vector<std::string>{card};
  };
  const auto get_chosen = [&] {
    return fetch(HubKind::dataset, "org/name", "main", settings(), dataset_demand(by_card)).path;
  };
  const fs::path at = get_chosen();
  BOOST_CHECK(fs::exists(at / "a.jsonl") && fs::exists(at / "README.md"));
  BOOST_CHECK(!fs::exists(at / "b.jsonl"));
  // A cache without the card, as other programs leave it, is completed once.
  fs::remove(at / "README.md");
  fs::remove(at / "a.jsonl");
  write_file(at / "b.jsonl", "b");
  BOOST_CHECK_EQUAL(get_chosen(), at);
  BOOST_CHECK(fs::exists(at / "a.jsonl"));
  // A link without its blob is damage.
  fs::remove(at / "README.md");
  fs::create_symlink("../../blobs/gone", at / "README.md");
  HubSettings offline = settings();
  offline.offline = "HF_HUB_OFFLINE";
  check_error([&] { fetch(HubKind::dataset, "org/name", "main", offline, dataset_demand(by_card)); },
              {"has no README.md"});
  BOOST_CHECK_EQUAL(get_chosen(), at);
  BOOST_CHECK_EQUAL(read_text(at / "README.md"), "a.jsonl");
}

BOOST_AUTO_TEST_CASE(what_is_chosen_of_a_dataset_is_added_to_what_is_cached) {
  const std::string train = "data/train-00000-of-00001.parquet";
  const std::string test = "data/test-00000-of-00001.parquet";
  hub.add("datasets/org/name", train, weights, true);
  hub.add("datasets/org/name", test, "test", true);
  const auto get_split = [&](const std::string& split) {
    return fetch(HubKind::dataset, "org/name", "main", settings(), dataset_demand(named(split))).path;
  };
  const fs::path at = get_split("test");
  BOOST_CHECK(!fs::exists(at / train));
  BOOST_CHECK_EQUAL(get_split("train"), at);
  BOOST_CHECK(read_text(at / train) == weights);
  BOOST_CHECK_EQUAL(read_text(at / test), "test");
  // A blob that somebody removed.
  fs::remove(fs::canonical(at / train));
  BOOST_CHECK_EQUAL(get_split("train"), at);
  BOOST_CHECK(read_text(at / train) == weights);
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 2);
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag("test", true)), 1);
  check_error([&] { get_split("validation"); }, {"no file named validation"});
}

BOOST_AUTO_TEST_CASE(a_dataset_of_which_others_cached_a_part_is_completed) {
  hub.add("datasets/org/name", "train_a.jsonl", "a");
  hub.add("datasets/org/name", "train_b.jsonl", "b");
  const auto get_train = [&](const HubSettings& how) {
    return fetch(HubKind::dataset, "org/name", "main", how, dataset_demand(named("train"))).path;
  };
  const fs::path at = get_train(settings());
  fs::remove(at / "train_b.jsonl");
  BOOST_CHECK_EQUAL(get_train(settings()), at);
  BOOST_CHECK_EQUAL(read_text(at / "train_b.jsonl"), "b");
  // Where the hub cannot be asked the part is used, and that is told.
  fs::remove(at / "train_b.jsonl");
  hub.on_request([](const FakeRequest&, FakeReply& reply) { reply.status = 500; });
  Capture log(2);
  get_train(settings());
  const std::string said = log.text();
  BOOST_CHECK_NE(said.find("all files of the data set is not known"), std::string::npos);
  BOOST_CHECK(!fs::exists(at / "train_b.jsonl"));
}

BOOST_AUTO_TEST_CASE(a_renamed_repository_is_followed) {
  add_model();
  hub.on_request([](const FakeRequest& request, FakeReply& reply) {
    for (const std::string start : {"/api/models/", "/"}) {
      const std::string old = start + "old/name/";
      if (!request.path.starts_with(old)) continue;
      reply = FakeReply();
      reply.status = 307;
      reply.headers["Location"] = start + "org/name/" + request.path.substr(old.size());
    }
  });
  const HubSnapshot found =
      fetch(HubKind::model, "old/name", "main", settings(), model_demand(ModelUse::all));
  BOOST_CHECK_EQUAL(found.path, cache / "models--old--name/snapshots" / FakeHub::kCommit);
  BOOST_CHECK(read_text(found.path / "model.safetensors") == weights);
}

BOOST_AUTO_TEST_CASE(names_are_encoded) {
  add_model();
  hub.add("org/name", "a b+c%20#1?.safetensors", "odd");
  get();
  BOOST_CHECK_EQUAL(read_text(snapshot / "a b+c%20#1?.safetensors"), "odd");
}

BOOST_AUTO_TEST_CASE(copies_where_links_are_impossible) {
  add_model();
  HubSettings plain = settings();
  plain.symlinks = false;
  fetch(HubKind::model, "org/name", "main", plain, model_demand(ModelUse::all));
  BOOST_CHECK(!fs::is_symlink(snapshot / "model.safetensors"));
  BOOST_CHECK(read_text(snapshot / "model.safetensors") == weights);
}

BOOST_AUTO_TEST_CASE(an_empty_file_is_a_file) {
  add_model();
  hub.add("org/name", "chat_template.jinja", "");
  get();
  BOOST_CHECK_EQUAL(read_text(snapshot / "chat_template.jinja"), "");
}

BOOST_AUTO_TEST_CASE(files_that_nothing_reads_are_left_out) {
  add_model();
  for (const char* name : {"generation_config.json", "merges.txt", "vocab.json"})
    hub.add("org/name", name, "not wanted");
  get();
  for (const char* name : {"generation_config.json", "merges.txt", "vocab.json"})
    BOOST_CHECK_MESSAGE(!fs::exists(snapshot / name), name);
}

BOOST_AUTO_TEST_CASE(how_to_sample_is_fetched_for_those_who_do) {
  add_model();
  hub.add("org/name", "generation_config.json", "{}");
  fetch(HubKind::model, "org/name", "main", settings(), model_demand(ModelUse::generation));
  BOOST_CHECK_EQUAL(read_text(snapshot / "generation_config.json"), "{}");
  BOOST_CHECK(fs::exists(snapshot / "model.safetensors"));
  BOOST_CHECK(fs::exists(snapshot / "tokenizer.json"));
}

BOOST_AUTO_TEST_CASE(texts_need_no_weights) {
  add_model();
  ::setenv("HF_HUB_CACHE", (root / "own").c_str(), 1);
  HubOptions options;
  options.cache_dir = root / "other";
  const HubSnapshot found = fetch_model("org/name", options, ModelUse::text);
  BOOST_CHECK(fs::exists(found.path / "tokenizer.json"));
  BOOST_CHECK(!fs::exists(found.path / "model.safetensors"));
  BOOST_CHECK(found.path.string().starts_with((root / "other").string()));
  BOOST_CHECK(fs::exists(fetch_model("org/name", options, ModelUse::weights).path / "model.safetensors"));
}

BOOST_AUTO_TEST_SUITE_END()
