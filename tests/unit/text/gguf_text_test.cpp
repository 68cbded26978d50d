// Tokenizers out of GGUF metadata: the same as the tokenizer that it was written from, and refusals by name.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/text/internal/byte_alphabet.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/real_models.hpp"
#include "tests/support/temp_dir.hpp"

#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

constexpr std::uint32_t kI32 = 5;  // a value type of the format

/// All bytes, some merges, and one token of every other kind.
struct Parts {
  std::string model = "gpt2", pre = "smollm", eos_key = "tokenizer.ggml.eos_token_id";
  std::vector<std::string> tokens, merges{"1 2", "a b", "ab c", "\u00c3 \u00a9"};
  std::vector<std::int32_t> types;
  std::uint32_t eos = 0;
  bool signed_eos = false;

  Parts() {
    for (unsigned byte = 0; byte < 256; ++byte) add(text::spell_byte(static_cast<unsigned char>(byte)), 1);
    for (const char* merged : {"12", "ab", "abc", "\u00c3\u00a9"}) add(merged, 1);
    eos = add("<|end|>", 3);
    add("<think>", 4);
    add("[PAD1]", 5);
  }
  std::uint32_t add(const std::string& token, std::int32_t type) {
    tokens.push_back(token);
    types.push_back(type);
    return static_cast<std::uint32_t>(tokens.size() - 1);
  }
  GgufWriter writer() const {
    GgufWriter out;
    out.text("general.architecture", "llama").text("tokenizer.ggml.model", model);
    if (!pre.empty()) out.text("tokenizer.ggml.pre", pre);
    out.texts("tokenizer.ggml.tokens", tokens).i32s("tokenizer.ggml.token_type", types);
    out.texts("tokenizer.ggml.merges", merges);
    if (signed_eos) return out.scalar(eos_key, kI32, static_cast<std::int32_t>(eos));
    return out.u32(eos_key, eos);
  }
};

TextModel load(const GgufWriter& writer) {
  const TempDir folder;
  writer.write(folder / "m.gguf");
  return load_text_model(folder / "m.gguf");
}

std::vector<std::int32_t> ids(const std::string& pre, const std::string& text) {
  Parts parts;
  parts.pre = pre;
  return load(parts.writer()).tokenizer.encode(text);
}

void refused(const GgufWriter& writer, const std::string& where, const std::string& what) {
  BOOST_TEST_CONTEXT(what) {
    BOOST_CHECK_EXCEPTION(load(writer), Error, [&](const Error& error) {
      return error.code() == ExitCode::data && !error.hint().empty() &&
             error.where().find(where) != std::string::npos &&
             std::string(error.what()).find(what) != std::string::npos;
    });
  }
}

void refused(const std::function<void(Parts&)>& change, const std::string& where, const std::string& what) {
  Parts parts;
  change(parts);
  refused(parts.writer(), where, what);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_gguf)

BOOST_AUTO_TEST_CASE(gguf_tokens_of_every_kind) {
  const Parts parts;
  const TextModel model = load(parts.writer().text("tokenizer.chat_template", "{{ messages }}"));
  const auto end = static_cast<std::int32_t>(parts.eos);
  BOOST_TEST(model.eos_id.value() == end);
  BOOST_TEST(model.chat_template == "{{ messages }}");
  BOOST_TEST(model.template_source.ends_with("m.gguf, key \"tokenizer.chat_template\""));
  BOOST_TEST(model.tokenizer.size() == end + 2);  // without what only fills the embedding
  const auto got = model.tokenizer.encode("abc<|end|>ab<think>");
  BOOST_TEST(got == std::vector<std::int32_t>({258, end, 257, end + 1}), boost::test_tools::per_element());
  BOOST_TEST(model.tokenizer.decode(got) == "abc<|end|>ab<think>");
  BOOST_TEST(model.tokenizer.decode(got, /*skip_special_tokens=*/true) == "abcab<think>");
  BOOST_TEST(!model.tokenizer.find("[PAD1]").has_value());
  BOOST_TEST(model.tokenizer.encode("[PAD1]").size() == 6U);
  BOOST_TEST(load(Parts().writer()).chat_template.empty());
}

BOOST_AUTO_TEST_CASE(gguf_pre_tokenizers) {
  const std::int32_t one = '1', two = '2', twelve = 256, composed = 259;
  // Spelled as bytes: ids 0 to 255 are the bytes themselves.
  BOOST_TEST(ids("smollm", "12") == std::vector<std::int32_t>({one, two}), boost::test_tools::per_element());
  BOOST_TEST(ids("gpt-2", "12") == std::vector<std::int32_t>({twelve}), boost::test_tools::per_element());
  BOOST_TEST(ids("qwen2", "12") == std::vector<std::int32_t>({one, two}), boost::test_tools::per_element());
  const std::string decomposed = "e\u0301";
  BOOST_TEST(ids("qwen2", decomposed) == std::vector<std::int32_t>({composed}),
             boost::test_tools::per_element());
  BOOST_TEST(ids("smollm", decomposed).size() == 3U);
  BOOST_TEST(ids("gpt-2", decomposed).size() == 3U);
}

