// What a message tells for pasting, and what a shell and Python then see.
#include "src/core/shell_word.hpp"

#include "anemll/core/file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/merge_advice.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

const std::string kNames[] = {"run a",
                              "it's \"mine\"",
                              "$HOME `ls` \\ 100%",
                              "a;b&c|d>e<f(g)",
                              "*.arrow",
                              "~",
                              "#1!",
                              "{a,b}",
                              "caf\xc3\xa9",
                              "two\nlines\x1b[2J",
                              "caf\xe9's \\ tab\t",
                              "\xc2\x9b"
                              "31m",
                              "plain/name-1.pt",
                              "a=b:c,d+e@f_g",
                              ""};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_shell_word)

BOOST_AUTO_TEST_CASE(plain_paths_stay_as_they_are) {
  for (const char* plain : {"/runs/a-1/best_state_dict.pt", "org/name", "a=b:c,d+e@f_g"})
    BOOST_TEST(shell_word(plain) == plain);
  BOOST_TEST(shell_word("run a") == "'run a'");
  BOOST_TEST(shell_word("it's") == "'it'\\''s'");
  BOOST_TEST(shell_word("") == "''");
  BOOST_TEST(shell_word("a\nb'c") == "$'a\\x0Ab\\'c'");
}

BOOST_AUTO_TEST_CASE(a_shell_sees_the_name_itself) {
  const test::TempDir dir;
  std::string script, want;
  for (const std::string& name : kNames) {
    script += "printf '%s|' " + shell_word(name) + "\n";
    want += name + "|";
  }
  write_file(dir / "script", script);
  BOOST_TEST(test::run("bash " + (dir / "script").string()).output == want);
}

BOOST_AUTO_TEST_CASE(python_sees_the_name_itself) {
  if (test::run("python3 -c 'import os'").code != 0) return;
  const test::TempDir dir;
  std::string script, want;
  for (const std::string& name : kNames) {
    const std::string code = "import os,sys; sys.stdout.buffer.write(os.fsencode(" + python_text(name) + "))";
    script += "python3 -X utf8 -c " + shell_word(code) + "\nprintf '|'\n";
    want += name + "|";
  }
  write_file(dir / "script", script);
  BOOST_TEST(test::run("bash " + (dir / "script").string()).output == want);
}

BOOST_AUTO_TEST_CASE(advice_about_files_can_be_pasted) {
  const std::string folder = "/m/it's a \"model\"";
  BOOST_TEST(content_advice(ContentKind::utf16, "/d/run a/FILE.txt")
                 .find("iconv -f UTF-16 -t UTF-8 '/d/run a/FILE.txt' > '/d/run a/FILE.txt.utf8'") !=
             std::string::npos);
  BOOST_TEST(content_advice(ContentKind::tar, "/d/a.tar").find("tar -xf /d/a.tar") != std::string::npos);
  BOOST_TEST(fetch_advice("/d/run a/w.pt").find("hf download ORG/NAME w.pt --local-dir '/d/run a' --force") !=
             std::string::npos);
  BOOST_TEST(merge_advice(folder).find("'\\''s a \\\"model\\\"") != std::string::npos, merge_advice(folder));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
