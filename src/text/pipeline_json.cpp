// The parts of a tokenizer.json around its model. A part that is not known is refused by name, never
// approximated.
#include "anemll/core/log.hpp"
#include "src/text/internal/json_fields.hpp"
#include "src/text/internal/split_patterns.hpp"
#include "src/text/internal/splitter.hpp"
#include "src/text/internal/word_scanner.hpp"

#include <algorithm>

namespace anemll::text {
namespace {

class PipelineReader {
 public:
  PipelineReader(const JsonFields& fields, TokenizerSpec& spec) : fields_(fields), spec_(spec) {}

  void normalizer(dom::object step) {
    const std::string type = fields_.type_of(step, "a normalizer");
    if (type == "NFC") {
      spec_.nfc = true;
    } else if (type == "Sequence") {
      for (const dom::element inner : fields_.steps_of(step, "normalizers", "the normalizer Sequence"))
        normalizer(fields_.object_of(inner, "a normalizer"));
    } else if (type == "Prepend" || type == "Precompiled" || (type == "Replace" && writes_spaces(step))) {
      fields_.sentencepiece("the normalizer " + type);
    } else {
      fields_.unsupported("the normalizer " + type);
    }
  }

  void pre_tokenizer(dom::object root) {
    const auto value = JsonFields::get(root, "pre_tokenizer");
    if (!value) fields_.unsupported("no pre-tokenizer");
    step(fields_.object_of(*value, "pre_tokenizer"));
    if (!byte_level_) fields_.unsupported("no pre-tokenizer ByteLevel");
    if (spec_.split.size() > kMostSplitSteps)
      fields_.unsupported(strf("a pre-tokenizer of %zu steps that split", spec_.split.size()));
  }

  /// Ids are made without special tokens, and so every one of these leaves them as they are.
  void post_processor(dom::object processor) {
    const std::string type = fields_.type_of(processor, "post_processor");
    if (type == "ByteLevel") return;  // moves offsets only
    if (type == "Sequence") {
      for (const dom::element inner :
           fields_.steps_of(processor, "processors", "the post-processor Sequence"))
        post_processor(fields_.object_of(inner, "a post-processor"));
    } else if (type == "TemplateProcessing") {
      text_template(processor);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      surround({pair_id(processor, "cls")}, {pair_id(processor, "sep")});
    } else {
      fields_.unsupported("the post-processor " + type);
    }
  }

  /// Without one the Python library shows the byte alphabet; here ids become bytes all the same.
  void decoder(dom::object step) {
    const std::string type = fields_.type_of(step, "decoder");
    if (type == "ByteLevel" || type == "Fuse") return;  // Fuse joins pieces, which here are bytes of one text
    if (type != "Sequence") fields_.unsupported("the decoder " + type);
    for (const dom::element inner : fields_.steps_of(step, "decoders", "the decoder Sequence"))
      decoder(fields_.object_of(inner, "a decoder"));
  }

 private:
  /// As U+2581, which is what SentencePiece writes for a space.
  bool writes_spaces(dom::object replace) const {
    const auto content = JsonFields::get(replace, "content");
    return content && fields_.text_of(*content, "the content of Replace") == "\u2581";
  }

  void step(dom::object object) {
    const std::string type = fields_.type_of(object, "a pre-tokenizer");
    if (type == "Sequence") {
      for (const dom::element inner : fields_.steps_of(object, "pretokenizers", "the pre-tokenizer Sequence"))
        step(fields_.object_of(inner, "a pre-tokenizer"));
    } else if (type == "Digits") {
      const bool each = fields_.flag(object, "individual_digits", false);
      if (byte_level_) {
        spec_.split.push_back(each ? SplitPattern::each_byte_number : SplitPattern::byte_number_runs);
      } else {
        spec_.split.push_back(each ? SplitPattern::each_number : SplitPattern::number_runs);
      }
    } else if (type == "Split") {
      const SplitPattern pattern = split_pattern(object);
      // What stands behind it sees the byte alphabet.
      if (byte_level_ && pattern != SplitPattern::ascii_triples)
        fields_.unsupported("the pre-tokenizer Split after ByteLevel");
      spec_.split.push_back(pattern);
    } else if (type == "ByteLevel" && !byte_level_) {
      if (fields_.flag(object, "add_prefix_space", true))
        fields_.unsupported("the pre-tokenizer ByteLevel with add_prefix_space");
      if (fields_.flag(object, "use_regex", true)) spec_.split.push_back(SplitPattern::gpt2);
      byte_level_ = true;
    } else if (type == "Punctuation" && !byte_level_) {
      const std::string behavior = behavior_of(object, "Isolated");
      if (behavior != "Contiguous")
        fields_.unsupported("the pre-tokenizer Punctuation with the behavior " + behavior);
      spec_.split.push_back(SplitPattern::ascii_punctuation_runs);
    } else if (type == "Metaspace") {
      fields_.sentencepiece("the pre-tokenizer Metaspace");
    } else {
      fields_.unsupported("the pre-tokenizer " + type + (byte_level_ ? " after ByteLevel" : ""));
    }
  }

