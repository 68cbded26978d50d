// Reports out of small folders: what stands in the page, in Markdown and in JSON, what is left out and told,
// and that nothing of a file gets into the page as HTML.
#include "src/report/report.hpp"

#include "anemll/core/file.hpp"
#include "src/report/internal/html.hpp"
#include "src/report/internal/sections.hpp"
#include "src/report/internal/svg.hpp"
#include "src/tools/report_options.hpp"
#include "tests/support/refusals.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/report/page_checks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write_run(const fs::path& folder) {
  fs::create_directories(folder);
  std::string log =
      R"({"kind":"eval","step":0,"loss":9.5,"holdout_loss":9.25,"holdout_kl_mean":7,"train_kl_mean":6,"new_best":false,)"
      R"("holdout_sources":[{"name":"a.json","kl_mean":6.5},{"name":"b.txt","kl_mean":7.5}]})"
      "\n";
  for (int step = 1; step <= 80; ++step)
    log += R"({"kind":"train","step":)" + std::to_string(step) + R"(,"loss":)" + std::to_string(9.0 / step) +
           R"(,"lr":0.001,"tokens_per_s":100,"grad_norm":null})" + "\n";
  log +=
      R"({"kind":"eval","step":80,"loss":0.5,"holdout_loss":0.75,"holdout_kl_mean":0.25,"train_kl_mean":0.125,"new_best":true,)"
      R"("holdout_sources":[{"name":"a.json","kl_mean":0.2},{"name":"b.txt","kl_mean":0.3}]})"
      "\n";
  write_file(folder / "metrics.jsonl", log);
}

/// The OUT of a recipe, whole.
void write_recipe(const fs::path& out) {
  write_run(out / "v2");
  for (const char* folder : {"start", "snap", "stages", "earlier-1"}) fs::create_directories(out / folder);
  write_file(out / "earlier-1" / "metrics.jsonl", "{\"kind\":\"train\",\"step\":1,\"loss\":77}\n");
  write_file(
      out / "start" / "start_report.json",
      R"({"kept":"cd","quantisation":"q","holdout":[{"start":"cd","kl_mean":0.5,"top1":0.75,"positions":10}],"blocks":[)"
      R"({"stream_error":0.01,"linears":{"model.layers.0.q_proj":0.1,"model.layers.0.up_proj":0.2}},)"
      R"({"stream_error":0.02,"linears":{"model.layers.1.q_proj":0.125,"model.layers.1.up_proj":null}}]})");
  write_file(
      out / "snap" / "snap_report.json",
      R"({"trained_kd_loss":1.5,"consumers":{"raw":{"kd_loss":1.500001,"kl_to_trained":1e-7,"weight_error":0.0001}},)"
      R"("gate":{"passed":true},"negative_scale_share":0.25,"answers":[{"prompt":"p","trained":"t","snapped":"s","same":false}]})");
  write_file(out / "snap" / "model_state_dict.pt", "weights");
  std::string models;
  for (const char* model : {"start/v2_init.pt", "v2/best_state_dict.pt", "snap/model_state_dict.pt"})
    models +=
        std::string(models.empty() ? "" : ",") + R"({"model":"OUT/)" + model +
        R"(","kl":0.25,"kl_low":0.2,"kl_high":0.3,"top1":0.5,"bits_per_weight":3.03,"kl_histogram":[1,3]})";
  write_file(
      out / "score.json",
      R"({"teacher":"nano","sources":["held"],"kl_histogram_edges":[0.01,0.1,1],"models":[)" + models +
          R"(],"pairs":[],"parts":[{"part":"source c, held out: chat","model":"OUT/snap/model_state_dict.pt","by":"source","kl":0.125,"top1":0.5}]})");
  const std::string evil =
      R"({"prompt":"Who?","answer":"</td><script>alert(1)</script><img src=\"http://x.y/z\" onerror='a()'> & \"q\" \u0007 ]]>"})";
  write_file(out / "answers_teacher.jsonl", "{\"prompt\":\"Who?\",\"answer\":\"I | you\"}\n");
  write_file(out / "answers_snap.jsonl", evil + "\n");
  write_file(out / "stages" / "recipe",
             "recipe=two_bit\nsays=Two bits.\ncommand=launch/two_bit.sh M <T> "
             "OUT\nmodel=M&M\ninput=T\nstages=start v2\n");
  write_file(out / "stages" / "v2.done",
             "attempts=2\nseconds=61\nsays=training\ncommand=anemll_train <x>\nbytes=1024\n");
  write_file(out / "stages" / "start.done",
             "attempts=1\nseconds=5\nsays=start\ncommand=anemll_init\nbytes=10\n");
}

