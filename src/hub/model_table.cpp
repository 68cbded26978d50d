#include "src/hub/internal/model_table.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/hub/internal/damage.hpp"
#include "src/hub/internal/names.hpp"
#include "src/hub/model_text_files.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
using Names = std::vector<std::string>;

enum class Need {
  required,  ///< an error without it
  weights,   ///< one file, or an index and the shards that it names
  second,    ///< weights of another form: downloaded where the repository has none of the first
  warned,    ///< most models have it: a warning where the repository could not be asked
  noted,     ///< many models have none: a line in the log then
  unread,    ///< another form of a file that is read: never downloaded, named where that one is missing
};

struct ModelFile {
  std::string_view name;  ///< "*" stands for any text, in the model's folder only
  ModelUse use;           ///< never `all`; `generation`: only for that
  Need need;
  Content content;
  std::string_view role;  ///< what depends on it; for `unread` what may be done
};

constexpr const char* kSafetensors = ".safetensors";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kBin = "pytorch_model.bin";  // of torch.save
constexpr const char* kBinIndex = "pytorch_model.bin.index.json";
constexpr std::string_view kTemplates = "additional_chat_templates/";
constexpr std::string_view kConvert =
    "save the model with save_pretrained of the Python library transformers";

constexpr ModelFile kFiles[] = {
    {"config.json", ModelUse::weights, Need::required, Content::object, "the architecture"},
    {kSingle, ModelUse::weights, Need::weights, Content::tensors, "the weights"},
    {kIndex, ModelUse::weights, Need::weights, Content::object, "the weights"},
    {"*.safetensors", ModelUse::weights, Need::weights, Content::tensors, "the weights"},
    {"*.safetensors.index.json", ModelUse::weights, Need::weights, Content::object, "the weights"},
    {kBin, ModelUse::weights, Need::second, Content::any, "the weights"},
    {kBinIndex, ModelUse::weights, Need::second, Content::object, "the weights"},
    {"pytorch_model-*.bin", ModelUse::weights, Need::second, Content::any, "the weights"},
    {"*.bin", ModelUse::weights, Need::unread, Content::any, kConvert},
    {"*.pth", ModelUse::weights, Need::unread, Content::any, kConvert},
    {"*.gguf", ModelUse::weights, Need::unread, Content::any, "download one .gguf file and give its path"},
    {"tokenizer.json", ModelUse::text, Need::required, Content::object, "the tokens"},
    {"tokenizer_config.json", ModelUse::text, Need::warned, Content::object,
     "the end of text, further tokens and the chat template"},
    {"chat_template.jinja", ModelUse::text, Need::noted, Content::any,
     "the chat template, before that of tokenizer_config.json"},
    {"added_tokens.json", ModelUse::text, Need::noted, Content::object, "further tokens"},
    {"special_tokens_map.json", ModelUse::text, Need::noted, Content::object, "special tokens"},
    {"generation_config.json", ModelUse::generation, Need::noted, Content::object,
     "how to sample, and what ends a text"},
    {"vocab.json", ModelUse::text, Need::unread, Content::any, kConvert},
    {"vocab.txt", ModelUse::text, Need::unread, Content::any, kConvert},
    {"merges.txt", ModelUse::text, Need::unread, Content::any, kConvert},
    {"*.model", ModelUse::text, Need::unread, Content::any, kConvert},
};

bool serves(const ModelFile& file, ModelUse use) {
  if (use == ModelUse::generation || file.use == use) return true;
  return use == ModelUse::all && file.use != ModelUse::generation;
}
bool is_pattern(const ModelFile& file) {
  return file.name.find('*') != std::string_view::npos;
}
bool fits(const ModelFile& file, std::string_view name) {
  const std::size_t star = file.name.find('*');
  if (star == std::string_view::npos) return name == file.name;
  return name.size() + 1 >= file.name.size() && name.starts_with(file.name.substr(0, star)) &&
         name.ends_with(file.name.substr(star + 1));
}
bool has_safetensors(const Names& names) {
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.ends_with(kSafetensors) && name.find('/') == std::string::npos;
  });
}

