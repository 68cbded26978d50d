// Who owns a folder: what is refused, what steps aside and how it looks after a kill, what stays.
#include "src/core/output_folder.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
using anemll::converted_checkpoint;
using anemll::Error;
using anemll::ExitCode;
using anemll::matches;
using anemll::OutputFolder;
using anemll::read_text;
using anemll::snapped_model;
using anemll::training_run;
using anemll::write_file;
using anemll::test::TempDir;

namespace {

constexpr const char* kRunConfig = R"({"version": "v2", "config_preset": "q2a4", "lut_bits": 2})";
constexpr const char* kModelConfig = R"({"architectures": ["Qwen3ForCausalLM"], "hidden_size": 64})";

OutputFolder run_folder(const fs::path& path) {
  return OutputFolder(path, training_run(), "--output-dir");
}

std::set<std::string> names(const fs::path& folder) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename() != ".lock") found.insert(entry.path().filename().string());
  }
  return found;
}

/// What an earlier run leaves, each file holding its own name.
void make_run(const fs::path& folder) {
  for (const char* name : {"training_log.csv", "metrics.jsonl", "best_state_dict.pt", "checkpoint_step20.pt",
                           "v2_q2a4_fp32_20260101_101112.pt", "state/step_00000020/manifest.json"}) {
    fs::create_directories((folder / name).parent_path());
    write_file(folder / name, name);
  }
  write_file(folder / "config.json", kRunConfig);
}

const std::set<std::string> kRun = {"training_log.csv",
                                    "metrics.jsonl",
                                    "best_state_dict.pt",
                                    "checkpoint_step20.pt",
                                    "config.json",
                                    "v2_q2a4_fp32_20260101_101112.pt",
                                    "state"};

bool is_usage(const Error& e) {
  return e.code() == ExitCode::usage && !e.hint().empty();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_output_folder)

BOOST_AUTO_TEST_CASE(patterns) {
  BOOST_TEST(matches("checkpoint_step#.pt", "checkpoint_step120.pt"));
  BOOST_TEST(!matches("checkpoint_step#.pt", "checkpoint_step.pt"));
  BOOST_TEST(!matches("checkpoint_step#.pt", "checkpoint_step12a.pt"));
  BOOST_TEST(!matches("checkpoint_step#.pt", "checkpoint_step12.pt.tmp.7"));
  BOOST_TEST(matches("v2_*_#_#.pt", "v2_q4a4_r32_fp16_20260101_101112.pt"));
  BOOST_TEST(!matches("v2_*_#_#.pt", "v2_q2a4_fp32_TIMESTAMP.pt"));
  BOOST_TEST(matches("*", ""));
  BOOST_TEST(!matches("", "a"));
}