std::string report_of(const fs::path& run, ReportForm form) {
  return RunReport(std::vector<fs::path>{run}, "").text(form);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(report)

// Both files have them, and one lists them backwards.
BOOST_AUTO_TEST_CASE(of_very_many_prompts_the_first_are_shown) {
  const TempDir dir;
  write_recipe(dir / "out");
  std::string teacher, snap;
  for (int i = 0; i < 400; ++i) {
    const auto line = [](int n) {
      return "{\"prompt\":\"P" + std::to_string(n) + ".\",\"answer\":\"A" + std::to_string(n) + ".\"}\n";
    };
    teacher += line(i);
    snap += line(399 - i);
  }
  write_file(dir / "out" / "answers_teacher.jsonl", teacher);
  write_file(dir / "out" / "answers_snap.jsonl", snap);
  const std::string page = report_of(dir / "out", ReportForm::markdown);
  BOOST_TEST(page.find("| P0. | A0. | A0. |") != std::string::npos, page);
  BOOST_TEST(page.find("| P299. | A299. | A299. |") != std::string::npos);
  BOOST_TEST(page.find("P300.") == std::string::npos);
  BOOST_TEST(page.find("These are the first 300 of 400 prompts.") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_page_of_a_recipe) {
  const TempDir dir;
  write_recipe(dir / "out");
  const std::string page = report_of(dir / "out", ReportForm::html);
  check_page(page);
  for (const char* part :
       {"Curves", "Loss, logarithmic", "by source", "a.json", "KL against bits per weight",
        "KL of single positions", "Layers of the start", "Samples, greedy", "as each converter reads it",
        "anemll_train &lt;x&gt;", "M&amp;M", "These programs", "Learning rate", "q_proj, block 1: 0.125",
        "up_proj, block 1: not known", "Verified: yes", "mean of"})
    BOOST_TEST(has(page, part), part);
  BOOST_TEST(!has(page, "Left out"));
  BOOST_TEST(!has(page, "earlier-1"), "an earlier run is no part");
  // Words of a model stay words.
  BOOST_TEST(!has(page, "<script"));
  BOOST_TEST(!has(page, "<img"));
  BOOST_TEST(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=&quot;http://x.y/z&quot;"));
  BOOST_TEST(has(page, "\\x07 ]]&gt;"));
}

BOOST_AUTO_TEST_CASE(markdown_of_a_recipe) {
  const TempDir dir;
  write_recipe(dir / "out");
  const std::string text = report_of(dir / "out", ReportForm::markdown);
  for (const char* part :
       {"# two_bit\n",
        "| v2 | 9.5000 -> 0.5000 | 9.2500 -> 0.7500 | 7.0000 -> 0.2500 | 6.0000 -> 0.1250 | - |",
        "| snapped | 3.030 | 0.2500 | 50.0% |", "| chat | - | - | 0.1250 | 50.0% |",
        "| Q2_K | 4.4 | 0.387 | 0.256 |", "| 1 | 0.1250 | - | 0.0200 |", "| Who? | I \\| you | ",
        "| raw | 1.500001 | 1e-07 | 0.0001 |", "Verified: yes", "| v2 | training | 1m 01s | 2 | 1.0 KiB |",
        "bash launch/two_bit.sh M <T> OUT\n"})
    BOOST_TEST(has(text, part), part << " in\n" << text);
  BOOST_TEST(!has(text, "<script"));
  BOOST_TEST(text.find("| start | start |") < text.find("| v2 | training |"));  // the order of the stages
}

BOOST_AUTO_TEST_CASE(json_of_a_recipe) {
  const TempDir dir;
  write_recipe(dir / "out");
  const ReportJson got = ReportJson::parse(report_of(dir / "out", ReportForm::json));
  BOOST_TEST(got.at("seconds") == 66);
  BOOST_TEST(got.at("file").at("bytes") == 7);
  BOOST_TEST(got.at("trainings").at(0).at("best_evaluation").at("holdout_kl_mean") == 0.25);
  BOOST_TEST(got.at("snap").at("gate").at("passed") == true);
  BOOST_TEST(got.at("stages").at(1).at("command") == "anemll_train <x>");
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_told) {
  const TempDir dir;
  write_run(dir / "run");
  const std::string page = report_of(dir / "run", ReportForm::html);
  check_page(page);
  for (const char* part : {"Left out", "there is no score", "no start_report.json", "No answers."})
    BOOST_TEST(has(page, part), part);
  BOOST_TEST(!has(page, "No curves"));
  write_recipe(dir / "out");
  for (const char* file :
       {"score.json", "start/start_report.json", "snap/snap_report.json", "v2/metrics.jsonl"}) {
    const std::string alone = report_of(dir / "out" / file, ReportForm::html);
    check_page(alone);
    BOOST_TEST(has(alone, "Left out"), file);
  }
  // Two runs over each other have names of their own.
  const std::string both =
      RunReport(std::vector<fs::path>{dir / "run", dir / "out" / "v2"}, "A & B").text(ReportForm::html);
  check_page(both);
  for (const char* part : {"<h1>A &amp; B</h1>", "run, training", "v2, training"})
    BOOST_TEST(has(both, part), part);
}

BOOST_AUTO_TEST_CASE(samples_of_a_training_stand_by_step) {
  const TempDir dir;
  fs::create_directories(dir / "run");
  std::string log;
  for (const char* step : {"0", "80"})
    log += std::string(R"({"kind":"eval","loss":1,"step":)") + step +
           R"(,"samples":[{"prompt":"one","answer":"at )" + step + R"("},{"prompt":"two","answer":"<b>"}]})" +
           "\n";
  write_file(dir / "run" / "metrics.jsonl", log);
  const std::string text = report_of(dir / "run", ReportForm::markdown);
  BOOST_TEST(has(text, "| Step of run | one | two |"), text);
  BOOST_TEST(has(text, "| 80 | at 80 | &lt;b> |"), text);
}

/// In front of the log of a run that is there.
void add_start(const fs::path& folder, const std::string& ran_on, const std::string& processor,
               const std::string& command) {
  write_file(folder / "metrics.jsonl",
             R"({"kind":"start","ran_on":)" + ran_on + R"(,"processor":")" + processor +
                 R"(","build":"anemll_train 9.9 (git abc)\n  compiler    GNU 1.2","command":)" + command +
                 "}\n" + read_text(folder / "metrics.jsonl"));
}

BOOST_AUTO_TEST_CASE(the_command_of_a_training_can_be_pasted) {
  const TempDir dir;
  const std::string command = R"(["anemll_train","--from-scratch","--cache-dir","a b","--lr","1e-3"])";
  write_run(dir / "run");
  BOOST_TEST(!has(report_of(dir / "run", ReportForm::markdown), "To repeat"));  // an older log
  add_start(dir / "run", R"(["h"])", "P", command);
  const std::string text = report_of(dir / "run", ReportForm::markdown);
  BOOST_TEST(has(text, "The training run:"), text);
  BOOST_TEST(has(text, "\nanemll_train --from-scratch --cache-dir 'a b' --lr 1e-3\n"), text);
  const ReportJson json = ReportJson::parse(report_of(dir / "run", ReportForm::json));
  BOOST_TEST(json.at("trainings").at(0).at("command") ==
             "anemll_train --from-scratch --cache-dir 'a b' --lr 1e-3");
  // Of a run that went on the last one, which says on how many ranks too.
  add_start(dir / "run", R"(["h"])", "P", R"(["anemll_train","--lr","7"])");
  write_file(
      dir / "run" / "metrics.jsonl",
      read_text(dir / "run" / "metrics.jsonl") +
          R"({"kind":"start","ran_on":["h","g"],"processor":"Q","build":"b","command":["anemll_train","--lr","9"]})"
          "\n");
  const std::string later = report_of(dir / "run", ReportForm::markdown);
  BOOST_TEST(has(later, "\nbash launch/mpirun.sh -np 2 anemll_train --lr 9\n"), later);
  BOOST_TEST(!has(later, "--lr 7"), later);
  // A caller of the library has no command of ours.
  write_run(dir / "called");
  add_start(dir / "called", R"(["h"])", "P", "[]");
  BOOST_TEST(!has(report_of(dir / "called", ReportForm::markdown), "To repeat"));
  // The stage of a recipe has its own line, which is not told twice.
  write_recipe(dir / "out");
  add_start(dir / "out" / "v2", R"(["h"])", "P", command);
  const std::string recipe = report_of(dir / "out", ReportForm::markdown);
  BOOST_TEST(has(recipe, "\nanemll_train <x>\n"), recipe);
  BOOST_TEST(!has(recipe, "--from-scratch"), recipe);
}

BOOST_AUTO_TEST_CASE(machine_and_versions_are_those_of_the_run) {
  const TempDir dir;
  write_run(dir / "run");
  const std::string older = report_of(dir / "run", ReportForm::markdown);
  BOOST_TEST(has(older, "\nMachine and versions are those that this report was written with."), older);
  BOOST_TEST(!has(older, "Processor of"), older);
  add_start(dir / "run", R"(["beta","alpha"])", "Fast <CPU>", "[]");
  const std::string text = report_of(dir / "run", ReportForm::markdown);
  for (const char* row :
       {"| Hosts of run | alpha, beta |", "| Processor of run | Fast &lt;CPU> |",
        "| Programs of run | anemll_train 9.9 (git abc); compiler GNU 1.2 |", "| This report | "})
    BOOST_TEST(has(text, row), row << " in\n" << text);
  BOOST_TEST(!has(text, "\nMachine and versions are those"), text);
  // It went on with another program elsewhere.
  add_start(dir / "run", R"(["gamma"])", "Old CPU", "[]");
  const std::string moved = report_of(dir / "run", ReportForm::markdown);
  for (const char* row :
       {"| Hosts of run | alpha, beta, gamma |", "| Processor of run | Old CPU, then Fast &lt;CPU> |",
        "| Programs of run | anemll_train 9.9 (git abc); compiler GNU 1.2 |"})
    BOOST_TEST(has(moved, row), row << " in\n" << moved);
}

BOOST_AUTO_TEST_CASE(layers_that_a_training_looked_at_are_drawn) {
  const TempDir dir;
  write_run(dir / "run");
  const auto row = [](int step, const char* error) {
    return R"({"kind":"layers","step":)" + std::to_string(step) +
           R"(,"layers":[{"layer":"model.layers.10.mlp.up_proj","output_error":0.5},)"
           R"({"layer":"model.layers.2.mlp.up_proj","output_error":)" +
           error +
           R"(},{"layer":"model.layers.2.self_attn.q_proj","output_error":null},{"layer":"lm_head","output_error":9}],)"
           R"("blocks":[{"block":2,"stream_error":0.25},{"block":10,"stream_error":0.75},{"block":"x"}]})"
           "\n";
  };
  write_file(dir / "run" / "metrics.jsonl",
             read_text(dir / "run" / "metrics.jsonl") + row(40, "0.375") + row(80, "0.125"));
  const std::string page = report_of(dir / "run", ReportForm::html);
  check_page(page);
  for (const char* part : {"Layers in training", "run at step 80", "up_proj, block 2: 0.125",
                           "up_proj, block 10: 0.5", "q_proj, block 2: not known"})
    BOOST_TEST(has(page, part), part);
  for (const char* part : {"No errors of layers", "0.375", "lm_head"}) BOOST_TEST(!has(page, part), part);
  const std::string text = report_of(dir / "run", ReportForm::markdown);
  BOOST_TEST(has(text, "| Block | q_proj | up_proj | stream |"), text);
  BOOST_TEST(has(text, "| 2 | - | 0.1250 | 0.2500 |"), text);
  BOOST_TEST(text.find("| 2 | - |") < text.find("| 10 | - | 0.5000 | 0.7500 |"), text);
}

BOOST_AUTO_TEST_CASE(wrong_types_and_odd_numbers_harm_nothing) {
  const TempDir dir;
  fs::create_directories(dir / "run");
  write_file(
      dir / "run" / "score.json",
      R"({"models":[{"model":3,"kl":"x"},{},{"model":"m","kl":0,"bits_per_weight":0},5],"pairs":[],"parts":[1],)"
      R"("sources":[1],"kl_histogram_edges":["a",1,2]})");
  write_file(dir / "run" / "start_report.json",
             R"({"blocks":[1,{"linears":[2]},{"linears":{"q":null}}],"holdout":[[]]})");
  write_file(dir / "run" / "snap_report.json", R"({"consumers":{"raw":1},"answers":{},"programs":[]})");
  write_file(dir / "run" / "metrics.jsonl",
             "{\"kind\":\"train\",\"step\":0,\"loss\":null}\n{\"kind\":\"train\",\"step\":1,\"loss\":1e308}\n"
             "{\"kind\":\"train\",\"step\":2,\"loss\":-1e308}\n"
             "{\"kind\":\"start\",\"ran_on\":[1,\"h\"],\"processor\":2,\"build\":[],\"command\":[{},\"a\"]}\n"
             "{\"kind\":\"start\",\"ran_on\":7}\n"
             "{\"kind\":\"layers\",\"step\":1,\"layers\":[1,{\"layer\":2},{\"layer\":\"a.layers.x.b\","
             "\"output_error\":1},"
             "{\"layer\":\"a.layers.0.b\",\"output_error\":\"z\"}],\"blocks\":{}}\n");
  write_file(dir / "run" / "broken.json", "{");
  check_page(report_of(dir / "run", ReportForm::html));
}

BOOST_AUTO_TEST_CASE(text_becomes_harmless) {
  BOOST_TEST(escaped("a<b>&\"c\"\n\td") == "a&lt;b&gt;&amp;&quot;c&quot;\n\td");
  BOOST_TEST(escaped("\x01\xff") == "\\x01\\xFF");
  BOOST_TEST(escaped("\xef\xbf\xbf") == "\\uFFFE");
  BOOST_TEST(escaped("\xc3\xa9\xe2\x82\xac") == "\xc3\xa9\xe2\x82\xac");
}

BOOST_AUTO_TEST_CASE(long_curves_keep_their_shape) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 10000; ++i) points.push_back({static_cast<double>(i), std::sin(i * 0.01)});
  points[5003].y = 50;
  points[7001].y = std::numeric_limits<double>::quiet_NaN();
  const auto kept = thinned(points, 400);
  BOOST_TEST(kept.size() <= 400U);
  BOOST_TEST((kept.front().x == 0 && kept.back().x == 9999));
  BOOST_TEST(std::ranges::any_of(kept, [](const ChartPoint& p) { return p.y == 50; }));
  BOOST_TEST(std::ranges::any_of(kept, [](const ChartPoint& p) { return std::isnan(p.y); }));
  BOOST_TEST(std::ranges::is_sorted(kept, {}, &ChartPoint::x));
  BOOST_TEST(thinned(points, 10000).size() == points.size());
}

