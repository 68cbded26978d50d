// Without network: local paths, caches of the Python library under each variable, what is said when nothing
// is found.
#include "src/hub/recorded_id.hpp"
#include "tests/unit/hub/hub_fixture.hpp"

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

/// A model as the Python library leaves it: links to blobs, a ref, a tag file, a lock.
fs::path make_cached(const fs::path& root, const std::string& repository,
                     const std::string& weights = "model.safetensors") {
  const fs::path folder = root / repository;
  const fs::path snapshot = folder / "snapshots" / FakeHub::kCommit;
  for (const char* part : {"blobs", "refs"}) fs::create_directories(folder / part);
  fs::create_directories(snapshot);
  fs::create_directories(folder / ".no_exist" / FakeHub::kCommit);
  fs::create_directories(root / ".locks" / repository);
  const auto put = [&](const std::string& path, const std::string& content) {
    const std::string name = FakeHub::etag(content, false);
    write_file(folder / "blobs" / name, content);
    fs::create_symlink(fs::path("../../blobs") / name, snapshot / path);
  };
  put("config.json", "{}");
  put(weights, "the weights");
  write_file(folder / ".no_exist" / FakeHub::kCommit / "tokenizer.json", "");
  write_file(folder / "refs/main", FakeHub::kCommit);
  return snapshot;
}

/// An endpoint that nobody listens at: a test that reaches for the network fails at once.
const std::string kNowhere = "http://127.0.0.1:9";

}  // namespace

BOOST_AUTO_TEST_SUITE(hub)

BOOST_AUTO_TEST_CASE(a_local_path_is_itself) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}});
  BOOST_CHECK(fetch_model(golden("nano").string(), {}, ModelUse::weights).path == golden("nano"));
  BOOST_CHECK(fetch_model(golden("nano").string(), {}, ModelUse::weights).repository.empty());
  check_error([&] { fetch_model(root.path().string(), {}, ModelUse::weights); },
              {root.path().string(), "config.json"});
  write_file(root / "a.GGUF", "GGUF");
  write_file(root / "b.bin", "x");
  BOOST_CHECK(fetch_model((root / "a.GGUF").string(), {}, ModelUse::weights).path == root / "a.GGUF");
  check_error([&] { fetch_model((root / "b.bin").string(), {}, ModelUse::weights); },
              {"b.bin", "not a model", ".gguf"});
  write_file(root / "sha256-abab", std::string("GGUF\3\0\0\0", 8));  // the name is a hint only
  BOOST_CHECK(fetch_model((root / "sha256-abab").string(), {}, ModelUse::weights).path ==
              root / "sha256-abab");
  write_file(root / "c.gguf", "<!DOCTYPE html><html>");
  check_error([&] { fetch_model((root / "c.gguf").string(), {}, ModelUse::weights); },
              {"c.gguf", "a web page", "/resolve/"});
}

BOOST_AUTO_TEST_CASE(local_datasets_and_patterns_pass_through) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}});
  write_file(root / "a.jsonl", "{}");
  write_file(root / "b[1].jsonl", "{}");
  const ChooseFiles none = named("nothing");  // of local paths nothing is chosen here
  for (const std::string name : {"", "a.jsonl", "*.jsonl", "b[1].jsonl", "[ab]*"}) {
    const std::string path = (root.path() / name).string();
    BOOST_CHECK_MESSAGE(fetch_dataset(path, {}, none).path == path, path);
  }
  check_error([&] { fetch_dataset((root / "no/*.jsonl").string(), {}, none); }, {"no", "does not exist"});
  check_error([&] { fetch_dataset((root / "c.jsonl").string(), {}, none); },
              {"c.jsonl", "cannot find the dataset"});
}