BOOST_AUTO_TEST_CASE(a_models_folder_is_refused_and_gains_nothing) {
  for (const char* name :
       {"model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
        "pytorch_model.bin", "consolidated.00.pth", "model.Q4_K_M.gguf", "tokenizer.json", "tokenizer.model",
        "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json", "chat_template.jinja",
        "generation_config.json", "config.json", "snap_report.json", "shard_00000.h5"}) {
    const TempDir dir;
    write_file(dir / name, name == std::string("config.json") ? kModelConfig : "x");
    OutputFolder folder = run_folder(dir.path());
    BOOST_CHECK_EXCEPTION(folder.take(), Error, [&](const Error& e) {
      return is_usage(e) && e.problem().find(name) != std::string::npos;
    });
    BOOST_TEST(!fs::exists(dir / ".lock"), name);
    BOOST_TEST(names(dir.path()).size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_taken_for_nothing_is_as_it_was) {
  const TempDir dir;
  for (const anemll::Product* product : {&training_run(), &snapped_model(), &converted_checkpoint()}) {
    {
      OutputFolder folder(dir / "new/deep", *product, "--output-dir");
      folder.take();
      BOOST_TEST(fs::is_directory(dir / "new/deep"));
    }
    BOOST_TEST(!fs::exists(dir / "new"), std::string(product->name));
    {
      OutputFolder folder(dir / "new/deep", *product, "--output-dir");
      folder.take();
      write_file(dir / "new/notes.txt", "not in the folder itself");
    }
    BOOST_TEST(names(dir / "new") == std::set<std::string>{"notes.txt"}, std::string(product->name));
    fs::remove_all(dir / "new");
    fs::create_directory(dir / "empty");  // the user's own
    OutputFolder(dir / "empty", *product, "--output-dir").take();
    BOOST_TEST(fs::is_empty(dir / "empty"), std::string(product->name));
  }
  make_run(dir / "run");
  run_folder(dir / "run").take();
  BOOST_TEST(!fs::exists(dir / "run/.lock"));
  write_file(dir / "run/.lock", "");  // a killed process left it
  run_folder(dir / "run").take();
  BOOST_TEST(fs::exists(dir / "run/.lock"));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_steps_aside_with_the_config_that_describes_it) {
  const std::string described = R"({"config_preset": "q2a4", "lut_bits": 2})";
  for (const char* name : {"v2_init.pt", "q2.pt"}) {
    const TempDir dir;
    write_file(dir / name, "codes");
    write_file(dir / "config.json", described);
    write_file(dir / "start_report.json", "{}");
    OutputFolder folder = run_folder(dir.path());
    folder.take();
    const auto place = folder.set_aside();
    BOOST_REQUIRE(place.has_value());
    BOOST_TEST(read_text(*place / name) == "codes");
    BOOST_TEST(read_text(*place / "config.json") == described);
    BOOST_TEST(fs::exists(*place / "start_report.json"));
    BOOST_TEST(names(dir.path()) == (std::set<std::string>{"config.json", "earlier-1"}), name);
    write_file(dir / name, "other codes");  // as the source of a run
    BOOST_TEST(read_text(*folder.set_aside({dir / name}) / name) == "other codes");
    BOOST_TEST(read_text(dir / name) == "other codes");
  }
  const TempDir dir;  // a copy that a person made in the folder of a run
  make_run(dir.path());
  write_file(dir / "config.json", R"({"config_preset": "q2a4", "lut_bits": 2, "max_steps": 10})");
  write_file(dir / "mine.pt", "mine");
  OutputFolder folder = run_folder(dir.path());
  folder.take();
  (void)folder.set_aside();
  BOOST_TEST(read_text(dir / "mine.pt") == "mine");
}

BOOST_AUTO_TEST_CASE(config_json_is_judged_by_what_it_says) {
  const std::vector<std::pair<std::string, bool>> cases = {
      {kRunConfig, true},
      {R"({"model_id": "m", "lut_bits": 2, "attn_lut_bits": 4, "scale_rank": 32, "converted_from": "v1"})",
       true},
      {R"({"model_id": "m", "lut_size": 16, "scale_rank": 4})", true},
      {kModelConfig, false},
      {R"({"model_type": "llama", "lut_bits": 2})", false},
      {R"({"name": "something else"})", false},
      {"{}", false},
      {"[1]", false},
      {"not json", false},
      {"", false}};
  for (const auto& [text, accepted] : cases) {
    const TempDir dir;
    write_file(dir / "config.json", text);
    OutputFolder folder = run_folder(dir.path());
    if (accepted) {
      BOOST_CHECK_NO_THROW(folder.take());
    } else {
      BOOST_CHECK_EXCEPTION(folder.take(), Error, is_usage);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_source_may_have_any_name) {
  const TempDir dir;
  write_file(dir / "q2_init.pth", "weights");
  OutputFolder folder = run_folder(dir.path());
  BOOST_CHECK_EXCEPTION(folder.take(), Error, is_usage);
  folder.accept(dir / "q2_init.pth");
  BOOST_CHECK_NO_THROW(folder.take());
  BOOST_TEST(!folder.set_aside({dir / "q2_init.pth"}).has_value());
  BOOST_TEST(read_text(dir / "q2_init.pth") == "weights");
  write_file(dir / "model.safetensors", "x");
  BOOST_CHECK_EXCEPTION(folder.take(), Error, is_usage);
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_on_keeps_what_lies_beside_it) {
  const TempDir dir;
  make_run(dir.path());
  write_file(dir / "tokenizer.json", "copied here by a person");
  OutputFolder folder = run_folder(dir.path());
  BOOST_CHECK_EXCEPTION(folder.take(), Error, is_usage);
  BOOST_CHECK_NO_THROW(folder.take(true));
}

BOOST_AUTO_TEST_CASE(results_step_aside_whole_and_the_rest_stays) {
  const TempDir dir;
  make_run(dir.path());
  write_file(dir / "notes.txt", "mine");
  fs::create_directories(dir / "kd_cache");
  fs::create_directories(dir / "snap");
  OutputFolder folder = run_folder(dir.path());
  folder.take();
  const auto place = folder.set_aside();
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(names(*place) == kRun, boost::test_tools::per_element());
  // config.json stays until the new run writes its own: a source may need it.
  const std::set<std::string> left = {"earlier-1", "notes.txt", "kd_cache", "snap", "config.json"};
  BOOST_TEST(names(dir.path()) == left, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_second_run_gets_the_next_number) {
  const TempDir dir;
  OutputFolder folder = run_folder(dir.path());
  folder.take();
  BOOST_TEST(!folder.set_aside().has_value());
  for (const char* expected : {"earlier-1", "earlier-2", "earlier-3"}) {
    make_run(dir.path());
    const auto place = folder.set_aside();
    BOOST_REQUIRE(place.has_value());
    BOOST_TEST(place->filename() == expected);
    BOOST_TEST(names(*place) == kRun, boost::test_tools::per_element());
    BOOST_TEST(read_text(*place / "state/step_00000020/manifest.json") ==
               "state/step_00000020/manifest.json");
  }
  fs::remove_all(dir / "earlier-2");
  make_run(dir.path());
  BOOST_TEST(folder.set_aside()->filename() == "earlier-4");  // numbers stay in order of time
}

BOOST_AUTO_TEST_CASE(a_source_keeps_its_path_and_goes_along) {
  for (const char* source :
       {"v2_q2a4_fp32_20260101_101112.pt", "best_state_dict.pt", "checkpoint_step20.pt"}) {
    const TempDir dir;
    make_run(dir.path());
    OutputFolder folder = run_folder(dir.path());
    folder.take();
    const auto place = folder.set_aside({dir / "./" / source});
    BOOST_REQUIRE(place.has_value());
    BOOST_TEST(names(*place) == kRun, boost::test_tools::per_element());
    BOOST_TEST(read_text(dir / source) == source);
    write_file(dir / source, "the new run's");
    BOOST_TEST(read_text(*place / source) == source);
  }
}

BOOST_AUTO_TEST_CASE(a_converters_folder_is_written_into) {
  const TempDir dir;
  write_file(dir / "q2_init.pt", "weights");
  write_file(dir / "config.json", kRunConfig);
  OutputFolder folder = run_folder(dir.path());
  folder.take();
  const auto place = folder.set_aside({dir / "q2_init.pt"});
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(read_text(dir / "q2_init.pt") == "weights");
  BOOST_TEST(read_text(dir / "config.json") == kRunConfig);  // until the run writes its own
  BOOST_TEST(read_text(*place / "config.json") == kRunConfig);
  BOOST_TEST(!folder.set_aside({dir / "q2_init.pt"}).has_value());  // kept once is enough
  write_file(dir / "config.json", "{\"lut_bits\": 4}");
  BOOST_TEST(folder.set_aside().has_value());
}

BOOST_AUTO_TEST_CASE(a_killed_move_is_ended_by_the_next_start) {
  // Killed after any number of renames: the parts lie in both places.
  const std::vector<std::string> all(kRun.begin(), kRun.end());
  for (std::size_t moved = 0; moved <= all.size(); ++moved) {
    const TempDir dir;
    make_run(dir.path());
    fs::create_directory(dir / "earlier-1.moving");
    fs::create_hard_link(dir / "best_state_dict.pt",
                         dir / "earlier-1.moving/best_state_dict.pt");  // the source
    for (std::size_t i = 0; i < moved; ++i) {
      if (all[i] == "best_state_dict.pt") continue;
      fs::rename(dir / all[i], dir / "earlier-1.moving" / all[i]);
    }
    OutputFolder folder = run_folder(dir.path());
    folder.take();
    BOOST_TEST(names(dir / "earlier-1") == kRun, boost::test_tools::per_element());
    BOOST_TEST(read_text(dir / "best_state_dict.pt") == "best_state_dict.pt");
    BOOST_TEST(!fs::exists(dir / "earlier-1.moving"));
  }
}

BOOST_AUTO_TEST_CASE(leftovers_of_killed_writers_go_and_only_those) {
  const TempDir dir;
  make_run(dir.path());
  for (const char* name : {"best_state_dict.pt.tmp.123", "best_state_dict.pt.link", "config.json.tmp.1",
                           "checkpoint_step40.pt.tmp.99", "v2_q2a4_fp16_20260101_101112.pt.tmp.5",
                           "training_log.csv.tmp.7", "metrics.jsonl.tmp.7", "v2_scratch_initial.pt.tmp.2"})
    write_file(dir / name, "half");
  const std::set<std::string> kept = {"notes.tmp.3", "thesis.tmp", "best_state_dict.pt.tmp.old", "a.link"};
  for (const std::string& name : kept) write_file(dir / name, "a person's");
  OutputFolder folder = run_folder(dir.path());
  {
    OutputFolder other = run_folder(dir.path());
    other.take();
    BOOST_CHECK_EXCEPTION(folder.take(), Error, is_usage);  // under the lock only
  }
  folder.take();
  std::set<std::string> expected = kRun;
  expected.insert(kept.begin(), kept.end());
  BOOST_TEST(names(dir.path()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_relative_link_still_leads_where_it_led) {
  const TempDir dir;
  fs::create_directories(dir / "disk/step_00000001");
  fs::create_directories(dir / "run");
  fs::create_directory_symlink("../disk", dir / "run/state");
  OutputFolder folder = run_folder(dir / "run");
  folder.take();
  const auto place = folder.set_aside();
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(fs::exists(*place / "state/step_00000001"));
  BOOST_TEST(!anemll::has_name(dir / "run/state"));
}

BOOST_AUTO_TEST_CASE(a_source_that_is_a_link_goes_along_with_its_bytes) {
  const TempDir dir;
  fs::create_directories(dir / "run");
  write_file(dir / "v1.pt", "weights");
  fs::create_symlink("../v1.pt", dir / "run/best_state_dict.pt");
  OutputFolder folder = run_folder(dir / "run");
  folder.take();
  const auto place = folder.set_aside({dir / "run/best_state_dict.pt"});
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(read_text(*place / "best_state_dict.pt") == "weights");
  BOOST_TEST(read_text(dir / "run/best_state_dict.pt") == "weights");
}

BOOST_AUTO_TEST_CASE(a_snap_steps_aside_for_a_snap_and_mixes_with_nothing_else) {
  const TempDir dir;
  write_file(dir / "model_state_dict.pt", "old");
  write_file(dir / "config.json", kRunConfig);
  write_file(dir / "snap_report.json", "{}");
  OutputFolder folder(dir.path(), snapped_model(), "--output");
  folder.take();
  const auto place = folder.set_aside();
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(read_text(*place / "model_state_dict.pt") == "old");
  const std::set<std::string> only = {"earlier-1"};
  BOOST_TEST(names(dir.path()) == only, boost::test_tools::per_element());
  BOOST_TEST(!fs::exists(dir / ".lock"));  // the converters look at every file
  folder.release();
  for (const char* name : {"best_state_dict.pt", "model.safetensors", "x.gguf", "training_log.csv"}) {
    const TempDir other;
    write_file(other / name, "x");
    OutputFolder refused(other.path(), snapped_model(), "--output");
    BOOST_CHECK_EXCEPTION(refused.take(), Error, is_usage);
  }
  OutputFolder named(dir.path(), snapped_model(), "--output", {"mine.pt"});
  write_file(dir / "mine.pt", "old");
  named.take();
  BOOST_TEST(read_text(*named.set_aside() / "mine.pt") == "old");
}

BOOST_AUTO_TEST_CASE(a_converted_checkpoint_has_a_folder_of_its_own) {
  const TempDir dir;
  write_file(dir / "q2.pt", "old");
  write_file(dir / "config.json", kRunConfig);
  OutputFolder folder(dir.path(), converted_checkpoint(), "--output", {"q2.pt"});
  folder.take();
  const auto place = folder.set_aside();
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(read_text(*place / "q2.pt") == "old");
  BOOST_TEST(read_text(*place / "config.json") == kRunConfig);
  folder.release();
  // Its config.json would describe another file, or another program's.
  for (const char* name : {"other.pt", "model.safetensors", "training_log.csv", "metrics.jsonl"}) {
    const TempDir other;
    write_file(other / name, "x");
    OutputFolder refused(other.path(), converted_checkpoint(), "--output", {"q2.pt"});
    BOOST_CHECK_EXCEPTION(refused.take(), Error, is_usage);
  }
  const TempDir model;
  write_file(model / "config.json", kModelConfig);
  OutputFolder beside(model.path(), converted_checkpoint(), "--output", {"q2.pt"});
  BOOST_CHECK_EXCEPTION(beside.take(), Error, is_usage);
}

BOOST_AUTO_TEST_SUITE_END()