BOOST_AUTO_TEST_CASE(gguf_tokenizers_are_told_apart_by_their_metadata) {
  const std::string hash = load(Parts().writer()).sha256;
  BOOST_TEST(hash.size() == 64U);
  BOOST_TEST(load(Parts().writer().text("general.name", "other")).sha256 == hash);
  BOOST_TEST(load(Parts().writer().text("tokenizer.chat_template", "x")).sha256 != hash);
  Parts other;
  other.merges.pop_back();
  BOOST_TEST(load(other.writer()).sha256 != hash);
  other = Parts();
  other.tokens[10] = "ten";
  BOOST_TEST(load(other.writer()).sha256 != hash);
}

BOOST_AUTO_TEST_CASE(gguf_end_of_text_as_a_signed_number) {
  Parts parts;
  parts.signed_eos = true;
  BOOST_TEST(load(parts.writer()).eos_id.value() == static_cast<std::int32_t>(parts.eos));
  parts.eos = static_cast<std::uint32_t>(-1);
  refused(parts.writer(), "eos_token_id", "outside the vocabulary");
  parts.eos_key = "tokenizer.ggml.eos_token";
  BOOST_TEST(!load(parts.writer()).eos_id.has_value());
}

BOOST_AUTO_TEST_CASE(gguf_tokenizers_that_are_not_known_are_refused) {
  refused([](Parts& p) { p.model = "llama"; }, "tokenizer.ggml.model", "llama");
  refused([](Parts& p) { p.pre = "kimi-k2"; }, "tokenizer.ggml.pre", "kimi-k2");
  refused([](Parts& p) { p.pre = ""; }, "tokenizer.ggml.pre", "missing");
  refused([](Parts& p) { p.types[7] = 6; }, "token_type", "token 7 is of the unknown kind 6");
  constexpr const char* kSpace = "tokenizer.ggml.add_space_prefix";
  refused(Parts().writer().boolean(kSpace, true), kSpace, "puts a space");
  BOOST_TEST(load(Parts().writer().boolean(kSpace, false)).eos_id.has_value());
}

BOOST_AUTO_TEST_CASE(gguf_tokens_around_a_text_are_known_and_not_added) {
  const auto end = static_cast<std::int32_t>(Parts().eos);
  constexpr const char* kBos = "tokenizer.ggml.bos_token_id";
  constexpr const char* kFlag = "tokenizer.ggml.add_bos_token";
  Parts llama;
  llama.pre = "llama-bpe";
  const TextModel model = load(llama.writer().u32(kBos, 7));
  BOOST_TEST(model.text_begin == std::vector<std::int32_t>{7}, boost::test_tools::per_element());
  BOOST_TEST(model.text_end.empty());
  BOOST_TEST(model.tokenizer.encode("ab").size() == 1U);
  BOOST_TEST(load(llama.writer().u32(kBos, 7).boolean(kFlag, false)).text_begin.empty());
  BOOST_TEST(load(Parts().writer().u32(kBos, 7)).text_begin.empty());
  BOOST_TEST(load(Parts().writer().u32(kBos, 7).boolean(kFlag, true)).text_begin.size() == 1U);
  BOOST_TEST(load(Parts().writer().boolean("tokenizer.ggml.add_eos_token", true)).text_end ==
                 std::vector<std::int32_t>{end},
             boost::test_tools::per_element());
  refused(llama.writer().u32(kBos, 100000), kBos, "outside the vocabulary");
}

BOOST_AUTO_TEST_CASE(gguf_tokenizers_with_faults_are_refused) {
  refused(GgufWriter().text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "qwen2"),
          "tokenizer.ggml.tokens", "missing");
  refused(GgufWriter().u32("tokenizer.ggml.model", 1), "tokenizer.ggml.model", "not a text");
  refused([](Parts& p) { p.types.pop_back(); }, "token_type", "entries for");
  refused([](Parts& p) { p.eos = 10000; }, "eos_token_id", "outside the vocabulary");
  for (const char* merge : {"ab", " ab", "ab ", "a b c", ""}) {
    refused([&](Parts& p) { p.merges[1] = merge; }, "merges", "entry 1 is not a pair");
  }
  refused([](Parts& p) { p.merges[1] = "nothing here"; }, "m.gguf", "nothing");
  refused([](Parts& p) { p.tokens[300 - 40] = "abc"; }, "m.gguf", "abc");
  refused(Parts().writer().text("tokenizer.chat_template", "\xff"), "chat_template", "not UTF-8");
}

BOOST_AUTO_TEST_CASE(a_gguf_that_is_open_is_not_opened_again) {
  const TempDir folder;
  Parts().writer().write(folder / "m.gguf");
  const GgufFile opened = read_gguf(folder / "m.gguf");
  std::filesystem::remove(folder / "m.gguf");
  const TextModel model = load_text_model(folder / "m.gguf", TokenizerRules::as_written, &opened);
  BOOST_TEST(model.sha256 == load(Parts().writer()).sha256);
}

BOOST_AUTO_TEST_CASE(smollm2_gguf_text_equals_its_folder, *needs_models({"smollm2.gguf", "smollm2"})) {
  const std::filesystem::path models = test_models();
  const TextModel gguf = load_text_model(models / "smollm2.gguf");
  const TextModel folder = load_text_model(models / "smollm2");
  BOOST_TEST(gguf.chat_template == folder.chat_template);
  BOOST_TEST(gguf.eos_id.value() == folder.eos_id.value());
  BOOST_TEST(gguf.tokenizer.size() == folder.tokenizer.size());
  const std::string sample = read_text(models / "smollm2" / "config.json") + gguf.chat_template;
  BOOST_TEST(gguf.tokenizer.encode(sample) == folder.tokenizer.encode(sample),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
