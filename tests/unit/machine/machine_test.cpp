// Facts out of files of a made-up system, and what is never told.
#include "src/machine/machine.hpp"

#include "anemll/core/file.hpp"
#include "src/machine/internal/facts.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;

/// "absent" where the group has no such fact.
std::string fact(const FactGroup& group, const std::string& name) {
  const auto found = std::ranges::find_if(group.facts, [&](const auto& one) { return one.first == name; });
  return found == group.facts.end() ? "absent" : found->second;
}

void put(const TempDir& root, const std::string& file, const std::string& text) {
  fs::create_directories((root / file).parent_path());
  write_file(root / file, text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(machine)

BOOST_AUTO_TEST_CASE(processors_are_told_with_the_instructions_that_count) {
  const TempDir root;
  put(root, "proc/cpuinfo",
      "processor\t: 0\nmodel name\t: A Chip 9000\nflags\t\t: fpu avx2 fma avx512_bf16x\n");
  put(root, "proc/loadavg", "1.25 1.00 0.50 1/99 7\n");
  const FactGroup group = processor_facts(root.path());
  BOOST_TEST(fact(group, "model") == "A Chip 9000");
  BOOST_TEST(fact(group, "instructions") == "fma avx2");
  BOOST_TEST(fact(group, "load") == "1.25");
  const TempDir nothing;
  BOOST_TEST(fact(processor_facts(nothing.path()), "model") == "absent");
}

BOOST_AUTO_TEST_CASE(the_system_is_told_by_its_own_name) {
  const TempDir root;
  put(root, "etc/os-release", "ID=x\nPRETTY_NAME=\"An OS 12\"\n");
  BOOST_TEST(fact(system_facts(root.path()), "distribution") == "An OS 12");
  BOOST_TEST(fact(system_facts(root.path()), "container") == "no sign of one");
  put(root, ".dockerenv", "");
  BOOST_TEST(fact(system_facts(root.path()), "container") == "yes");
}

BOOST_AUTO_TEST_CASE(a_disk_is_told_with_the_mount_nearest_to_the_folder) {
  const TempDir root;
  const std::string here = fs::canonical(root.path()).string();
  put(root, "proc/self/mounts",
      "a / ext4 rw 0 0\nb " + here + " nfs4 rw 0 0\nc " + here + "-else xfs rw 0 0\n");
  const FactGroup group = disk_facts({{"here", root.path()}, {"nowhere", "/no/such/folder"}}, root.path());
  BOOST_REQUIRE(group.facts.size() == 1u);
  BOOST_TEST(group.facts[0].second.ends_with(", nfs4"));
  BOOST_TEST(group.facts[0].second.find(" free of ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(libraries_are_told_with_their_real_files_and_the_missing_ones_by_name) {
  const TempDir root;
  put(root, "torch/lib/libtorch_cpu.so", "x");
  put(root, "torch/version.py", "from typing import Optional\n__version__ = '2.99.0+cu130'\ncuda = None\n");
  put(root, "lib/libmpi.so.40.30.4", "x");
  fs::create_symlink("libmpi.so.40.30.4", root / "lib/libmpi.so.40");
  const std::string place = fs::canonical(root.path()).string();
  const FactGroup group = library_facts("\tlinux-vdso.so.1 (0x1)\n\tlibtorch_cpu.so => " + place +
                                        "/torch/lib/libtorch_cpu.so (0x2)\n\tlibmpi.so.40 => " + place +
                                        "/lib/libmpi.so.40 (0x3)\n\tlibm.so.6 => /lib/libm.so.6 (0x4)\n"
                                        "\tlibnccl.so.2 => not found\n");
  BOOST_TEST(group.facts.size() == 3u);
  BOOST_TEST(fact(group, "LibTorch") == place + "/torch/lib/libtorch_cpu.so, 2.99.0+cu130");
  BOOST_TEST(fact(group, "MPI") == place + "/lib/libmpi.so.40.30.4");
  BOOST_TEST(fact(group, "libnccl.so.2").starts_with("NOT FOUND"));
  BOOST_TEST(library_facts("").facts.empty());
}

BOOST_AUTO_TEST_CASE(gpus_are_told_by_nvidia_smi_or_by_the_driver) {
  const TempDir root;
  BOOST_TEST(fact(gpu_facts("", root.path()), "NVIDIA").starts_with("no driver"));
  put(root, "proc/driver/nvidia/version",
      "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.82.07\nGCC version: 12\n");
  put(root, "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA X\nIRQ: 1\n");
  const FactGroup by_driver = gpu_facts("", root.path());
  BOOST_TEST(fact(by_driver, "driver") == "NVIDIA UNIX x86_64 Kernel Module  580.82.07");
  BOOST_TEST(fact(by_driver, "GPU 0000:01:00.0") == "NVIDIA X");
  const FactGroup listed =
      gpu_facts("0, NVIDIA X, 100 MiB, 580.82.07, 9.0, Enabled\n1, NVIDIA Y, 9 MiB\n", root.path());
  BOOST_TEST(fact(listed, "GPU 0") == "NVIDIA X, 100 MiB, 580.82.07, 9.0, Enabled");
  BOOST_TEST(fact(listed, "GPU 1") == "NVIDIA Y, 9 MiB");
  const FactGroup broken =
      gpu_facts("Failed to initialize NVML: Driver/library version mismatch\n", root.path());
  BOOST_TEST(fact(broken, "nvidia-smi") == "Failed to initialize NVML: Driver/library version mismatch");
  BOOST_TEST(fact(broken, "GPU 0000:01:00.0") == "NVIDIA X");
}

BOOST_AUTO_TEST_CASE(mpi_is_told_by_the_first_line_of_mpirun) {
  BOOST_TEST(fact(mpi_facts("", ""), "mpirun") == "not in PATH");
  BOOST_TEST(fact(mpi_facts("/bin/mpirun", "mpirun 9\n\nReport bugs\n"), "version") == "mpirun 9");
}

BOOST_AUTO_TEST_CASE(secrets_are_not_told) {
  const char* const environment[] = {"HF_TOKEN=hf_abc",
                                     "WANDB_API_KEY=0123",
                                     "HF_ENDPOINT=https://me:word@host:1/x",
                                     "https_proxy=http://me:wo@rd@host",
                                     "ANEMLL_NOTE=hf_secretvalue",
                                     "OMP_NUM_THREADS=4",
                                     "HF_HUB_OFFLINE=",
                                     "HOME=/elsewhere",
                                     "MY_PASSWORD=x",
                                     nullptr};
  const FactGroup group = variable_facts(environment);
  BOOST_TEST(fact(group, "HF_TOKEN") == "set, not shown");
  BOOST_TEST(fact(group, "WANDB_API_KEY") == "set, not shown");
  BOOST_TEST(fact(group, "ANEMLL_NOTE") == "set, not shown");
  BOOST_TEST(fact(group, "HF_ENDPOINT") == "https://...@host:1/x");
  BOOST_TEST(fact(group, "https_proxy") == "http://...@host");
  BOOST_TEST(fact(group, "OMP_NUM_THREADS") == "4");
  BOOST_TEST(fact(group, "HF_HUB_OFFLINE") == "set, empty");
  BOOST_TEST(fact(group, "HOME") == "absent");
  BOOST_TEST(fact(group, "MY_PASSWORD") == "absent");
}

BOOST_AUTO_TEST_CASE(the_text_has_a_line_for_each_fact) {
  BOOST_TEST(facts_text({{"One", {{"a", "1"}, {"long name", "2\n3"}}}, {"Two", {}}}) ==
             "One\n  a          1\n  long name  2\\x0A3\n\nTwo\n  nothing known\n");
}

BOOST_AUTO_TEST_CASE(a_program_that_is_missing_stops_nothing) {
  const auto groups = machine_facts("/no/such/program");
  BOOST_TEST(groups.size() == 9u);
  const auto libraries = std::ranges::find(groups, "Libraries", &FactGroup::title);
  BOOST_REQUIRE((libraries != groups.end()));
  BOOST_TEST(libraries->facts.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
