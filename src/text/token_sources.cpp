#include "src/text/internal/token_sources.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace anemll::text {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTokenizer = "tokenizer.json";
constexpr const char* kConfig = "tokenizer_config.json";
constexpr const char* kAdded = "added_tokens.json";
constexpr const char* kMap = "special_tokens_map.json";

std::string number(std::int64_t value) {
  return std::to_string(value);
}

/// The tokens so far, by content and by id.
class Table {
 public:
  explicit Table(TokenizerSpec& spec) : spec_(spec) {
    for (const std::string& token : spec.vocabulary) next_ += token.empty() ? 0 : 1;
    for (std::size_t i = 0; i < spec.added.size(); ++i) index(i);
  }

  const AddedToken* added(const std::string& content) const {
    const auto found = added_.find(content);
    return found == added_.end() ? nullptr : &spec_.added[found->second];
  }
  /// Of an added token or a token of the vocabulary.
  std::optional<std::int32_t> id_of(const std::string& content) const {
    if (const AddedToken* token = added(content)) return token->id;
    // Seldom asked: a list of all would cost more than these passes.
    const auto found = std::find(spec_.vocabulary.begin(), spec_.vocabulary.end(), content);
    if (content.empty() || found == spec_.vocabulary.end()) return std::nullopt;
    return static_cast<std::int32_t>(found - spec_.vocabulary.begin());
  }
  std::optional<std::string> content_of(std::int32_t id) const {
    const auto place = static_cast<std::size_t>(id);
    if (place < spec_.vocabulary.size() && !spec_.vocabulary[place].empty()) return spec_.vocabulary[place];
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? std::nullopt : std::optional(spec_.added[found->second].content);
  }
  /// What `token` contradicts; empty for nothing.
  std::string conflict(const AddedToken& token) const {
    const auto id = id_of(token.content);
    if (id) return *id == token.id ? "" : "there it has the id " + number(*id);
    if (const auto other = content_of(token.id)) return "there this is the id of '" + *other + "'";
    return token.id == next_ ? "" : "the next free id is " + number(next_) + ", which transformers gives it";
  }
  void put(const AddedToken& token) {
    if (const auto found = added_.find(token.content); found != added_.end()) {
      spec_.added[found->second] = token;
    } else {
      spec_.added.push_back(token);
      index(spec_.added.size() - 1);
    }
    changes_ += number(token.id) + (token.special ? " special " : " ") +
                (token.normalized ? "normalized " : "") + (token.single_word ? "single_word " : "") +
                (token.lstrip ? "lstrip " : "") + (token.rstrip ? "rstrip " : "") + token.content + '\n';
  }
  const std::string& changes() const { return changes_; }

 private:
  void index(std::size_t i) {
    const AddedToken& token = spec_.added[i];
    added_.emplace(token.content, i);
    by_id_.emplace(token.id, i);
    next_ = std::max(next_, std::int64_t{token.id} + 1);
  }

  TokenizerSpec& spec_;
  std::unordered_map<std::string, std::size_t> added_;
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  std::int64_t next_ = 0;  ///< as the Python library numbers on
  std::string changes_;
};

[[noreturn]] void contradiction(const AddedToken& token, const std::string& file, const std::string& conflict,
                                const fs::path& folder) {
  throw_data(
      file + " says that the token '" + token.content + "' has the id " + number(token.id) +
          ", which contradicts " + kTokenizer + ": " + conflict,
      folder.string(),
      "remove the wrong entry, or take both files from the same model: " + fetch_advice(folder / kTokenizer));
}

/// added_tokens_decoder: its tokens and flags are those of transformers.
void settle_decoder(const TokenizerConfig& config, const fs::path& folder, Table& table,
                    const TokenizerSpec& spec, Inventory& inventory) {
  std::set<std::string> listed;
  const std::size_t own = spec.added.size();
  for (const AddedToken& token : *config.decoder) {
    if (const std::string conflict = table.conflict(token); !conflict.empty())
      contradiction(token, std::string(kConfig) + " (added_tokens_decoder)", conflict, folder);
    listed.insert(token.content);
    const AddedToken* known = table.added(token.content);
    if (known && *known == token) {
      inventory.add(Fate::compared, "added token", token.content);
      continue;
    }
    if (known)
      inventory.add(Fate::left_out, "flag of an added token", token.content,
                    "its flags are taken from tokenizer_config.json, tokenizer.json differs");
    inventory.add(Fate::used, "added token", token.content);
    table.put(token);
  }
  for (std::size_t i = 0; i < own; ++i) {
    const std::string& content = spec.added[i].content;
    if (!listed.contains(content))
      inventory.add(
          Fate::compared, "added token", content,
          "added_tokens_decoder of tokenizer_config.json lacks it, tokenizer.json has it: it is one");
  }
}

