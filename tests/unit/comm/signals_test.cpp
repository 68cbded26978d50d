// The signal flag: which signals set it, how often, what a second Ctrl-C does, and how ranks share it.
#include "src/core/signals.hpp"

#include "anemll/comm/communicator.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include <boost/test/unit_test.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

/// The exit code of a child that runs `body`, or 128 and the signal that ended it.
int in_a_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(signals)

BOOST_AUTO_TEST_CASE(every_stop_sets_the_flag_again_and_again) {
  const int code = in_a_child([] {
    anemll::install_signal_flag();
    if (anemll::pending_signal() != 0) return 1;
    for (const int number : {SIGTERM, SIGHUP, SIGXCPU, SIGUSR1, SIGTERM, SIGINT}) {
      ::raise(number);  // a default action would end the child here
      if (anemll::pending_signal() != number) return number;
    }
    anemll::clear_pending_signal();
    ::raise(SIGUSR2);  // asks for nothing
    return anemll::pending_signal() == 0 ? 0 : 2;
  });
  BOOST_TEST(code == 0);
}

BOOST_AUTO_TEST_CASE(a_second_ctrl_c_ends_at_once_and_an_echo_of_the_first_does_not) {
  BOOST_TEST(in_a_child([] {
               anemll::install_signal_flag();
               ::raise(SIGINT);
               ::raise(SIGINT);  // timeout(1) sends one signal twice
               return 7;
             }) == 7);
  BOOST_TEST(in_a_child([] {
               anemll::install_signal_flag();
               ::raise(SIGINT);
               std::this_thread::sleep_for(250ms);
               ::raise(SIGINT);
               return 7;
             }) == 128 + SIGINT);
  BOOST_TEST(in_a_child([] {
               anemll::install_signal_flag();
               ::raise(SIGTERM);
               std::this_thread::sleep_for(250ms);
               ::raise(SIGTERM);
               ::raise(SIGINT);  // the first of its kind
               return 7;
             }) == 7);
}

BOOST_AUTO_TEST_CASE(what_was_ignored_or_blocked_at_the_start) {
  BOOST_TEST(in_a_child([] {
               ::signal(SIGHUP, SIG_IGN);  // nohup
               ::signal(SIGINT, SIG_IGN);  // a job in the background of a script
               sigset_t all;
               sigfillset(&all);
               ::sigprocmask(SIG_BLOCK, &all, nullptr);
               anemll::install_signal_flag();
               ::raise(SIGHUP);
               if (anemll::pending_signal() != 0) return 1;
               ::raise(SIGINT);
               return anemll::pending_signal() == SIGINT ? 0 : 2;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(what_a_program_is_for_decides_about_readers) {
  const auto write_without_reader = [](anemll::ProgramKind kind, int broken) {
    return in_a_child([&] {
      int ends[2];
      if (::pipe(ends) != 0) return 1;
      ::close(ends[0]);
      ::dup2(ends[1], broken);
      anemll::prepare_signals(kind);
      return ::write(broken, "x", 1) < 0 ? 7 : 8;
    });
  };
  BOOST_TEST(write_without_reader(anemll::ProgramKind::maker, STDOUT_FILENO) == 7);
  BOOST_TEST(write_without_reader(anemll::ProgramKind::maker, STDERR_FILENO) == 7);
  BOOST_TEST(write_without_reader(anemll::ProgramKind::filter, STDOUT_FILENO) == 0);
  // The result has its reader; only the log has none.
  BOOST_TEST(write_without_reader(anemll::ProgramKind::filter, STDERR_FILENO) == 7);
  BOOST_TEST(in_a_child([] {
               anemll::prepare_signals(anemll::ProgramKind::filter);
               ::raise(SIGTERM);
               return 7;
             }) == 128 + SIGTERM);
  // In a dialogue Ctrl-C is remembered, however often it comes.
  BOOST_TEST(in_a_child([] {
               anemll::prepare_signals(anemll::ProgramKind::dialogue);
               ::raise(SIGINT);
               ::raise(SIGINT);
               return anemll::pending_signal() == SIGINT ? 7 : 8;
             }) == 7);
}

BOOST_AUTO_TEST_CASE(work_is_left_with_75) {
  BOOST_TEST(in_a_child([] {
               anemll::install_signal_flag();
               anemll::leave_on_signal("counting", "count again");
               ::raise(SIGXCPU);
               try {
                 anemll::leave_on_signal("counting", "count again");
               } catch (const anemll::StopError& stop) {
                 const bool right = stop.signal() == SIGXCPU && stop.hint() == "count again" &&
                                    stop.problem() == "signal 24 (SIGXCPU) while counting";
                 return right ? static_cast<int>(stop.code()) : 1;
               }
               return 2;
             }) == 75);
}

BOOST_AUTO_TEST_CASE(ranks_leave_together) {
  BOOST_TEST(in_a_child([] {
               anemll::install_signal_flag();
               std::atomic<int> left{0};
               anemll::run_local_ranks(3, [&](anemll::Communicator& comm) {
                 anemll::leave_together(comm, "counting", "");
                 comm.barrier();
                 if (comm.is_root())
                   ::raise(SIGTERM);  // the flag is the process's, which all ranks share here
                 comm.barrier();
                 try {
                   anemll::leave_together(comm, "counting", "");
                 } catch (const anemll::StopError& stop) {
                   left += stop.signal() == SIGTERM ? 1 : 100;
                 }
               });
               return left.load();
             }) == 3);
}

BOOST_AUTO_TEST_SUITE_END()
