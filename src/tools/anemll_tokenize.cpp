// anemll_tokenize: text to token ids and back, with the tokenizer of a model.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/build_info.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/tool.hpp"
#include "src/hub/hub_options.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

using anemll::OptionTable;
using anemll::Tokenizer;
using nlohmann::ordered_json;
using Ids = std::vector<std::int32_t>;

constexpr const char* kUsage =
    "anemll_tokenize: text to token ids and back\n"
    "\n"
    "usage: anemll_tokenize encode|decode --model-id MODEL [--jsonl] [FILE]\n"
    "\n"
    "  encode   a text (all of FILE or of stdin) to ids on one line\n"
    "  decode   ids, separated by white space, to the text\n"
    "\n"
    "With --jsonl every line is an object with text (encode) or ids (decode); both come out, other keys "
    "stay.\n"
    "'anemll_tokenize COMMAND --help' lists the options of a command; --version prints build facts.\n"
    "Exit codes: 0 done, 2 command line, 3 a file or its content.\n";

struct Settings {
  std::string model;
  std::string file;
  anemll::HubOptions hub;
  bool jsonl = false;
  bool skip_special = false;

  std::string source() const { return file.empty() || file == "-" ? "stdin" : file; }
};

std::string read_all(const Settings& settings) {
  if (settings.source() != "stdin") return anemll::read_input_text(settings.file);
  std::string text;
  char buffer[65536];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) text.append(buffer, n);
  if (std::ferror(stdin) != 0) anemll::throw_data("cannot read", "stdin", "check the pipe or name a file");
  return text;
}

void write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    anemll::throw_data("cannot write", "stdout", "check the disk space");
}

void append_ids(const Ids& ids, std::string& out) {
  char digits[16];
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out += ' ';
    out.append(digits, std::to_chars(digits, digits + sizeof digits, ids[i]).ptr);
  }
}

Ids parse_ids(std::string_view text, const std::string& where) {
  Ids ids;
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ','; };
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t index = 0;; ++index) {
    while (at < end && is_blank(*at)) ++at;
    if (at == end) return ids;
    const char* word = at;
    while (word < end && !is_blank(*word)) ++word;
    std::int32_t id = 0;
    const auto [stop, code] = std::from_chars(at, word, id);
    if (code != std::errc() || stop != word)
      anemll::throw_data(
          anemll::strf("entry %zu, '%.40s', is not a token id", index, std::string(at, word).c_str()), where,
          "give whole numbers with white space or commas between");
    ids.push_back(id);
    at = word;
  }
}

void check_utf8(std::string_view text, const std::string& where) {
  const std::size_t bad = anemll::text::first_bad_utf8(text);
  if (bad == std::string_view::npos) return;
  const std::string_view before = text.substr(0, bad);
  const auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  anemll::throw_data(anemll::strf("not UTF-8 at byte %zu (line %zu)", bad, lines + 1), where,
                     "convert it, for example with iconv -f LATIN1 -t UTF-8");
}

std::string decode(const Tokenizer& tokenizer, const Ids& ids, bool skip_special, const std::string& where) {
  if (const auto bad = anemll::find_foreign_id(ids, tokenizer.size()))
    anemll::throw_data(anemll::strf("entry %zu, %d, is not an id of the model (0 to %lld)", *bad, ids[*bad],
                                    static_cast<long long>(tokenizer.size() - 1)),
                       where, "decode with the model that the ids were made with");
  return tokenizer.decode(ids, skip_special);
}

ordered_json convert(const Tokenizer& tokenizer, bool encode, ordered_json record, bool skip_special,
                     const std::string& where) {
  if (encode) {
    const auto text = record.find("text");
    if (text == record.end() || !text->is_string())
      anemll::throw_data("the object has no string \"text\"", where,
                         "give {\"text\": \"...\"} on every line");
    record["ids"] = tokenizer.encode(text->get_ref<const std::string&>());
    return record;
  }
  const auto ids = record.find("ids");
  const bool good = ids != record.end() && ids->is_array() &&
                    std::all_of(ids->begin(), ids->end(), [](const ordered_json& id) {
                      return id.is_number_integer() && id >= 0 && id <= INT32_MAX;
                    });
  if (!good)
    anemll::throw_data("the object has no list of ids in \"ids\"", where,
                       "give {\"ids\": [1, 2]} on every line");
  record["text"] = decode(tokenizer, ids->get<Ids>(), skip_special, where);
  return record;
}

