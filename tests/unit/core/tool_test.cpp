// The outermost frame of programs: text and exit code of every kind of exception. Errors and build facts.
#include "src/core/tool.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "src/core/build_info.hpp"
#include "src/core/platform.hpp"
#include "tests/support/capture.hpp"

#include <filesystem>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace {

struct Result {
  int code = 0;
  std::string text;
};

Result run(const std::function<int()>& body) {
  anemll::test::Capture err(STDERR_FILENO);
  const int code = anemll::run_tool(body);
  return {code, err.text()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_tool)

BOOST_AUTO_TEST_CASE(the_result_of_the_body_passes_through_silently) {
  const Result r = run([] { return 75; });
  BOOST_TEST(r.code == 75);
  BOOST_TEST(r.text.empty());
}

BOOST_AUTO_TEST_CASE(errors_become_their_code_and_three_lines) {
  const Result usage = run([]() -> int { anemll::throw_usage("bad value", "--lr", "give a number"); });
  BOOST_TEST(usage.code == 2);
  BOOST_TEST(usage.text == "error: bad value\n  where: --lr\n  hint: give a number\n");
  const Result data = run([]() -> int { anemll::throw_data("is short", "", ""); });
  BOOST_TEST(data.code == 3);
  BOOST_TEST(data.text == "error: is short\n");
  BOOST_TEST(run([]() -> int { anemll::throw_comm("a", "b", "c"); }).code == 4);
  BOOST_TEST(run([]() -> int { anemll::throw_numerics("a", "b", "c"); }).code == 5);
}

BOOST_AUTO_TEST_CASE(ranks_sign_their_last_words) {
  anemll::set_log_rank(2, 4);
  const Result r = run([]() -> int { anemll::throw_comm("lost", "", ""); });
  anemll::set_log_rank(0, 1);
  BOOST_TEST(r.text == "[rank 2 on " + anemll::host_name() + "] error: lost\n");
}

BOOST_AUTO_TEST_CASE(foreign_exceptions_have_codes_too) {
  const Result memory = run([]() -> int { throw std::bad_alloc(); });
  BOOST_TEST(memory.code == 3);
  BOOST_TEST(memory.text.find("out of memory") != std::string::npos);
  const Result torch =
      run([]() -> int { throw std::runtime_error("DefaultCPUAllocator: not enough memory: you tried"); });
  BOOST_TEST(torch.code == 3);
  for (const char* said : {"CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA error: out of memory"}) {
    const Result gpu = run([said]() -> int { throw std::runtime_error(said); });
    BOOST_TEST(gpu.code == 3);
    BOOST_TEST(gpu.text.find("the GPU is out of memory") != std::string::npos, gpu.text);
    BOOST_TEST(gpu.text.find("hint: ") != std::string::npos);
  }
  const Result files = run([]() -> int { return std::filesystem::file_size("/no/such/file") > 0 ? 1 : 0; });
  BOOST_TEST(files.code == 3);
  BOOST_TEST(files.text.find("/no/such/file") != std::string::npos);
  const Result bug = run([]() -> int { throw std::logic_error("impossible"); });
  BOOST_TEST(bug.code == 1);
  BOOST_TEST(bug.text.find("impossible") != std::string::npos);
  BOOST_TEST(bug.text.find("please report") != std::string::npos);
  BOOST_TEST(run([]() -> int { throw 7; }).code == 1);
}

BOOST_AUTO_TEST_CASE(errors_carry_their_parts) {
  const anemll::Error e(anemll::ExitCode::data, "what", "where", "hint");
  BOOST_TEST(e.what() == std::string("where: what\n  hint: hint"));
  BOOST_TEST(e.problem() == "what");
  BOOST_TEST(e.where() == "where");
  BOOST_TEST(e.hint() == "hint");
  BOOST_TEST(anemll::Error(anemll::ExitCode::data, "what").what() == std::string("what"));
}

BOOST_AUTO_TEST_CASE(a_command_gets_the_arguments_from_its_name_on) {
  std::vector<std::string> seen;
  const anemll::Command commands[] = {{"first", [](int, char**) { return 7; }},
                                      {"second", [&](int argc, char** argv) {
                                         seen.assign(argv, argv + argc);
                                         return 0;
                                       }}};
  const auto call = [&](std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return anemll::run_command("tool", "usage", commands, static_cast<int>(argv.size()), argv.data());
  };
  BOOST_TEST(call({"tool", "first", "second"}) == 7);
  BOOST_TEST(seen.empty());
  BOOST_TEST(call({"tool", "second", "--help"}) == 0);
  BOOST_TEST(seen == (std::vector<std::string>{"second", "--help"}), boost::test_tools::per_element());
  for (const auto& [words, problem] : {std::pair{std::vector<std::string>{"tool"}, "no command given"},
                                       {{"tool", "third"}, "unknown command 'third'"}}) {  // far from both
    try {
      call(words);
      BOOST_ERROR("no error");
    } catch (const anemll::Error& e) {
      BOOST_TEST((e.code() == anemll::ExitCode::usage));
      BOOST_TEST(e.problem() == problem);
      BOOST_TEST(e.hint() == "give one of: first, second; tool --help explains them");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_command_is_suggested_and_all_tell_their_options) {
  int runs = 0;
  const auto tell = [&runs](int argc, char** argv) {
    anemll::OptionTable table(std::string("tool ") + argv[0], "does a job");
    ++runs;
    return table.parse(argc, argv) == anemll::OptionTable::Outcome::exit_ok ? 0 : 1;
  };
  const anemll::Command commands[] = {{"import", tell}, {"export", tell}};
  const auto call = [&](std::string word) {
    std::string program = "tool";
    char* argv[] = {program.data(), word.data()};
    anemll::test::Capture out(STDOUT_FILENO);
    const int code = anemll::run_command("tool", "the usage\n", commands, 2, argv);
    BOOST_TEST(code == 0);
    return out.text();
  };
  try {
    call("imprt");
    BOOST_ERROR("no error");
  } catch (const anemll::Error& e) {
    BOOST_TEST(e.hint().starts_with("did you mean import? give one of: import, export"));
  }
  BOOST_TEST(call("--help") == "the usage\n");
  BOOST_TEST(runs == 0);
  BOOST_TEST(call("--version").starts_with("tool " + anemll::build_info().version + " (git "));
  std::istringstream lines(call("--help=json"));
  std::vector<nlohmann::json> told;
  for (std::string line; std::getline(lines, line);) told.push_back(nlohmann::json::parse(line));
  BOOST_REQUIRE(told.size() == 3u);
  BOOST_TEST(told[0].at("usage") == "the usage\n");
  BOOST_TEST(told[0].at("commands") == nlohmann::json({"import", "export"}));
  BOOST_TEST(told[2].at("program") == "tool export");
  const std::string page = call("--help=markdown");
  BOOST_TEST(page.starts_with("# tool\n\n```\nthe usage\n```\n\n# tool import\n"));
  BOOST_TEST(page.find("\n\n# tool export\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(build_facts_are_all_there) {
  const anemll::BuildInfo& b = anemll::build_info();
  const std::string summary = anemll::build_summary();
  for (const std::string& fact :
       {b.version, b.git, b.compiler, b.system, b.libtorch, b.mpi, b.hdf5, b.boost, b.nccl}) {
    BOOST_TEST(!fact.empty());
    BOOST_TEST(summary.find(fact) != std::string::npos);
    BOOST_TEST(fact.find('@') == std::string::npos);  // every placeholder was filled
  }
  const auto j = nlohmann::json::parse(anemll::build_json());
  BOOST_TEST(j.at("version").get<std::string>() == b.version);
  BOOST_TEST(j.at("cuda").get<bool>() == b.cuda);
  BOOST_TEST((b.nccl == "none") == !b.cuda);
}

BOOST_AUTO_TEST_SUITE_END()