/// added_tokens.json, which transformers reads only where there is no added_tokens_decoder.
void settle_added(const fs::path& path, const TokenizerConfig& config, const std::vector<NamedToken>& named,
                  Table& table, Inventory& inventory) {
  std::vector<AddedToken> tokens;
  const nlohmann::json root = read_text_json(path);
  for (const auto& [content, id] : root.items()) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= INT32_MAX)
      bad_text_file("the token '" + content + "' has no valid id" + shown(id), path);
    AddedToken token{.id = id.get<std::int32_t>(), .content = content};
    token.special = std::any_of(named.begin(), named.end(),
                                [&](const NamedToken& n) { return n.token.content == token.content; });
    token.normalized = !token.special;
    tokens.push_back(std::move(token));
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  inventory.add(Fate::compared, "file", kAdded);
  for (const AddedToken& token : tokens) {
    const std::string conflict = table.conflict(token);
    const bool known = table.added(token.content) != nullptr;
    if (conflict.empty() && known) {
      inventory.add(Fate::compared, "added token", token.content);
    } else if (config.decoder) {
      inventory.add(Fate::left_out, "entry of added_tokens.json", token.content,
                    "it differs from added_tokens_decoder of tokenizer_config.json, which goes before");
    } else if (!conflict.empty()) {
      contradiction(token, kAdded, conflict, path.parent_path());
    } else {
      inventory.add(Fate::used, "added token", token.content);
      table.put(token);
    }
  }
}

bool is_list(const std::string& role) {
  return !role.ends_with("_token");
}

const NamedToken* find_role(const std::vector<NamedToken>& named, const std::string& role) {
  const auto found =
      std::find_if(named.begin(), named.end(), [&](const NamedToken& n) { return n.role == role; });
  return found == named.end() ? nullptr : &*found;
}

/// special_tokens_map.json goes before tokenizer_config.json where the latter has no added_tokens_decoder;
/// else transformers does not read it.
std::vector<NamedToken> settle_named(const fs::path& map_path, const TokenizerConfig& config,
                                     const Table& table, fs::path& eos_file, Inventory& inventory) {
  std::vector<NamedToken> named = config.named;
  eos_file = config.path;
  if (!fs::exists(map_path)) return named;
  inventory.add(Fate::compared, "file", kMap);
  const nlohmann::json root = read_text_json(map_path);
  const bool wins = !config.decoder;
  for (const NamedToken& other : named_tokens(root, map_path, inventory)) {
    const std::string& content = other.token.content;
    const bool in_list = std::any_of(named.begin(), named.end(), [&](const NamedToken& n) {
      return is_list(n.role) && n.token.content == content;
    });
    const NamedToken* mine = is_list(other.role) ? nullptr : find_role(named, other.role);
    if ((mine && mine->token.content == content) ||
        (is_list(other.role) && (in_list || table.added(content)))) {
      inventory.add(Fate::compared, "special token", other.role);
    } else if (!wins) {
      inventory.add(Fate::left_out, "token of special_tokens_map.json", other.role + " " + content,
                    "tokenizer_config.json has added_tokens_decoder and goes before");
    } else {
      if (mine) {
        inventory.add(Fate::left_out, "token of tokenizer_config.json",
                      other.role + " " + mine->token.content,
                      "special_tokens_map.json has another and goes before, as in transformers");
        std::erase_if(named, [&](const NamedToken& n) { return n.role == other.role; });
      }
      inventory.add(Fate::used, "special token", other.role);
      named.push_back(other);
      if (other.role == "eos_token") eos_file = map_path;
    }
  }
  for (const auto& [key, value] : root.items()) {
    if (!key.ends_with("_token") && !key.ends_with("_special_tokens"))
      inventory.add(Fate::left_out, "key of special_tokens_map.json", key, "no rule for it is known");
  }
  return named;
}

/// Special tokens are cut out of texts, also those that tokenizer.json has in its vocabulary only.
void mark_special(const std::vector<NamedToken>& named, Table& table, Inventory& inventory) {
  for (const NamedToken& special : named) {
    if (table.added(special.token.content)) continue;
    if (const auto id = table.id_of(special.token.content)) {
      AddedToken token = special.token;
      token.id = *id;
      token.special = true;
      inventory.add(Fate::used, "special token", special.role);
      table.put(token);
    } else if (special.role != "eos_token") {  // which the caller refuses
      inventory.add(Fate::left_out, "special token", special.role + " " + special.token.content,
                    "no file gives it an id: it stays plain text");
    }
  }
}

}  // namespace

SettledTokens settle_tokens(const fs::path& folder, const TokenizerConfig& config, TokenizerSpec& spec,
                            Inventory& inventory) {
  Table table(spec);
  SettledTokens out;
  if (config.decoder) settle_decoder(config, folder, table, spec, inventory);
  const std::vector<NamedToken> named = settle_named(folder / kMap, config, table, out.eos_file, inventory);
  if (fs::exists(folder / kAdded)) settle_added(folder / kAdded, config, named, table, inventory);
  mark_special(named, table, inventory);
  if (const NamedToken* eos = find_role(named, "eos_token")) out.eos = eos->token.content;
  out.changes = table.changes();
  return out;
}

}  // namespace anemll::text
