// What the tests of this room share: small files, whole readings, and errors with a hint.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/datasets/dataset.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

/// Options that keep the order of the file.
inline DatasetOptions in_order(const std::string& format = "plain") {
  DatasetOptions options;
  options.format = choice_named<RecordFormat>(format).value();
  options.shuffle = false;
  return options;
}

inline std::vector<Document> drain(Dataset& dataset) {
  std::vector<Document> out;
  while (auto document = dataset.next()) out.push_back(std::move(*document));
  return out;
}

inline std::vector<Document> read_all(const std::filesystem::path& path, const DatasetOptions& options) {
  return drain(*Dataset::open(path, options));
}

inline std::vector<std::string> texts(const std::vector<Document>& documents) {
  std::vector<std::string> out;
  for (const Document& document : documents) out.push_back(document.text);
  return out;
}

/// "role=content|role=content".
inline std::string flat(const Document& document) {
  std::string out;
  for (const ChatMessage& message : document.messages)
    out += (out.empty() ? "" : "|") + message.role + "=" + message.content;
  return out;
}

/// Not synced, unlike write_file: these tests write thousands of files.
inline void write(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << text;
  BOOST_REQUIRE(file.flush().good());
}

/// Runs `act`, which must throw an Error of `code` with a hint and every one of `parts` in its text.
template <typename Act>
void expect_error(ExitCode code, const std::vector<std::string>& parts, Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    const std::string text = error.what();
    BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(code), text);
    BOOST_TEST(!error.hint().empty(), "no hint: " << text);
    for (const std::string& part : parts)
      BOOST_TEST(text.find(part) != std::string::npos, "'" << part << "' is not in: " << text);
    return;
  }
  BOOST_ERROR("nothing was thrown");
}

template <typename Act>
void expect_data_error(const std::vector<std::string>& parts, Act&& act) {
  expect_error(ExitCode::data, parts, act);
}

}  // namespace anemll::test