// A name with the ending of a file is no repository: a hint about the network would lead nowhere.
BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_no_repository) {
  const TempDir root;
  const HubVariables variables(
      {{"HF_ENDPOINT", kNowhere}, {"HF_HUB_OFFLINE", "1"}, {"HOME", root.path().string()}});
  write_file(root / "texts.jsonl", "{}");
  check_error([&] { fetch_dataset((root / "text.jsonl").string(), {}, named("nothing")); },
              {"no such file", "did you mean " + (root / "texts.jsonl").string()});
  for (const char* name : {"nofile-x9q.json", "org/nofile.parquet", "org/other.JSONL"}) {
    check_error([&] { fetch_dataset(name, {}, named("nothing")); }, {"no such file", name});
    try {
      fetch_dataset(name, {}, named("nothing"));
    } catch (const Error& error) {
      BOOST_TEST(error.hint().find("network") == std::string::npos, error.hint());
    }
  }
  check_error([&] { fetch_model("org/model.gguf", {}, ModelUse::weights); }, {"no such file"});
}

BOOST_AUTO_TEST_CASE(every_variable_leads_to_the_cache) {
  const std::pair<const char*, const char*> cases[] = {{"HF_HUB_CACHE", ""},
                                                       {"HUGGINGFACE_HUB_CACHE", ""},
                                                       {"HF_HOME", "hub"},
                                                       {"XDG_CACHE_HOME", "huggingface/hub"},
                                                       {"HOME", ".cache/huggingface/hub"}};
  for (const auto& [variable, below] : cases) {
    const TempDir root;
    const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {variable, root.path().string()}});
    const fs::path snapshot = make_cached(root.path() / below, "models--org--name");
    const HubSnapshot found = fetch_model("org/name", {}, ModelUse::weights);
    BOOST_CHECK_MESSAGE(fs::equivalent(found.path, snapshot), variable);
    BOOST_CHECK_EQUAL(found.commit, FakeHub::kCommit);
    BOOST_CHECK_EQUAL(found.repository, "org/name");
  }
}

BOOST_AUTO_TEST_CASE(variables_inside_variables_are_expanded) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {"HOME", root.path().string()}});
  const fs::path snapshot = make_cached(root / "models", "models--plain");
  for (const char* value : {"~/models", "$HOME/models", "${HOME}/models"}) {
    ::setenv("HF_HUB_CACHE", value, 1);
    BOOST_CHECK_MESSAGE(fs::equivalent(fetch_model("plain", {}, ModelUse::weights).path, snapshot), value);
  }
  ::setenv("HF_HUB_CACHE", "${HOME/models", 1);
  BOOST_CHECK_EQUAL(read_settings({}).cache_root, "${HOME/models");
  HubOptions options;
  options.cache_dir = "$HOME/models";
  BOOST_CHECK(fs::equivalent(fetch_model("plain", options, ModelUse::weights).path, snapshot));
}

BOOST_AUTO_TEST_CASE(revisions_are_refs_or_commits) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path snapshot = make_cached(root.path(), "models--org--name");
  HubOptions options;
  options.revision = FakeHub::kCommit;
  BOOST_CHECK(fs::equivalent(fetch_model("org/name", options, ModelUse::weights).path, snapshot));
  fs::create_directories(root / "models--org--name/refs/refs/pr");
  write_file(root / "models--org--name/refs/refs/pr/1", std::string(FakeHub::kCommit) + "\n");
  options.revision = "refs/pr/1";
  BOOST_CHECK(fs::equivalent(fetch_model("org/name", options, ModelUse::weights).path, snapshot));
  for (const char* bad : {"", "../main", "/etc/passwd", "a//b", "a\\b", "a\nb", "."}) {
    options.revision = bad;
    check_error([&] { fetch_model("org/name", options, ModelUse::weights); }, {"not a revision"},
                ExitCode::usage);
  }
}