std::string joined(const Names& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// "name" where it is not there, "name (the damage)" where it is damaged, "" where it is whole.
std::string lack_of(const fs::path& folder, const std::string& name, Content content) {
  if (!has_name(folder / name)) return name;
  const std::string damage = damage_of(folder / name, content);
  return damage.empty() ? "" : name + " (" + damage + ")";
}

/// Names in the folder that end so, links whose blobs are gone included.
Names names_ending(const fs::path& folder, std::string_view end) {
  Names found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(end)) found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Of weights in one file, or in shards and their index.
void add_lacking_form(const fs::path& folder, const char* single, const char* index, Content content,
                      Names& lacking) {
  if (has_name(folder / single)) {
    if (std::string lack = lack_of(folder, single, content); !lack.empty())
      lacking.push_back(std::move(lack));
    return;
  }
  if (std::string lack = lack_of(folder, index, Content::any); !lack.empty()) {
    lacking.push_back(std::move(lack));
    return;
  }
  const Json root = Json::parse(read_input_text(folder / index), nullptr, /*allow_exceptions=*/false);
  const bool readable = root.is_object() && root.contains("weight_map") && root["weight_map"].is_object();
  std::set<std::string> shards;
  for (const Json& file : readable ? root["weight_map"] : Json::array({0})) {
    if (file.is_string() && is_safe_path(file.get<std::string>())) {
      shards.insert(file.get<std::string>());
      continue;
    }
    lacking.push_back(std::string("readable ") + index);
    return;
  }
  for (const std::string& shard : shards) {
    if (std::string lack = lack_of(folder, shard, content); !lack.empty()) lacking.push_back(std::move(lack));
  }
}

void add_lacking_weights(const fs::path& folder, Names& lacking) {
  const Names files = names_ending(folder, kSafetensors);
  const bool safe = !files.empty() || has_name(folder / kIndex);
  const auto is_part = [](const std::string& name) { return name.find("-of-") != std::string::npos; };
  if (!safe && (has_name(folder / kBin) || has_name(folder / kBinIndex)))
    return add_lacking_form(folder, kBin, kBinIndex, Content::any, lacking);
  if (has_name(folder / kSingle) || has_name(folder / kIndex))
    return add_lacking_form(folder, kSingle, kIndex, Content::tensors, lacking);
  lacking.emplace_back(std::any_of(files.begin(), files.end(), is_part) ? kIndex : kSingle);
}

/// What there is in place of a file that is needed, and what to do with it; empty when there is nothing.
std::string other_form(const fs::path& folder, ModelUse use) {
  for (const ModelFile& file : kFiles) {
    if (file.need != Need::unread || file.use != use) continue;
    const Names found = names_ending(folder, is_pattern(file) ? file.name.substr(1) : file.name);
    if (!found.empty()) return found.front() + " is there, but is not read: " + std::string(file.role);
  }
  return {};
}

}  // namespace

Names choose_model_files(const Names& names, ModelUse use) {
  Names chosen;
  const bool safe = has_safetensors(names);
  std::copy_if(names.begin(), names.end(), std::back_inserter(chosen), [use, safe](const std::string& name) {
    // Other sub-folders hold other formats of the same model.
    if (name.starts_with(kTemplates) && name.ends_with(".jinja")) return true;
    if (name.find('/') != std::string::npos) return false;
    return std::any_of(std::begin(kFiles), std::end(kFiles), [&](const ModelFile& file) {
      // Those of texts are small, and the weights are of no use to most without them.
      return file.need != Need::unread && !(safe && file.need == Need::second) && fits(file, name) &&
             (file.use == ModelUse::text || serves(file, use));
    });
  });
  return chosen;
}

