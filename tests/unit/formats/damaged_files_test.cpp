// Files cut anywhere and files with one wrong byte: each must be read or refused with a data error, never
// crash. Run under the address sanitizer these sweeps also prove that nothing outside the file is read.
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/memory_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <functional>
#include <random>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

using Reader = std::function<void(const std::filesystem::path&)>;

/// Reads every element, so that a view past the end would be noticed.
void touch(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) {
    BOOST_TEST(elements(tensor).size() == static_cast<std::size_t>(tensor.numel()), name);
  }
}

void read_torch(const std::filesystem::path& path) {
  touch(flatten_tensors(read_torch_file(path)));
}
void read_safe(const std::filesystem::path& path) {
  touch(read_safetensors(path).tensors);
}

/// Whether the file was accepted; anything but success or a data error with a hint fails the test.
bool accepted(const Reader& read, const std::filesystem::path& path) {
  try {
    read(path);
    return true;
  } catch (const Error& error) {
    if (error.code() != ExitCode::data || error.hint().empty())
      BOOST_ERROR("not a helpful data error: " << error.what());
    return false;
  }
}

/// Number of proper prefixes that are accepted.
std::size_t accepted_prefixes(const Reader& read, const std::string& whole) {
  std::size_t count = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    if (accepted(read, MemoryFile(std::string_view(whole).substr(0, length)).path())) ++count;
  }
  return count;
}

/// Every byte changed once, to a value drawn from a fixed seed.
std::size_t refused_corruptions(const Reader& read, const std::string& whole) {
  std::mt19937 random(20240229);
  std::size_t count = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1 + random() % 255));
    if (!accepted(read, MemoryFile(damaged).path())) ++count;
  }
  return count;
}

const char* const kTorchFiles[] = {"module_state_dict_metadata", "legacy_format", "optimizer_state",
                                   "parameters"};

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(truncated_torch_files_are_refused) {
  for (const std::string name : kTorchFiles) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(accepted_prefixes(read_torch, load_file(golden("files/pt/" + name + ".pt"))) == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(truncated_safetensors_are_refused) {
  for (const std::string name : {"good", "good_scalar_and_empty", "good_metadata"}) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(accepted_prefixes(read_safe,
                                   load_file(golden("files/safetensors/" + name + ".safetensors"))) == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(corrupted_torch_files_do_no_harm) {
  for (const std::string name : kTorchFiles) {
    BOOST_TEST_CONTEXT(name) {
      // At least the pickle (its checksum) and the directory are vital.
      BOOST_TEST(refused_corruptions(read_torch, load_file(golden("files/pt/" + name + ".pt"))) > 200u);
    }
  }
}

BOOST_AUTO_TEST_CASE(corrupted_safetensors_do_no_harm) {
  for (const std::string name : {"good", "good_scalar_and_empty", "good_metadata"}) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(refused_corruptions(read_safe,
                                     load_file(golden("files/safetensors/" + name + ".safetensors"))) > 60u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