BOOST_AUTO_TEST_CASE(a_lone_snapshot_needs_no_ref) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path snapshot = make_cached(root.path(), "models--org--name");
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  for (const char* ref : {"", "../../../etc", "c1899de"}) {
    write_file(root / "models--org--name/refs/main", ref);
    BOOST_CHECK(fs::equivalent(fetch_model("org/name", {}, ModelUse::weights).path, snapshot));
  }
  fs::remove(root / "models--org--name/refs/main");
  BOOST_CHECK(fs::equivalent(fetch_model("org/name", {}, ModelUse::weights).path, snapshot));
  ::unsetenv("HF_HUB_OFFLINE");
  BOOST_CHECK(fs::equivalent(fetch_model("org/name", {}, ModelUse::weights).path, snapshot));
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  fs::create_directories(root / "models--org--name/snapshots" / std::string(40, 'a'));
  check_error([] { fetch_model("org/name", {}, ModelUse::weights); }, {"models--org--name", "org/name"});
}

BOOST_AUTO_TEST_CASE(a_snapshot_without_its_weights_is_not_complete) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path snapshot = make_cached(root.path(), "models--org--name", "model-00001-of-00002.safetensors");
  ::setenv("HF_HUB_OFFLINE", "on", 1);
  check_error([] { fetch_model("org/name", {}, ModelUse::weights); },
              {"no model.safetensors", "HF_HUB_OFFLINE=on forbids"});
  const fs::path index = snapshot / "model.safetensors.index.json";
  write_file(index, R"({"weight_map": {"a": "model-00001-of-00002.safetensors",
                                       "b": "model-00002-of-00002.safetensors"}})");
  check_error([] { fetch_model("org/name", {}, ModelUse::weights); },
              {"no model-00002-of-00002.safetensors"});
  write_file(snapshot / "model-00002-of-00002.safetensors", "the weights");
  BOOST_CHECK(fs::equivalent(fetch_model("org/name", {}, ModelUse::weights).path, snapshot));
  for (const char* bad :
       {"{", "[]", R"({"weight_map": {"a": "../config.json"}})", R"({"weight_map": {"a": 1}})"}) {
    write_file(index, bad);
    check_error([] { fetch_model("org/name", {}, ModelUse::weights); },
                {"readable model.safetensors.index.json"});
  }
  // A link whose blob somebody removed.
  fs::remove(index);
  fs::create_symlink("../../blobs/gone", snapshot / "model.safetensors");
  check_error([] { fetch_model("org/name", {}, ModelUse::weights); }, {"no model.safetensors"});
}

BOOST_AUTO_TEST_CASE(what_a_cache_has_is_said_when_it_does_not_serve) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  make_cached(root.path(), "models--org--name");
  const fs::path folder = root / "models--org--name";
  const std::string gone(40, 'f');
  const auto get = [](const std::string& revision) {
    HubOptions options;
    options.revision = revision;
    fetch_model("org/name", options, ModelUse::weights);
  };
  // A ref to a snapshot that somebody removed: an older one is not taken for it.
  write_file(folder / "refs/main", gone);
  check_error([&] { get("main"); }, {"refs/main names " + gone, "no snapshot is cached", FakeHub::kCommit});
  check_error([&] { get(gone); }, {"no snapshot of that commit", FakeHub::kCommit});
  check_error([&] { get("v1"); }, {"no refs/v1", FakeHub::kCommit});
  // Two snapshots, and nothing says which is main.
  fs::remove(folder / "refs/main");
  fs::create_directories(folder / "snapshots" / std::string(40, 'a'));
  check_error([&] { get("main"); }, {"no refs/main", std::string(40, 'a') + ", " + FakeHub::kCommit});
  get(FakeHub::kCommit);
  write_file(folder / "blobs/0123.89abcdef.incomplete", "half");
  check_error([&] { get("main"); }, {"1 unfinished download"});
}