BOOST_AUTO_TEST_CASE(a_point_alone_is_marked) {
  CurvesFigure figure;
  figure.panel.lines.push_back({"loss", {{8, 0.5}}});
  BOOST_TEST(figure_html(figure).find("<circle") != std::string::npos);
  figure.panel.lines[0].points.push_back({9, 0.4});
  BOOST_TEST(figure_html(figure).find("<circle") == std::string::npos);
  // Between gaps.
  figure.panel.lines[0].points.insert(figure.panel.lines[0].points.end(),
                                      {{10, std::numeric_limits<double>::quiet_NaN()}, {11, 0.3}});
  BOOST_TEST(figure_html(figure).find("<circle") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(models_have_short_names) {
  Findings found;
  using Names = std::vector<std::string>;
  BOOST_TEST(model_names(found, {"a/b/c.pt", "a/d/e.pt"}) == (Names{"b/c.pt", "d/e.pt"}),
             boost::test_tools::per_element());
  BOOST_TEST(model_names(found, {"x.pt"}) == Names{"x.pt"}, boost::test_tools::per_element());
  BOOST_TEST(model_names(found, {"a.pt", "a.pt"}) == (Names{"a.pt", "a.pt"}),
             boost::test_tools::per_element());
  found.recipe.emplace();
  BOOST_TEST(model_names(found, {"o/start/i.pt", "o/v2/b.pt", "o/snap/m.pt"}) ==
                 (Names{"start", "trained", "snapped"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_reports_are_replaced) {
  const TempDir dir;
  write_run(dir / "run");
  for (const char* name : {"r.html", "r.md", "r.json"}) {
    const ReportForm form = report_form(name);
    require_replaceable(dir / name, form);
    write_file(dir / name, report_of(dir / "run", form));
    require_replaceable(dir / name, form);
  }
  const auto onto = [](const std::string& name, const std::string& text) {
    return Refusal{name, "no report", [=](const TempDir& d) {
                     write_file(d / name, text);
                     require_replaceable(d / name, report_form(name));
                   }};
  };
  const std::vector<Refusal> refusals = {
      onto("page.html", "<html></html>"),
      onto("notes.md", "# my notes\n"),
      onto("score.json", "{}"),
      {"--output", "x.txt", [](const TempDir&) { (void)report_form("x.txt"); }},
      {"gone", "no such file", [](const TempDir& d) { report_of(d / "gone", ReportForm::html); }},
      {"empty", "nothing that a report",
       [](const TempDir& d) {
         fs::create_directories(d / "empty");
         report_of(d / "empty", ReportForm::html);
       }},
      {"poem.json", "no result", [](const TempDir& d) {
         write_file(d / "poem.json", "{\"a\":1}");
         report_of(d / "poem.json", ReportForm::html);
       }}};
  const std::string all = check_refusals(refusals);
  check_every_message(all, fs::path(ANEMLL_SOURCE_DIR) / "src/report", /*out_of_reach=*/{},
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_CASE(outputs_may_be_several) {
  ReportOptions options;
  OptionTable table = make_report_table(options);
  const std::vector<const char*> words = {"anemll_report", "a",        "b",    "--output",
                                          "x.html",        "--output", "x.md", "--overwrite"};
  BOOST_TEST((table.parse(static_cast<int>(words.size()), words.data()) == OptionTable::Outcome::run));
  BOOST_TEST(options.runs == (std::vector<std::string>{"a", "b"}), boost::test_tools::per_element());
  BOOST_TEST(options.outputs.size() == 2U);
  BOOST_TEST(options.overwrite);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
