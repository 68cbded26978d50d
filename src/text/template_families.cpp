#include "src/text/internal/template_families.hpp"

#include "src/core/hash.hpp"
#include "src/text/internal/generation_marks.hpp"

#include <algorithm>
#include <array>

namespace anemll::text {
namespace {

constexpr std::string_view kStart = "<|im_start|>";
constexpr std::string_view kEnd = "<|im_end|>";
constexpr std::string_view kHeader = "<|start_header_id|> <|end_header_id|>";
constexpr std::string_view kLlamaBos = "<|begin_of_text|>";
constexpr std::string_view kSmol = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
constexpr std::string_view kSmol3 = "You are a helpful AI assistant named SmolLM, trained by Hugging Face.";

constexpr std::array kFamilies = {
    Family{.format = ChatFormat::qwen3,
           .name = "qwen3",
           .render = render_qwen3,
           .start = kStart,
           .end = kEnd,
           .tools = true,
           .calls = CallRule::with_text,
           .responses = true,
           .reasoning = true,
           .thinking = true,
           .thinking_switch = true},
    Family{.format = ChatFormat::qwen3_thinking,
           .name = "qwen3-thinking",
           .render = render_qwen3,
           .start = kStart,
           .end = kEnd,
           .tools = true,
           .calls = CallRule::with_text,
           .responses = true,
           .reasoning = true,
           .thinking = true},
    Family{.format = ChatFormat::qwen3_instruct,
           .name = "qwen3-instruct",
           .render = render_qwen3,
           .start = kStart,
           .end = kEnd,
           .tools = true,
           .calls = CallRule::with_text,
           .responses = true},
    Family{.format = ChatFormat::qwen2_5,
           .name = "qwen2.5",
           .render = render_qwen25,
           .start = kStart,
           .end = kEnd,
           .system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
           .tools = true,
           .calls = CallRule::with_text,
           .responses = true},
    Family{.format = ChatFormat::qwen2_5_base,
           .name = "qwen2.5-base",
           .render = render_qwen25,
           .start = kStart,
           .end = kEnd,
           .system = "You are a helpful assistant.",
           .tools = true,
           .calls = CallRule::with_text,
           .responses = true},
    Family{.format = ChatFormat::qwen2,
           .name = "qwen2",
           .render = render_chatml,
           .start = kStart,
           .end = kEnd,
           .system = "You are a helpful assistant."},
    Family{.format = ChatFormat::chatml,
           .name = "chatml",
           .render = render_chatml,
           .start = kStart,
           .end = kEnd},
    Family{.format = ChatFormat::smollm2,
           .name = "smollm2",
           .render = render_chatml,
           .start = kStart,
           .end = kEnd,
           .system = kSmol},
    Family{.format = ChatFormat::smollm3,
           .name = "smollm3",
           .render = render_smollm3,
           .start = kStart,
           .end = kEnd,
           .system = kSmol3,
           .tools = true,
           .responses = true,
           .thinking = true,
           .thinking_switch = true,
           .date = true},
    Family{.format = ChatFormat::smollm3_unsloth,
           .name = "smollm3-unsloth",
           .render = render_smollm3,
           .start = kStart,
           .end = kEnd,
           .system = kSmol3,
           .responses = true,
           .thinking = true,
           .thinking_switch = true},
    Family{.format = ChatFormat::llama3,
           .name = "llama3",
           .render = render_llama3,
           .start = kHeader,
           .end = "<|eot_id|>",
           .bos = kLlamaBos},
    Family{.format = ChatFormat::llama3_1,
           .name = "llama3.1",
           .render = render_llama31,
           .start = kHeader,
           .end = "<|eot_id|>",
           .bos = kLlamaBos,
           .stops = "<|eom_id|>",
           .tools = true,
           .calls = CallRule::for_text,
           .responses = true,
           .date = true,
           .refusal = refusal_of_llama31},
    Family{.format = ChatFormat::gemma2,
           .name = "gemma2",
           .render = render_gemma,
           .start = "<start_of_turn>",
           .end = "<end_of_turn>",
           .bos = "<bos>",
           .refusal = refusal_of_gemma2},
    Family{.format = ChatFormat::gemma3,
           .name = "gemma3",
           .render = render_gemma,
           .start = "<start_of_turn>",
           .end = "<end_of_turn>",
           .bos = "<bos>",
           .refusal = refusal_of_gemma3},
    // With full-width bars, and U+2581 for blanks.
    Family{.format = ChatFormat::deepseek_r1,
           .name = "deepseek-r1",
           .render = render_deepseek_r1,
           .start = "<\uff5cUser\uff5c> <\uff5cAssistant\uff5c>",
           .end = "<\uff5cend\u2581of\u2581sentence\uff5c>",
           .bos = "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
           .calls = CallRule::without_it,
           .responses = true},
};

/// SHA-256 of the outlines of published templates. A template with another outline may render otherwise.
struct Outline {
  std::string_view sha256;
  ChatFormat format;
};

constexpr std::array kWhole = {
    // Qwen3 of April 2025, and the later one, which guards against contents that are no text.
    Outline{"4973979a98aac8d77a5cdbbd887adb5a9152439bc6d8df0c34d14534f7f2e558", ChatFormat::qwen3},
    Outline{"043494ae49116ddea64e86c9fb9df15851e6b47976df5b1473654bd2f1fa8ebd", ChatFormat::qwen3},
    Outline{"edb533b37c1584a98450667921d261f93c4775f3c7b866f9084a171c2db17f0e", ChatFormat::qwen3_thinking},
    Outline{"1697cf726cffbccf5c6e5fb0f54f1c4244a8126a15732006e1442316c3ea7a19", ChatFormat::qwen3_instruct},
    Outline{"62906aeaeba0c0e795a7cd49037873abcebf4b2a8f494e318f1f9130d163bc7d", ChatFormat::qwen2_5},
    Outline{"3a8ff1c92f25eb229ee6d2ea63327277a33f8efa5dc102b791303405461e9fa9", ChatFormat::qwen2_5_base},
    Outline{"70ae2f911b4be9ecfff23f80ae3fa73718f5478c0c3be088dfb4714a907abb62", ChatFormat::qwen2},
    // ChatML, and with two ways of setting the default of the generation prompt first.
    Outline{"2ec63f6b6fedc7151e86fe7976e6ea223f1b29bd05190d313a807ad68a6afc80", ChatFormat::chatml},
    Outline{"dcc925e791bd3a08ac0fc8d6b06ec8f1f71bbea738f55cd54442bf1cecd19047", ChatFormat::chatml},
    Outline{"e3db8e31adaeaf536e38bc015059a33fbea4782774bb0fc669bbf37dd6ae82d8", ChatFormat::chatml},
    Outline{"175f7b0d3e445a6f9fe932bd68ed49d5be84e3b9638c99760fa4f43ecd5568ab", ChatFormat::smollm2},
    // SmolLM3 with and without marks for the loss on answers.
    Outline{"6eb09ebb5b870e40e5d229e0a82e5f03696add5e429b304e72e39ab94588e6e2", ChatFormat::smollm3},
    Outline{"33e7dbdaafecdd4c4a4832db06f5c2d0127195fd3e6d0835c566bdcba92d0fca", ChatFormat::smollm3},
    Outline{"c151f630adb871e84a57d2e5093b6a26f96e048e850b6c9a6b8e1cb692b5117d", ChatFormat::smollm3_unsloth},
    Outline{"f6d2c43563f4bb86690d376f616fb30f56c58e629e4917d8a30f2b5336d78eaf", ChatFormat::llama3},
    // Llama 3.1 and 3.3; 3.2.
    Outline{"5caf48aa0ef70582281dfbd550f23ff616079f92bc5fdb579775d0159679f858", ChatFormat::llama3_1},
    Outline{"9ad1daaf1d38e5dfc4dbc0956f53add6fdecc21bc6647d9b43a3670c1d2cccba", ChatFormat::llama3_1},
    Outline{"fc131eaaeb18e4d6b4ad47977ae461c512320cb29f053b92c345300c6120818c", ChatFormat::gemma2},
    Outline{"901fe5ff1bff00248e6a79f1b7fc6b7639d474b7215a5e7300d2162c1ca645ce", ChatFormat::gemma3},
    Outline{"1fe4923636107860d0cd50b1b1bab29436b8d13c8f960dd785b4229f968e61ee", ChatFormat::deepseek_r1},
};

/// The same of Qwen3's without the branches for tools, in the same order.
constexpr std::array kWithoutTools = {
    Outline{"de0f50886e6f083e4136b5a60b8fc54e90ca65d5d86ab41282cac5e607dda9d4", ChatFormat::qwen3},
    Outline{"543ee9ed33cabe464c250e876ad558f3b8bfbb11119dd966f7eac1ce010dc75c", ChatFormat::qwen3},
    Outline{"c86d4f04335ea840bc73eadcc4fc70e103eba8d65ea6545a1b14db2df31313d7", ChatFormat::qwen3_thinking},
    Outline{"aba65e2436dd4162226c0f26a0c4ea4ffe4d1e7d66cd35a6d1c7b27f3bead18c", ChatFormat::qwen3_instruct},
};

std::optional<ChatFormat> find(std::span<const Outline> known, std::string_view outline) {
  const std::string digest = sha256_hex(outline);
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const Outline& row) { return row.sha256 == digest; });
  return found == known.end() ? std::nullopt : std::optional(found->format);
}