BOOST_AUTO_TEST_CASE(damage_of_local_files_is_named) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path model = root / "m";
  fs::create_directories(model);
  write_file(model / "config.json", "{}");
  const auto get = [&](ModelUse use) { fetch_model(model.string(), {}, use); };
  get(ModelUse::weights);
  fs::create_symlink("gone.jinja", model / "chat_template.jinja");
  get(ModelUse::weights);
  check_error([&] { get(ModelUse::text); }, {"chat_template.jinja is a link that leads nowhere"});
  fs::remove(model / "chat_template.jinja");
  write_file(model / "tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n");
  check_error([&] { get(ModelUse::all); }, {"tokenizer.json is a pointer of Git LFS", "git lfs pull"});
  fs::create_symlink("nowhere", model / "model.safetensors");
  check_error([&] { get(ModelUse::weights); }, {"model.safetensors is a link that leads nowhere"});
  // The model or the data set itself.
  fs::create_symlink(root / "gone.gguf", root / "a.gguf");
  for (const std::string name : {"a.gguf", "a.jsonl"}) {
    const std::string path = (root / name).string();
    if (name == "a.jsonl") fs::create_symlink("gone.jsonl", path);
    check_error([&] { fetch_model(path, {}, ModelUse::all); }, {"a link that leads nowhere", name});
    check_error([&] { fetch_dataset(path, {}, named("a")); }, {"a link that leads nowhere", name});
  }
  write_file(root / "b.gguf", "version https://git-lfs.github.com/spec/v1\n");
  check_error([&] { fetch_model((root / "b.gguf").string(), {}, ModelUse::all); }, {"Git LFS"});
  make_cached(root.path(), "models--org--name");
  check_error([&] { fetch_model((root / "models--org--name").string(), {}, ModelUse::all); },
              {"no config.json", "snapshots/"});
}

BOOST_AUTO_TEST_CASE(other_forms_of_a_model_are_named) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  make_cached(root.path(), "models--org--bin", "consolidated.00.pth");
  check_error([] { fetch_model("org/bin", {}, ModelUse::weights); },
              {"no model.safetensors", "consolidated.00.pth is there", "save_pretrained"});
  const fs::path slow = make_cached(root.path(), "models--org--slow");
  write_file(slow / "merges.txt", "a b");
  check_error([] { fetch_model("org/slow", {}, ModelUse::all); },
              {"no tokenizer.json", "merges.txt is there", "save_pretrained"});
  make_cached(root.path(), "models--org--parts", "model-00001-of-00002.safetensors");
  check_error([] { fetch_model("org/parts", {}, ModelUse::weights); }, {"no model.safetensors.index.json"});
}

BOOST_AUTO_TEST_CASE(weights_of_torch_save_serve_where_there_are_no_others) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path one = make_cached(root.path(), "models--org--bin", "pytorch_model.bin");
  BOOST_CHECK(fetch_model("org/bin", {}, ModelUse::weights).path == one);
  const fs::path parts = make_cached(root.path(), "models--org--parts", "pytorch_model-00001-of-00002.bin");
  write_file(
      parts / "pytorch_model.bin.index.json",
      R"({"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}})");
  check_error([] { fetch_model("org/parts", {}, ModelUse::weights); },
              {"no pytorch_model-00002-of-00002.bin"});
  write_file(parts / "pytorch_model-00002-of-00002.bin", "the weights");
  BOOST_CHECK(fetch_model("org/parts", {}, ModelUse::weights).path == parts);
  // A snapshot with a part of the safetensors is not served by the other form.
  write_file(parts / "model-00001-of-00002.safetensors", "the weights");
  check_error([] { fetch_model("org/parts", {}, ModelUse::weights); }, {"no model.safetensors.index.json"});
}

BOOST_AUTO_TEST_CASE(damaged_parts_of_a_dataset_are_named) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path snapshot = make_cached(root.path(), "datasets--org--name", "train.parquet");
  const fs::path file = snapshot / "train.parquet";
  const auto damaged = [&](const std::string& content, const std::string& words) {
    fs::remove(file);
    write_file(file, content);
    check_error([] { fetch_dataset("org/name", {}, named("train")); }, {"train.parquet (" + words});
  };
  damaged("PAR1 and no end", "cut");
  damaged("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS");
  fs::remove(file);
  fs::create_symlink("../../blobs/gone", file);
  check_error([] { fetch_dataset("org/name", {}, named("train")); }, {"train.parquet (a link"});
  fs::remove(file);
  write_file(file, "PAR1 whole PAR1");
  BOOST_CHECK(fs::equivalent(fetch_dataset("org/name", {}, named("train")).path, snapshot));
}

