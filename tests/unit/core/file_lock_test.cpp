// One holder at a time, in this process and in others; death releases.
#include "src/core/file_lock.hpp"

#include "anemll/core/error.hpp"
#include "src/core/lock_holder.hpp"
#include "tests/support/temp_dir.hpp"

#include <csignal>
#include <filesystem>

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>
#include <unistd.h>

using anemll::FileLock;

BOOST_AUTO_TEST_SUITE(core_file_lock)

BOOST_AUTO_TEST_CASE(one_holder_at_a_time) {
  const anemll::test::TempDir dir;
  FileLock second;
  {
    FileLock first;
    BOOST_TEST(first.take(dir / "a"));
    BOOST_TEST(!second.take(dir / "a"));
    BOOST_TEST(second.take(dir / "b"));
    BOOST_TEST(first.take(dir / "a"));  // once more by its holder
  }
  BOOST_TEST(second.take(dir / "a"));
  FileLock third;
  BOOST_TEST(third.take(dir / "b"));  // given up for another
  second.release();
  BOOST_TEST(third.take(dir / "a"));
  BOOST_TEST(std::filesystem::exists(dir / "a"));
}

BOOST_AUTO_TEST_CASE(a_killed_process_holds_nothing) {
  const anemll::test::TempDir dir;
  int ready[2];
  BOOST_REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // should the test die first
    FileLock lock;
    const char told = lock.take(dir / "a") ? 'y' : 'n';
    if (::write(ready[1], &told, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char told = 0;
  BOOST_REQUIRE(::read(ready[0], &told, 1) == 1);
  BOOST_TEST(told == 'y');
  FileLock lock;
  BOOST_TEST(!lock.take(dir / "a"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  BOOST_TEST(lock.take(dir / "a"));
  ::close(ready[0]);
  ::close(ready[1]);
}

BOOST_AUTO_TEST_CASE(a_look_finds_the_holder_and_leaves_the_lock) {
  const anemll::test::TempDir dir;
  BOOST_TEST(!anemll::lock_holder(dir / "a").has_value());
  FileLock lock;
  BOOST_TEST(lock.take(dir / "a"));
  const auto holder = anemll::lock_holder(dir / "a");
  // Some file systems have other numbers in the system's list than a file itself.
  BOOST_TEST((!holder || *holder == ::getpid()));
  BOOST_TEST(!anemll::lock_holder(dir / "b").has_value());
  lock.release();
  BOOST_TEST(!anemll::lock_holder(dir / "a").has_value());
}

BOOST_AUTO_TEST_CASE(a_lock_that_cannot_be_made) {
  const anemll::test::TempDir dir;
  FileLock lock;
  BOOST_CHECK_EXCEPTION((void)lock.take(dir / "none" / "a"), anemll::Error, [](const anemll::Error& e) {
    return e.code() == anemll::ExitCode::data && !e.where().empty() && !e.hint().empty();
  });
}

BOOST_AUTO_TEST_SUITE_END()
