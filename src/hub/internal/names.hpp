// What a name may be: repositories, revisions, commits, paths inside a repository, etags. Names come from
// command lines, cache files and servers; those that could lead out of their folder are refused here.
#pragma once

#include "anemll/hub/hub.hpp"

#include <string>

namespace anemll {

/// name or org/name, of the characters and lengths that the hub allows.
bool is_repository_name(const std::string& id);

/// 40 hexadecimal digits, in lower case.
bool is_commit(const std::string& text);

/// A branch, tag, commit or refs/...: no way out of refs/, nothing unprintable.
bool is_revision(const std::string& text);

/// A relative path of plain components that stays below its folder on every system: no "..", no leading
/// slash, no backslash, no control character, no component that is empty or too long for a file name.
bool is_safe_path(const std::string& path);

/// models--org--name, datasets--org--name.
std::string repository_folder(HubKind kind, const std::string& id);

/// Percent-encoded; slashes stay when `keep_slashes`.
std::string url_encoded(const std::string& text, bool keep_slashes);

/// The file name of a blob: the etag itself when it is a plain word, else a digest of it.
std::string blob_name(const std::string& etag);

/// "model" or "dataset", for messages.
const char* kind_word(HubKind kind);

}  // namespace anemll