BOOST_AUTO_TEST_CASE(a_cached_dataset_needs_all_its_parts) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path snapshot =
      make_cached(root.path(), "datasets--org--name", "train-00000-of-00002-abc.parquet");
  const auto get = [] { return fetch_dataset("org/name", {}, named("train")).path; };
  check_error(get, {"1 of 2 parts", "HF_HUB_OFFLINE"});
  write_file(snapshot / "train-00001-of-00002-def.parquet", "x");
  write_file(snapshot / "test-00000-of-00002-ghi.parquet", "x");  // not chosen, so nobody misses its parts
  BOOST_CHECK(fs::equivalent(get(), snapshot));
  for (const char* name : {"train-00000-of-00002-abc.parquet", "train-00001-of-00002-def.parquet"})
    fs::remove(snapshot / name);
  check_error(get, {"no file named train", "HF_HUB_OFFLINE"});
  BOOST_CHECK(fs::equivalent(fetch_dataset("org/name", {}, named("config.json")).path, snapshot));
  check_error(
      [] {
        fetch_dataset("org/name", {}, [](const auto&, const auto&) { return std::vector<std::string>(); });
      },
      {"no file that is wanted"});
}

BOOST_AUTO_TEST_CASE(a_cached_dataset_whose_blob_is_gone_is_not_complete) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  const fs::path snapshot = make_cached(root.path(), "datasets--org--name", "train.jsonl");
  fs::create_directories(snapshot / "data");
  fs::create_symlink("../../../blobs/gone", snapshot / "data/train.jsonl");
  check_error([] { fetch_dataset("org/name", {}, named("train")); },
              {"no data/train.jsonl", "HF_HUB_OFFLINE"});
}

BOOST_AUTO_TEST_CASE(usage_errors_of_the_chooser_are_the_users) {
  const TempDir root;
  const HubVariables variables({{"HF_HUB_OFFLINE", "1"}, {"HF_HUB_CACHE", root.path().string()}});
  make_cached(root.path(), "datasets--org--name");
  const ChooseFiles refuses = [](const std::vector<std::string>&,
                                 const std::string&) -> std::vector<std::string> {
    throw_usage("no split", "--dataset_split", "give --dataset_split=train");
  };
  check_error([&] { fetch_dataset("org/name", {}, refuses); }, {"--dataset_split"}, ExitCode::usage);
}

BOOST_AUTO_TEST_CASE(lookups_write_nothing) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {"HF_HUB_CACHE", root.path().string()}});
  make_cached(root.path(), "models--org--name");
  const auto listing = [&] {
    std::map<std::string, fs::file_time_type> files;
    for (const auto& entry : fs::recursive_directory_iterator(root.path())) {
      if (!entry.is_symlink()) files[entry.path().string()] = entry.last_write_time();
    }
    return files;
  };
  for (const auto& entry : fs::recursive_directory_iterator(root.path())) {
    if (entry.is_directory()) fs::permissions(entry.path(), fs::perms(0555));
  }
  const auto before = listing();
  fetch_model("org/name", {}, ModelUse::weights);
  BOOST_CHECK(listing() == before);
  for (const auto& [path, time] : before) {
    if (fs::is_directory(path)) fs::permissions(path, fs::perms(0755));
  }
}

BOOST_AUTO_TEST_CASE(unknown_names_say_where_was_looked) {
  const TempDir root;
  const HubVariables variables({{"HF_ENDPOINT", kNowhere}, {"HF_HUB_CACHE", root.path().string()}});
  check_error([] { fetch_model("org/name", {}, ModelUse::weights); },
              {(root / "models--org--name").string(), "org/name", kNowhere, "cannot be reached"});
  for (const char* bad : {"../../no/such", "", "a/b/c", "a--b", "-a/b", "a/b.", "a/b.git", "a/.b", "o/n\\x"})
    check_error([&] { fetch_model(bad, {}, ModelUse::weights); },
                {std::string("cannot find the model ") + bad});
  for (const char* name : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
    for (const char* value : {"1", "yes", "TRUE", "On"}) {
      ::setenv(name, value, 1);
      check_error([] { fetch_model("org/name", {}, ModelUse::weights); },
                  {(root / "models--org--name").string(), std::string(name) + "=" + value, kNowhere});
    }
    ::setenv(name, "0", 1);
  }
  HubOptions options;
  options.local_files_only = true;
  check_error([&] { fetch_model("org/name", options, ModelUse::weights); }, {"--local_files_only"});
  BOOST_CHECK(fs::is_empty(root.path()));
}

