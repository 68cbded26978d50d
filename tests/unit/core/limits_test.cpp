// What the system allows a process: control groups of both versions, and the number of threads that follows.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/content_digest.hpp"
#include "src/core/internal/cgroup.hpp"
#include "src/core/memory.hpp"
#include "src/core/platform.hpp"
#include "src/core/threads.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

/// A root folder with the given files.
struct Root {
  test::TempDir dir;
  void put(const std::string& path, const std::string& text) const {
    fs::create_directories((dir / path).parent_path());
    write_file(dir / path, text);
  }
  CgroupLimits limits() const { return read_cgroup_limits(dir.path()); }
};

ProcessorLimits machine(int affinity, std::optional<double> quota = {}, bool bound = false) {
  return {affinity, bound, quota};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(version_2_takes_the_smallest_around_the_group) {
  const Root root;
  root.put("proc/self/cgroup", "0::/slice/job\n");
  root.put("sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
  root.put("sys/fs/cgroup/slice/job/cpu.max", "max 100000\n");
  root.put("sys/fs/cgroup/slice/job/memory.max", "1073741824\n");
  root.put("sys/fs/cgroup/slice/memory.max", "max\n");
  BOOST_TEST(root.limits().processors.value() == 1.5);
  BOOST_TEST(root.limits().memory_bytes.value() == 1073741824u);
  root.put("sys/fs/cgroup/cpu.max", "50000 100000\n");  // as a container sees its own group
  BOOST_TEST(root.limits().processors.value() == 0.5);
}

BOOST_AUTO_TEST_CASE(version_1_by_either_name_of_the_folder) {
  for (const char* folder : {"cpu,cpuacct", "cpu"}) {
    const Root root;
    root.put("proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n");
    root.put(std::string("sys/fs/cgroup/") + folder + "/cpu.cfs_quota_us", "200000\n");
    root.put(std::string("sys/fs/cgroup/") + folder + "/cpu.cfs_period_us", "100000\n");
    root.put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "536870912\n");
    BOOST_TEST(root.limits().processors.value() == 2.0);
    BOOST_TEST(root.limits().memory_bytes.value() == 536870912u);
  }
}

BOOST_AUTO_TEST_CASE(no_limit_is_no_limit) {
  const Root root;
  BOOST_TEST(!root.limits().processors.has_value());
  root.put("proc/self/cgroup", "3:cpu:/\n4:memory:/\n0::/../../other\nodd line\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  root.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.put("sys/fs/cgroup/cpu.max", "max 100000\n");
  root.put("sys/fs/cgroup/memory.max", "nonsense\n");
  BOOST_TEST(!root.limits().processors.has_value());
  BOOST_TEST(!root.limits().memory_bytes.has_value());
  BOOST_TEST(processor_limits().affinity >= 1);
  BOOST_TEST(!root.limits().memory_available.has_value());
  BOOST_TEST(physical_memory_bytes() > 0u);
}

BOOST_AUTO_TEST_CASE(pages_of_files_are_room_in_a_group) {
  const Root root;
  root.put("proc/self/cgroup", "0::/job\n4:memory:/job\n");
  root.put("sys/fs/cgroup/job/memory.max", "1000000\n");
  BOOST_TEST(root.limits().memory_available.value() == 1000000u);  // it does not say what is used
  root.put("sys/fs/cgroup/job/memory.current", "700000\n");
  BOOST_TEST(root.limits().memory_available.value() == 300000u);
  root.put("sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 100000\nactive_file 200000\n");
  BOOST_TEST(root.limits().memory_available.value() == 600000u);
  // Another group around it is tighter, by the other interface.
  root.put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "900000\n");
  root.put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "850000\n");
  root.put("sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 30000\ntotal_active_file 0\n");
  BOOST_TEST(root.limits().memory_bytes.value() == 900000u);
  BOOST_TEST(root.limits().memory_available.value() == 80000u);
  root.put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "2000000\n");  // just lowered
  BOOST_TEST(root.limits().memory_available.value() == 0u);
}

BOOST_AUTO_TEST_CASE(the_memory_of_a_host_is_the_tightest_of_machine_and_group) {
  const Root root;
  root.put("proc/meminfo", "MemTotal:       4000 kB\nMemFree:  10 kB\nMemAvailable:   3000 kB\n");
  BOOST_TEST(host_memory(root.dir.path()).limit == 4000u * 1024);
  BOOST_TEST(host_memory(root.dir.path()).available == 3000u * 1024);
  root.put("proc/self/cgroup", "0::/job\n");
  root.put("sys/fs/cgroup/job/memory.max", "2048000\n");
  root.put("sys/fs/cgroup/job/memory.current", "1024000\n");
  BOOST_TEST(host_memory(root.dir.path()).limit == 2048000u);
  BOOST_TEST(host_memory(root.dir.path()).available == 1024000u);
  const HostMemory here = host_memory();
  BOOST_TEST(here.limit > 0u);
  BOOST_TEST(here.available <= here.limit);
}

