// Numbers in a program whose language writes them with a comma.
#include "src/core/plain_numbers.hpp"

#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "src/core/metrics_log.hpp"
#include "tests/support/temp_dir.hpp"

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// LC_NUMERIC of German while it lives.
class CommaLocale {
 public:
  CommaLocale() {
    const std::string made = dir_ / "de_DE.UTF-8";
    const int code = std::system(("localedef -i de_DE -f UTF-8 " + made + " >/dev/null 2>&1").c_str());
    ::setenv("LOCPATH", dir_.path().c_str(), 1);
    found_ = code == 0 && std::setlocale(LC_NUMERIC, "de_DE.UTF-8") != nullptr;
  }
  ~CommaLocale() {
    std::setlocale(LC_NUMERIC, "C");
    ::unsetenv("LOCPATH");
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;
  bool found() const { return found_; }

 private:
  test::TempDir dir_;
  bool found_ = false;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_plain_numbers)

BOOST_AUTO_TEST_CASE(a_comma_of_the_program_changes_no_number) {
  const CommaLocale german;
  if (!german.found()) {
    BOOST_TEST_MESSAGE("skipped: localedef cannot make de_DE.UTF-8 (apt-get install locales)");
    return;
  }
  char digits[8];
  std::snprintf(digits, sizeof digits, "%.1f", 0.5);
  BOOST_TEST_REQUIRE(std::string(digits) == "0,5");  // else the test tests nothing

  BOOST_TEST(strf("%.2f", 0.25) == "0.25");
  BOOST_TEST(JsonLine().add("loss", 0.5).text() == "{\"loss\":0.5}");
  BOOST_TEST(plain_strtod("1.5e-4", nullptr) == 1.5e-4);
  double rate = 0.25;
  OptionTable table("t", "t");
  table.add("lr", &rate, "a rate", 0, 1);
  const char* const line[] = {"t", "--lr", "0.0005"};
  (void)table.parse(3, line);
  BOOST_TEST(rate == 0.0005);

  std::snprintf(digits, sizeof digits, "%.1f", 0.5);
  BOOST_TEST(std::string(digits) == "0,5");  // the program's own numbers stay as it wants them
}

BOOST_AUTO_TEST_SUITE_END()