BOOST_AUTO_TEST_CASE(variables_that_make_no_sense_are_refused) {
  const TempDir root;
  const HubVariables variables({{"HOME", root.path().string()}});
  const auto refused = [](const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 1);
    check_error([] { read_settings({}); }, {name}, ExitCode::usage);
    ::unsetenv(name);
  };
  for (const char* value : {"huggingface.co", "ftp://x", "http://a b", "https://x/?q"})
    refused("HF_ENDPOINT", value);
  for (const char* value : {"soon", "-1", "0", "1e99", "nan", "5s"}) {
    refused("HF_HUB_ETAG_TIMEOUT", value);
    refused("HF_HUB_DOWNLOAD_TIMEOUT", value);
  }
  refused("HF_TOKEN", "hf_a\r\nX-Other: 1");
  ::setenv("HF_ENDPOINT", "https://mirror.example//", 1);
  ::setenv("HF_HUB_ETAG_TIMEOUT", "2.5", 1);
  BOOST_CHECK_EQUAL(read_settings({}).endpoint, "https://mirror.example");
  BOOST_CHECK_EQUAL(read_settings({}).etag_timeout_s, 2.5);
  BOOST_CHECK_EQUAL(read_settings({}).download_timeout_s, 10);
}

BOOST_AUTO_TEST_CASE(the_token_comes_from_where_python_takes_it) {
  const TempDir root;
  const HubVariables variables({{"HF_HOME", root.path().string()}});
  BOOST_CHECK_EQUAL(read_settings({}).token, "");
  write_file(root / "token", "hf_default\n");
  BOOST_CHECK_EQUAL(read_settings({}).token, "hf_default");
  write_file(root / "other", " hf_named ");
  ::setenv("HF_TOKEN_PATH", (root / "other").c_str(), 1);
  BOOST_CHECK_EQUAL(read_settings({}).token, "hf_named");
  ::setenv("HF_TOKEN", "hf_variable", 1);
  BOOST_CHECK_EQUAL(read_settings({}).token, "hf_variable");
  ::setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
  BOOST_CHECK_EQUAL(read_settings({}).token, "");
  HubOptions options;
  options.token = "hf_given";
  BOOST_CHECK_EQUAL(read_settings(options).token, "hf_given");
}

BOOST_AUTO_TEST_CASE(the_command_line_counts_before_what_a_checkpoint_recorded) {
  const RecordedModel recorded{"org/recorded", "v1", "/nowhere/config.json"};
  const ModelChoice by_record = choose_model(std::nullopt, std::nullopt, recorded);
  BOOST_TEST(by_record.id == "org/recorded");
  BOOST_TEST(by_record.hub.revision == "v1");
  // The recorded revision is one of the recorded model.
  const ModelChoice by_id = choose_model(std::string("org/given"), std::nullopt, recorded);
  BOOST_TEST(by_id.id == "org/given");
  BOOST_TEST(by_id.hub.revision == "main");
  BOOST_TEST(choose_model(std::nullopt, std::string("v2"), recorded).hub.revision == "v2");
  BOOST_TEST(choose_model(std::nullopt, std::nullopt, RecordedModel()).id == "Qwen/Qwen3-0.6B");
}

BOOST_AUTO_TEST_CASE(revisions_are_recorded_where_they_must_be) {
  BOOST_TEST(revision_to_record("org/name", "v1").value_or("") == "v1");
  BOOST_TEST(!revision_to_record("org/name", "main").has_value());
  BOOST_TEST(!revision_to_record(golden("nano").string(), "v1").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