/// "if" of "do if(a or b)"; empty for other lines.
std::string_view keyword(std::string_view line) {
  constexpr std::string_view kStatement = "do ";
  if (!line.starts_with(kStatement)) return {};
  line.remove_prefix(kStatement.size());
  return line.substr(0, line.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
}

/// The outline without the branches that only tools and their responses take.
std::string without_tools(std::string_view outline) {
  struct Choice {
    bool tools;    ///< its first branch goes, with its first and last line
    bool dropped;  ///< lines of the present branch are left out
  };
  std::vector<Choice> open;
  std::string out;
  while (!outline.empty()) {
    const std::string_view line = outline.substr(0, std::min(outline.find('\n'), outline.size() - 1) + 1);
    outline.remove_prefix(line.size());
    const std::string_view word = keyword(line);
    bool own = false;  // of a choice whose first branch goes
    if (word == "if") {
      own = line == "do if tools\n" || line == "do if message.tool_calls\n";
      open.push_back({own, own});
    } else if (!open.empty() && (word == "elif" || word == "else")) {
      own = open.back().tools && word == "else";
      open.back().dropped = line == "do elif message.role==\"tool\"\n";
    } else if (!open.empty() && word == "endif") {
      own = open.back().tools;
      open.pop_back();
    }
    const auto dropped = [](const Choice& choice) { return choice.dropped; };
    if (!own && std::none_of(open.begin(), open.end(), dropped)) out += line;
  }
  return out;
}

}  // namespace

std::span<const Family> families() {
  return kFamilies;
}

const Family& family_of(ChatFormat format) {
  const auto found = std::find_if(kFamilies.begin(), kFamilies.end(),
                                  [&](const Family& family) { return family.format == format; });
  return *found;  // every format has its row
}

std::optional<Recognised> recognise_outline(std::string_view outline) {
  if (const auto format = find(kWhole, outline)) return Recognised{*format, true};
  if (const auto bare = without_generation_marks(outline)) return recognise_outline(*bare);
  if (outline.find("do raw") != std::string_view::npos)
    return std::nullopt;  // what follows may be no statements
  if (const auto format = find(kWithoutTools, without_tools(outline))) return Recognised{*format, false};
  return std::nullopt;
}

}  // namespace anemll::text
