// Refusals of readers, for one test a room: each is provoked once, and names the file, the field or place in
// it, its value, and a command or setting that gets the user on. They are rows of a table (check_refusals),
// or come up in the other tests of the program (helps). The messages of a room's sources are listed by
// reading the sources: a message that nothing provokes is an error.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

struct Refusal {
  std::string field;  ///< or the place in the file
  std::string value;  ///< of the field, as it is there
  std::function<void(const TempDir&)> act;
};

/// A flag, or a command with what it is for.
inline const std::regex& way_on() {
  static const std::regex way(
      R"(--[a-z_-]+|\b(git lfs|git annex|iconv|gzip|zstd|bzip2|xz|lz4|sed -n|head -c|tail -c|ls|rm|mv|tar|split -C|rename|python3|unzip|unrar|7z|sqlite3|pdftotext|soffice|hf download|torch\.save|save_pretrained|anemll_[a-z]+)\b|known are|0 keeps|write NAME:SHARE|(HF|TRANSFORMERS)_[A-Z_]+|ORG/NAME)");
  return way;
}

/// What `helps` has heard in this program.
inline std::string& heard() {
  static std::string all;
  return all;
}

/// For the helpers of tests that expect one data error: it names the file, and a way on.
inline bool helps(const Error& error) {
  heard().append(error.where()).append(": ").append(error.problem()).append("\n");
  const bool good = !error.where().empty() && std::regex_search(error.hint(), way_on());
  BOOST_TEST(good, "no file or no way on: " << error.what());
  return good;
}

/// What all of them say, one after the other.
inline std::string check_refusals(const std::vector<Refusal>& refusals) {
  std::string all;
  std::size_t number = 0;
  for (const Refusal& one : refusals) {
    const TempDir folder;
    BOOST_TEST_CONTEXT("refusal " << ++number << ": " << one.field << ", " << one.value) {
      try {
        one.act(folder);
        BOOST_ERROR("nothing was refused");
      } catch (const Error& error) {
        const std::string text = error.where() + ": " + error.problem();
        const bool named = error.where().find(folder.path().string()) != std::string::npos ||
                           error.where().starts_with("--") || error.where() == "the text";
        BOOST_TEST(named, "the file: " << text);
        BOOST_TEST(text.find(one.field) != std::string::npos, "the field: " << text);
        BOOST_TEST(text.find(one.value) != std::string::npos, "the value: " << text);
        BOOST_TEST(std::regex_search(error.hint(), way_on()), "the way on: " << error.what());
        all.append(text).append("\n");
      }
    }
  }
  return all;
}

/// The longest piece without a number or name of the message of each refusal in a source. The message is the
/// first argument; of a call "fail" with three arguments (key, message, hint) the second.
inline std::set<std::string> messages_of_source(const std::string& source) {
  static const std::regex kCall(
      R"(\b(throw_data|throw_bad_record|throw_usage|bad_text_file|bad_value|bad|fail|wrong_type|unsupported|contradiction|complain_?|fail_)\()");
  std::set<std::string> out;
  for (auto at = std::sregex_iterator(source.begin(), source.end(), kCall); at != std::sregex_iterator();
       ++at) {
    std::vector<std::string> longest(1);
    std::string text;
    bool quoted = false;
    const auto keep = [&](const std::string& piece) {
      if (piece.size() > longest.back().size()) longest.back() = piece;
    };
    const auto keep_pieces = [&] {
      for (std::size_t from = 0; from <= text.size();) {
        const std::size_t percent = std::min(text.find('%', from), text.size());
        keep(text.substr(from, percent - from));
        from = percent == text.size() ? percent + 1
                                      : std::min(text.find_first_of("sdufcxg", percent), text.size()) + 1;
      }
      text.clear();
    };
    std::size_t i = static_cast<std::size_t>(at->position() + at->length());
    for (int depth = 0; i < source.size(); ++i) {
      const char c = source[i];
      if (quoted && c == '\\') {
        text += source[++i];
      } else if (c == '"') {
        if (quoted) keep_pieces();
        quoted = !quoted;
      } else if (quoted) {
        text += c;
      } else if (c == '\'') {
        i += source[i + 1] == '\\' ? 3U : 2U;  // a character
      } else if (c == '(' || c == '{') {
        ++depth;
      } else if (c == ')' || c == '}') {
        if (depth-- == 0) break;
      } else if (c == ',' && depth == 0) {
        longest.emplace_back();
      } else if (c == ';') {
        break;
      }
    }
    constexpr std::size_t kLeast = 8;  // shorter ones tie others together
    const std::string& message = at->str(1) == "fail" && longest.size() == 3 ? longest[1] : longest[0];
    if (message.size() >= kLeast) out.insert(message);
  }
  return out;
}

/// Each message of the sources that `mine` says belong to the test is in `all`, or out of reach for a reason.
inline void check_every_message(const std::string& all, const std::filesystem::path& sources,
                                const std::map<std::string, std::string>& out_of_reach,
                                const std::function<bool(const std::string&)>& mine) {
  std::size_t messages = 0;
  for (const auto& entry : std::filesystem::directory_iterator(sources)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || !mine(name)) continue;
    for (const std::string& message : messages_of_source(read_text(entry.path()))) {
      ++messages;
      const bool provoked = all.find(message) != std::string::npos || out_of_reach.contains(message);
      BOOST_TEST(provoked, name << ": no row provokes '" << message << "'");
    }
  }
  BOOST_TEST(messages > 0U);
  BOOST_TEST_MESSAGE(messages << " messages in " << sources.string());
}

}  // namespace anemll::test
