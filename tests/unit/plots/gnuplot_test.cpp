// Pictures: what gnuplot is told, that names cannot tell it anything, how its end is taken; and one drawn by
// it.
#include "src/plots/gnuplot.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;

Chart small_chart() {
  Chart chart;
  chart.title = "it's `date` $x @y";
  chart.x_label = "step";
  chart.panels.push_back({"loss", {{"a_b", {{0, 1}, {5, 2}}}, {"none", {}}}});
  return chart;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// PATH with one folder while it lives, in which `gnuplot` is a script.
class FakeGnuplot {
 public:
  explicit FakeGnuplot(const std::string& script) {
    const char* path = std::getenv("PATH");
    before_ = path != nullptr ? path : "";
    if (!script.empty()) {
      write_file(dir_ / "gnuplot", "#!/bin/sh\n" + script + "\n");
      fs::permissions(dir_ / "gnuplot", fs::perms::owner_all);
    }
    ::setenv("PATH", dir_.path().c_str(), 1);
  }
  ~FakeGnuplot() { ::setenv("PATH", before_.c_str(), 1); }
  FakeGnuplot(const FakeGnuplot&) = delete;
  FakeGnuplot& operator=(const FakeGnuplot&) = delete;

 private:
  TempDir dir_;
  std::string before_;
};

auto says(ExitCode code, const std::string& part) {
  return [=](const Error& e) { return e.code() == code && has(e.what(), part); };
}

boost::test_tools::assertion_result has_gnuplot(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result answer(find_gnuplot().has_value());
  answer.message() << "gnuplot is not installed: apt-get install gnuplot-nox";
  return answer;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plots_gnuplot)

BOOST_AUTO_TEST_CASE(names_are_text_and_nothing_else) {
  const std::string script = gnuplot_script(small_chart(), PictureFormat::png, {}, "/tmp/it's.png");
  BOOST_TEST(has(script, "set output '/tmp/it''s.png'\n"), script);
  BOOST_TEST(has(script, "set title 'it''s `date` $x @y: loss'\n"), script);
  BOOST_TEST(has(script, "noenhanced"));
  BOOST_TEST(has(script, "title 'a_b'"));
  BOOST_TEST(has(script, "$p0_0 << END\n0 1\n5 2\nEND\n"), script);
  BOOST_TEST(!has(script, "title 'none'"));  // gnuplot refuses what has no points
  Chart chart = small_chart();
  chart.panels[0].lines[0].label = "x\nset output 'gone'";
  BOOST_TEST(!has(gnuplot_script(chart, PictureFormat::png, {}, "p"), "\nset output 'gone"));
}

BOOST_AUTO_TEST_CASE(the_grid_and_the_axes_are_told) {
  Chart chart = small_chart();
  const std::string script = gnuplot_script(chart, PictureFormat::svg, {0.1, 1, 0.5}, "p");
  BOOST_TEST(has(script, "set terminal svg"));
  BOOST_TEST(has(script, "set ytics 1\nset mytics 2\n"), script);
  BOOST_TEST(has(script, "set y2tics 0.1 "), script);
  BOOST_TEST(!has(script, "logscale"));
  BOOST_TEST(has(script, "set yrange [0<*:*]\n"), script);  // a loss is never negative
  chart.panels[0].lines[0].points[0].y = -1;
  BOOST_TEST(has(gnuplot_script(chart, PictureFormat::svg, {}, "p"), "set yrange [*:*]\n"));
  chart = small_chart();
  chart.log_y = chart.log_x = true;
  const std::string logarithmic = gnuplot_script(chart, PictureFormat::svg, {}, "p");
  BOOST_TEST(has(logarithmic, "set logscale x\nset logscale y\n"), logarithmic);
  BOOST_TEST(has(logarithmic, "set ytics ('1.5' 1.5, '2.0' 2, '2.5' 2.5, '3.0' 3)\n"), logarithmic);
  BOOST_TEST(has(logarithmic, "<< END\n\n5 2\nEND"), logarithmic);  // step 0 has no place
}

BOOST_AUTO_TEST_CASE(a_point_alone_is_marked) {
  Chart chart = small_chart();
  BOOST_TEST(!has(gnuplot_script(chart, PictureFormat::svg, {}, "p"), "with points"));
  chart.panels[0].lines[0].points.resize(1);
  BOOST_TEST(has(gnuplot_script(chart, PictureFormat::svg, {}, "p"), "with points"));
}

BOOST_AUTO_TEST_CASE(the_kind_of_a_picture) {
  BOOST_TEST((picture_format("a.PNG", PictureFormat::automatic) == PictureFormat::png));
  BOOST_TEST((picture_format("a.svg", PictureFormat::automatic) == PictureFormat::svg));
  BOOST_TEST((picture_format("a.png", PictureFormat::svg) == PictureFormat::svg));
  for (const char* name : {"a", "a.jpg", "png"})
    BOOST_CHECK_EXCEPTION(picture_format(name, PictureFormat::automatic), Error,
                          says(ExitCode::usage, "--format"));
}

BOOST_AUTO_TEST_CASE(a_gnuplot_that_is_missing_is_asked_for_by_name) {
  const FakeGnuplot none("");
  BOOST_TEST(!find_gnuplot().has_value());
  const TempDir dir;
  BOOST_CHECK_EXCEPTION(draw_picture(small_chart(), PictureFormat::png, {}, dir / "a.png"), Error,
                        says(ExitCode::usage, "apt-get install gnuplot-nox"));
}

BOOST_AUTO_TEST_CASE(a_gnuplot_that_fails_leaves_nothing) {
  const TempDir dir;
  const fs::path file = dir / "a.png";
  for (const auto& [script, said] :
       {std::pair{"echo broken >&2; exit 3", "gnuplot ends with 3; it says: broken"},
        std::pair{"exit 0", "gnuplot ends with 0; it says nothing"},
        std::pair{"kill -9 $$", "gnuplot ends with 137"}}) {
    const FakeGnuplot fake(script);
    BOOST_CHECK_EXCEPTION(draw_picture(small_chart(), PictureFormat::png, {}, file), Error,
                          says(ExitCode::data, said));
    BOOST_TEST(fs::is_empty(dir.path()));
  }
}

BOOST_AUTO_TEST_CASE(another_file_is_not_replaced) {
  const TempDir dir;
  const FakeGnuplot fake("exit 0");
  write_file(dir / "model.png", "weights of somebody");
  fs::create_directories(dir / "folder.png");
  for (const char* name : {"model.png", "folder.png"})
    BOOST_CHECK_EXCEPTION(draw_picture(small_chart(), PictureFormat::png, {}, dir / name), Error,
                          says(ExitCode::data, "is no picture"));
  BOOST_TEST(read_text(dir / "model.png") == "weights of somebody");
}

BOOST_AUTO_TEST_CASE(pictures_are_drawn, *boost::unit_test::precondition(has_gnuplot)) {
  const TempDir dir;
  Chart chart = small_chart();
  chart.panels.push_back({"empty", {{"nothing", {}}}});
  chart.panels[0].lines[0].marked = true;
  draw_picture(chart, PictureFormat::png, {0.1, 1, 0.5}, dir / "new folder/a.png");
  BOOST_TEST(read_text(dir / "new folder/a.png").starts_with("\x89PNG"));
  const fs::path file = dir / "it's.svg";
  draw_picture(chart, PictureFormat::svg, {}, file);
  draw_picture(chart, PictureFormat::svg, {}, file);  // a picture is replaced
  const std::string svg = read_text(file);
  BOOST_TEST(has(svg, "</svg>"));
  BOOST_TEST(has(svg, "a_b"));
  BOOST_TEST(has(svg, "`date` $x @y"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