std::string missing_of_model(const fs::path& folder, ModelUse use) {
  std::string out;
  const bool whole = use == ModelUse::all || use == ModelUse::generation;
  for (const ModelUse part : {ModelUse::weights, ModelUse::text}) {
    if (!whole && use != part) continue;
    Names lacking;
    for (const ModelFile& file : kFiles) {
      if (file.use != part || is_pattern(file) || file.need == Need::unread) continue;
      if (file.need == Need::weights || file.need == Need::second) continue;
      const std::string name(file.name);
      if (file.need != Need::required && !has_name(folder / name)) continue;
      if (std::string lack = lack_of(folder, name, file.content); !lack.empty())
        lacking.push_back(std::move(lack));
    }
    if (part == ModelUse::weights) add_lacking_weights(folder, lacking);
    if (part == ModelUse::text) {
      for (const std::string& name : names_ending(folder / kTemplates, ".jinja")) {
        if (std::string lack = lack_of(folder, std::string(kTemplates) + name, Content::any); !lack.empty())
          lacking.push_back(std::move(lack));
      }
    }
    if (lacking.empty()) continue;
    out += (out.empty() ? "" : ", ") + joined(lacking);
    if (const std::string other = other_form(folder, part); !other.empty()) out += " (" + other + ")";
  }
  return out;
}

std::string damage_of_model_file(const fs::path& folder, const std::string& path) {
  const auto* const file = std::find_if(std::begin(kFiles), std::end(kFiles),
                                        [&](const ModelFile& row) { return fits(row, path); });
  return damage_of(folder / path, file == std::end(kFiles) ? Content::any : file->content);
}

Names wished_of_model(ModelUse use) {
  Names wished;
  for (const ModelFile& file : kFiles) {
    if (serves(file, use) && (file.need == Need::warned || file.need == Need::noted))
      wished.emplace_back(file.name);
  }
  return wished;
}

void tell_of_model(const fs::path& folder, const Names& unknown, const std::string& why, ModelUse use) {
  const auto is_unknown = [&](const ModelFile& file) {
    return std::find(unknown.begin(), unknown.end(), file.name) != unknown.end();
  };
  Names noted;
  for (const ModelFile& file : kFiles) {
    if (!serves(file, use)) continue;
    const std::string name(file.name);
    if (file.need == Need::warned && is_unknown(file)) {
      log_warning("the cached snapshot " + folder.string() + " has no " + name +
                  ", which the model may have (" + std::string(file.role) + "): " + why);
    } else if (file.need == Need::noted && is_unknown(file)) {
      noted.push_back(name);
    }
    if (!is_pattern(file) && file.need != Need::unread && differs_from_its_blob_name(folder / name))
      log_warning("the cached file " + (folder / name).string() +
                  " is not what was downloaded: changed by hand, or damaged. Remove it to get it again");
  }
  if (!noted.empty())
    log_info("the cached snapshot has no " + joined(noted) + "; whether the model has is not known: " + why);
}

Names model_text_files(const fs::path& folder) {
  Names found;
  for (const ModelFile& file : kFiles) {
    if (file.use != ModelUse::text) continue;
    if (is_pattern(file)) {
      for (std::string& name : names_ending(folder, file.name.substr(1))) found.push_back(std::move(name));
    } else if (has_name(folder / file.name)) {
      found.emplace_back(file.name);
    }
  }
  for (const std::string& name : names_ending(folder / kTemplates, ".jinja"))
    found.push_back(std::string(kTemplates) + name);
  return found;
}

void check_local_model(const fs::path& folder, ModelUse use) {
  for (const ModelFile& file : kFiles) {
    if (!serves(file, use) || file.need == Need::unread || is_pattern(file)) continue;
    const fs::path path = folder / file.name;
    if (const std::string damage = damage_of(path, Content::any); !damage.empty())
      throw_data("the model's " + std::string(file.name) + " is " + damage, path.string(),
                 damage.find("LFS") != std::string::npos
                     ? "get the content with `git lfs pull`, or download the file again"
                     : "it holds " + std::string(file.role) + ": " + fetch_advice(path));
  }
}

}  // namespace anemll