BOOST_AUTO_TEST_CASE(others_that_hold_memory_are_named) {
  const Root root;
  root.put("proc/self/status", "Name:\tme\nVmRSS:\t 900 kB\nRssAnon:\t 300 kB\nRssShmem:\t 8 kB\n");
  BOOST_TEST(held_memory_bytes(root.dir.path()) == 308u * 1024);
  root.put("proc/12/status", "Name:\tpython3\nVmRSS:\t 90000 kB\nRssAnon:\t 80000 kB\n");
  root.put("proc/7/status", "Name:\tanemll_train\nVmRSS:\t 500000 kB\n");
  root.put("proc/99/status", "Name:\tsh\nRssAnon:\t 100 kB\n");
  root.put("proc/2/status", "Name:\tkthreadd\n");
  root.put("proc/31/status", "Name:\tours\nRssAnon:\t 700000 kB\n");
  fs::create_directories(root.dir / "proc/44");  // gone between two looks
  root.put("proc/meminfo", "MemTotal: 1 kB\n");
  const std::vector<std::int64_t> own = {31};
  const auto holders = memory_holders(own, 1024 * 1024, root.dir.path());
  BOOST_REQUIRE_EQUAL(holders.size(), 2u);
  BOOST_TEST(holders[0].process == 7);
  BOOST_TEST(holders[0].bytes == 500000u * 1024);
  BOOST_TEST(holders[1].name == "python3");
  BOOST_TEST(holders[1].bytes == 80000u * 1024);
  BOOST_TEST(memory_holders({}, 1, root.dir / "nothing").empty());
  BOOST_TEST(held_memory_bytes(root.dir / "nothing") == 0u);
}

BOOST_AUTO_TEST_CASE(threads_by_flag_then_variable_then_share) {
  BOOST_TEST(choose_threads(3, "2", 2, machine(8)).threads == 3);
  BOOST_TEST(choose_threads(3, "2", 2, machine(8)).reason == "--threads");
  BOOST_TEST(choose_threads(0, "2", 2, machine(8)).threads == 2);
  BOOST_TEST(choose_threads(0, "2", 2, machine(8)).reason == "OMP_NUM_THREADS");
  BOOST_TEST(choose_threads(0, "4,2", 1, machine(8)).threads == 4);
  BOOST_TEST(choose_threads(0, nullptr, 2, machine(8)).threads == 4);
  BOOST_TEST(choose_threads(0, "", 3, machine(8)).threads == 2);
  BOOST_TEST(choose_threads(0, nullptr, 16, machine(8)).threads == 1);
  BOOST_TEST(choose_threads(0, nullptr, 2, machine(8)).reason == "8 usable processors for 2 ranks");
  BOOST_TEST(choose_threads(0, nullptr, 8, machine(2)).reason ==
             "2 usable processors for 8 ranks, which take turns: 2 ranks would be faster and need 25% of the "
             "memory");
}

BOOST_AUTO_TEST_CASE(quotas_and_bound_ranks) {
  BOOST_TEST(choose_threads(0, nullptr, 1, machine(64, 2.0)).threads == 2);
  BOOST_TEST(choose_threads(0, nullptr, 1, machine(64, 2.7)).threads == 2);
  BOOST_TEST(choose_threads(0, nullptr, 1, machine(64, 0.5)).threads == 1);
  BOOST_TEST(choose_threads(0, nullptr, 2, machine(64, 8.0)).threads == 4);
  BOOST_TEST(choose_threads(0, nullptr, 1, machine(64, 2.0)).reason == "a CPU quota of 2");
  BOOST_TEST(choose_threads(0, nullptr, 1, machine(2, 16.0)).threads == 2);
  BOOST_TEST(choose_threads(0, nullptr, 4, machine(8, {}, true)).threads ==
             8);  // each rank has its own eight
  BOOST_TEST(choose_threads(0, "3", 1, machine(64, 8.0)).threads == 3);
}

BOOST_AUTO_TEST_CASE(odd_numbers_of_threads_are_told) {
  for (const char* odd : {"0", "-1", "two", "99999999999", "2x"}) {
    const ThreadChoice choice = choose_threads(0, odd, 1, machine(2));
    BOOST_TEST(choice.threads == 2, odd);
    BOOST_TEST(choice.warning.find("OMP_NUM_THREADS") != std::string::npos, odd);
  }
  BOOST_TEST(choose_threads(2, nullptr, 1, machine(2)).warning.empty());
  BOOST_TEST(!choose_threads(4, nullptr, 1, machine(2)).warning.empty());
  BOOST_TEST(!choose_threads(2, nullptr, 2, machine(2)).warning.empty());
  BOOST_TEST(!choose_threads(0, "8", 1, machine(64, 2.0)).warning.empty());
  BOOST_TEST(choose_threads(0, "1", 2, machine(2)).warning.empty());
}

BOOST_AUTO_TEST_CASE(content_digests_see_every_byte_of_small_files) {
  const test::TempDir one, two;
  for (const auto* dir : {&one, &two}) {
    write_file(*dir / "a", std::string(100000, 'a'));
    write_file(*dir / "b", "");
  }
  const auto digest = [](const test::TempDir& dir) {
    const std::vector<fs::path> files = {dir / "a", dir / "b"};
    return content_digest(files);
  };
  BOOST_TEST(digest(one) == digest(two));
  std::string changed(100000, 'a');
  changed[77777] = 'b';
  write_file(two / "a", changed);
  BOOST_TEST(digest(one) != digest(two));
  const std::vector<fs::path> missing = {one / "c"};
  BOOST_CHECK_THROW(content_digest(missing), Error);
}

BOOST_AUTO_TEST_CASE(content_digests_sample_large_files) {
  const test::TempDir dir;
  const std::uint64_t bytes = std::uint64_t{80} << 20;  // sparse: takes no room
  write_file(dir / "large", "");
  fs::resize_file(dir / "large", bytes);
  const std::vector<fs::path> files = {dir / "large"};
  const std::string before = content_digest(files);
  fs::resize_file(dir / "large", bytes + 1);
  BOOST_TEST(content_digest(files) != before);
  fs::resize_file(dir / "large", bytes);
  BOOST_TEST(content_digest(files) == before);
}

BOOST_AUTO_TEST_SUITE_END()