ordered_json parse_line(std::string_view line, const std::string& where) {
  ordered_json record;
  try {
    record = ordered_json::parse(line);
  } catch (const nlohmann::json::exception& error) {
    anemll::throw_data(std::string("not valid JSON: ") + error.what(), where,
                       "--jsonl wants one object a line");
  }
  if (!record.is_object()) anemll::throw_data("not a JSON object", where, "--jsonl wants one object a line");
  return record;
}

void run_lines(const Tokenizer& tokenizer, bool encode, const Settings& settings) {
  const std::string input = read_all(settings);
  check_utf8(input, settings.source());
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < input.size();) {
    const std::size_t stop = std::min(input.find('\n', begin), input.size());
    const std::string_view line(input.data() + begin, stop - begin);
    begin = stop + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = settings.source() + ":" + std::to_string(number);
    ordered_json record = parse_line(line, where);
    write(convert(tokenizer, encode, std::move(record), settings.skip_special, where).dump() + "\n");
  }
}

void run_whole(const Tokenizer& tokenizer, bool encode, const Settings& settings) {
  const std::string input = read_all(settings);
  const std::string where = settings.source();
  check_utf8(input, where);
  if (!encode) {
    write(decode(tokenizer, parse_ids(input, where), settings.skip_special, where));
    return;
  }
  std::string out;
  append_ids(tokenizer.encode(input), out);
  write(out + "\n");
}

/// Of a repository on the hub only the files about text are fetched.
std::filesystem::path find_model(const Settings& settings) {
  return anemll::fetch_model(settings.model, settings.hub, anemll::ModelUse::text).path;
}

/// Options that only some runs read.
std::vector<anemll::OptionEffect<Settings>> effects() {
  return {{"model-revision", "on a local model: revisions are the hub's",
           [](const Settings& s) { return anemll::is_local(anemll::HubKind::model, s.model); }}};
}

int run(bool encode, int argc, const char* const* argv) {
  Settings settings;
  OptionTable table(encode ? "anemll_tokenize encode" : "anemll_tokenize decode",
                    encode ? "Token ids of a text, without tokens that the text does not hold."
                           : "The text of token ids; bytes that are not UTF-8 become U+FFFD.");
  anemll::add_model_option(table, "model-id", &settings.model,
                           "folder with tokenizer.json, .gguf file, or org/name on the hub");
  table.require("model-id");
  anemll::add_revision_option(table, "model-revision", &settings.hub.revision, "the model");
  anemll::add_local_files_option(table, "local-files-only", &settings.hub.local_files_only);
  table.add_flag("jsonl", &settings.jsonl, "one JSON object a line, in and out");
  if (!encode) table.add_flag("skip-special-tokens", &settings.skip_special, "leave special tokens out");
  table.add_positional("FILE", &settings.file, "input; stdin when absent or -", false);
  table.mark_path("FILE");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  anemll::tell_unread(
      unread_options(effects(), settings, [&](const std::string& name) { return table.given(name); }));
  const anemll::TextModel model = anemll::load_text_model(find_model(settings));
  model.inventory.tell(settings.model, false);
  if (settings.jsonl) {
    run_lines(model.tokenizer, encode, settings);
  } else {
    run_whole(model.tokenizer, encode, settings);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const anemll::Command commands[] = {{"encode", [](int n, char** args) { return run(true, n, args); }},
                                      {"decode", [](int n, char** args) { return run(false, n, args); }}};
  return anemll::run_tool(
      [&] { return anemll::run_command("anemll_tokenize", kUsage, commands, argc, argv); });
}
