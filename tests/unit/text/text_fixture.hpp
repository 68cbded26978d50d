// Golden cases and small tokenizers for the tests of this room.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/text/internal/byte_alphabet.hpp"
#include "src/text/utf8.hpp"
#include "tests/support/refusals.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll::test {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

inline Json golden_json(const std::string& name) {
  return Json::parse(read_text(golden(name)));
}

inline std::string spelled(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) out += text::spell_byte(static_cast<unsigned char>(c));
  return out;
}

/// A vocabulary of all bytes (token id = byte) and the results of `merges`, which are pairs of byte strings.
inline TokenizerSpec byte_spec(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte)
    spec.vocabulary.push_back(spelled(std::string(1, static_cast<char>(byte))));
  for (const auto& [left, right] : merges) {
    spec.merges.emplace_back(spelled(left), spelled(right));
    spec.vocabulary.push_back(spelled(left + right));
  }
  spec.split = {SplitPattern::gpt2};
  return spec;
}

/// A tokenizer.json that is accepted; tests change one thing each.
inline Json small_tokenizer_json() {
  const TokenizerSpec spec = byte_spec({{"t", "h"}, {"th", "e"}});
  Json vocabulary = Json::object();
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) vocabulary[spec.vocabulary[id]] = id;
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens",
           {{{"id", 258},
             {"content", "<end>"},
             {"single_word", false},
             {"lstrip", false},
             {"rstrip", false},
             {"normalized", false},
             {"special", true}}}},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocabulary},
            {"merges", {"t h", Json::array({"th", "e"})}}}}};
}

/// `action` fails with a data error that has a hint and whose text has all `parts`.
template <class Action>
void expect_data_error(const Action& action, const std::vector<std::string>& parts) {
  try {
    action();
  } catch (const Error& error) {
    BOOST_TEST((error.code() == ExitCode::data), error.what());
    helps(error);
    for (const std::string& part : parts) {
      BOOST_TEST(std::string(error.what()).find(part) != std::string::npos,
                 "\"" << part << "\" is not in: " << error.what());
    }
    return;
  }
  BOOST_ERROR("no error was thrown, expected: " << (parts.empty() ? "any" : parts.front()));
}

}  // namespace anemll::test