  std::string behavior_of(dom::object object, const char* absent) const {
    const auto behavior = JsonFields::get(object, "behavior");
    return std::string(behavior ? fields_.text_of(*behavior, "the behavior of a pre-tokenizer") : absent);
  }

  SplitPattern split_pattern(dom::object object) const {
    const auto pattern = JsonFields::get(object, "pattern");
    if (!pattern) fields_.bad("the pre-tokenizer Split has no pattern");
    const auto regex = JsonFields::get(fields_.object_of(*pattern, "the pattern of Split"), "Regex");
    if (!regex) fields_.unsupported("the pre-tokenizer Split with a pattern that is no Regex");
    const std::string_view text = fields_.text_of(*regex, "the Regex of Split");
    const auto known = pattern_of_regex(text);
    if (!known) fields_.unsupported("the pre-tokenizer Split with the Regex " + std::string(text));
    const std::string behavior = behavior_of(object, "");
    const bool invert = fields_.flag(object, "invert", false);
    // Where matches leave nothing between them, to keep them alone and to remove the rest are the same.
    const bool same = behavior == "Isolated" || (is_word_pattern(*known) && behavior == "Removed" && invert);
    if (!same)
      fields_.unsupported("the pre-tokenizer Split with the behavior " + behavior +
                          (invert ? " and invert" : ""));
    return *known;
  }

  std::int32_t pair_id(dom::object processor, const char* key) const {
    const auto pair = JsonFields::get(processor, key);
    if (!pair) fields_.bad(std::string("the post-processor has no ") + key);
    const dom::array both = fields_.array_of(*pair, key);
    if (both.size() != 2)
      fields_.bad(std::string(key) + " of the post-processor is no token with an id", *pair);
    return fields_.id_of(both.at(1).value(), key);
  }

  /// `before` and `after` go around what is there already: processors run one after the other.
  void surround(const std::vector<std::int32_t>& before, const std::vector<std::int32_t>& after) {
    spec_.text_begin.insert(spec_.text_begin.begin(), before.begin(), before.end());
    spec_.text_end.insert(spec_.text_end.end(), after.begin(), after.end());
  }

  void text_template(dom::object processor) {
    std::vector<std::int32_t> before, after;
    std::size_t texts = 0;
    for (const dom::element part :
         fields_.steps_of(processor, "single", "the post-processor TemplateProcessing")) {
      const dom::object object = fields_.object_of(part, "a part of TemplateProcessing");
      if (JsonFields::get(object, "Sequence")) {
        ++texts;
      } else if (const auto special = JsonFields::get(object, "SpecialToken")) {
        const auto id = JsonFields::get(fields_.object_of(*special, "SpecialToken"), "id");
        if (!id) fields_.bad("a SpecialToken of TemplateProcessing has no id", part);
        append_special(processor, fields_.text_of(*id, "the id of a SpecialToken"),
                       texts == 0 ? before : after);
      } else {
        fields_.bad("a part of TemplateProcessing is neither Sequence nor SpecialToken", part);
      }
    }
    if (texts != 1)
      fields_.unsupported(strf("the post-processor TemplateProcessing with %zu times the text", texts));
    surround(before, after);
  }

  void append_special(dom::object processor, std::string_view name, std::vector<std::int32_t>& ids) const {
    const auto tokens = JsonFields::get(processor, "special_tokens");
    if (!tokens) fields_.bad("the post-processor TemplateProcessing has no special_tokens");
    const auto token = JsonFields::get(fields_.object_of(*tokens, "special_tokens"), name);
    const auto list =
        token ? JsonFields::get(fields_.object_of(*token, "a special token"), "ids") : std::nullopt;
    if (!list) fields_.bad("TemplateProcessing has no ids of its special token '" + std::string(name) + "'");
    for (const dom::element id : fields_.array_of(*list, "ids")) ids.push_back(fields_.id_of(id, name));
  }

  const JsonFields& fields_;
  TokenizerSpec& spec_;
  bool byte_level_ = false;
};

}  // namespace

void read_pipeline(const JsonFields& fields, dom::object root, TokenizerSpec& spec) {
  PipelineReader reader(fields, spec);
  spec.split.clear();
  if (const auto value = JsonFields::get(root, "normalizer"))
    reader.normalizer(fields.object_of(*value, "normalizer"));
  reader.pre_tokenizer(root);
  if (const auto value = JsonFields::get(root, "post_processor"))
    reader.post_processor(fields.object_of(*value, "post_processor"));
  if (const auto value = JsonFields::get(root, "decoder"))
    reader.decoder(fields.object_of(*value, "decoder"));
}

}  // namespace anemll::text
