#include "src/hub/internal/hub_client.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/hub/internal/backoff.hpp"
#include "src/hub/internal/names.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kMaxMessage = 300;

/// What the server says, safe to print.
std::string server_words(const std::string& text) {
  return printable(text, kMaxMessage);
}

std::string header_or(const HttpReply& reply, const std::string& name, const std::string& fallback) {
  const std::string* value = reply.header(name);
  return value != nullptr ? *value : fallback;
}

/// W/"abc" -> abc
std::string bare_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  etag.erase(std::remove(etag.begin(), etag.end(), '"'), etag.end());
  return etag;
}

std::optional<std::uint64_t> parse_size(const std::string* text) {
  if (text == nullptr || text->empty() || text->size() > 18 ||
      !std::all_of(text->begin(), text->end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
    return std::nullopt;
  return std::stoull(*text);
}

}  // namespace

HubClient::HubClient(const HubSettings& settings, HubKind kind, const std::string& id,
                     const std::string& tried)
    : settings_(settings), http_(settings), tried_(tried), word_(kind_word(kind)), id_(id) {
  const std::string name = url_encoded(id, true);
  page_ = settings.endpoint + (kind == HubKind::dataset ? "/datasets/" : "/") + name;
  api_ = settings.endpoint + (kind == HubKind::dataset ? "/api/datasets/" : "/api/models/") + name;
}

std::string HubClient::places(const std::string& url) const {
  return (tried_.empty() ? "" : "looked in: " + tried_ + ", ") + url;
}

HubListing HubClient::list(const std::string& revision) {
  revision_ = revision;
  const std::string url = api_ + "/revision/" + url_encoded(revision, false);
  Backoff backoff(settings_.retry);
  HttpReply reply = http_.get_text(url);
  while (!reply.ok() && backoff.again(reply, id_)) reply = http_.get_text(url);
  if (!reply.ok()) fail(reply, "the list of files");

  const Json info = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  const auto not_a_hub = [&](const std::string& why) {
    throw_data("the answer is not a hub's: " + why, url, "check HF_ENDPOINT, and what a proxy makes of it");
  };
  if (!info.is_object()) not_a_hub("no JSON object, but " + server_words(reply.body));
  HubListing listing;
  if (const auto sha = info.find("sha"); sha != info.end() && sha->is_string())
    listing.commit = sha->get<std::string>();
  if (!is_commit(listing.commit)) not_a_hub("it names no commit");
  if (is_commit(revision) && listing.commit != revision) not_a_hub("it is of commit " + listing.commit);
  const auto siblings = info.find("siblings");
  if (siblings == info.end() || !siblings->is_array()) not_a_hub("it lists no files");
  for (const Json& file : *siblings) {
    if (!file.is_object() || !file.contains("rfilename") || !file["rfilename"].is_string())
      not_a_hub("a file has no name");
    listing.files.push_back(file["rfilename"].get<std::string>());
  }
  return listing;
}

RemoteFile HubClient::find(const std::string& commit, const std::string& path) {
  RemoteFile file;
  file.path = path;
  file.url = page_ + "/resolve/" + commit + "/" + url_encoded(path, true);
  Backoff backoff(settings_.retry);
  const auto answered = [](const HttpReply& reply) {
    return reply.failure == HttpFailure::none && reply.status >= 200 && reply.status < 400;
  };
  HttpReply reply = http_.head(file.url);
  while (!answered(reply) && backoff.again(reply, path)) reply = http_.head(file.url);
  if (!answered(reply)) fail(reply, path);

  const std::string* linked = reply.header("x-linked-etag");
  file.etag = bare_etag(linked != nullptr ? *linked : header_or(reply, "etag", ""));
  if (file.etag.empty()) {
    throw_data("the hub does not say what the file is (no ETag)", reply.url,
               "check HF_ENDPOINT, and what a proxy makes of it");
  }
  file.size = parse_size(reply.header("x-linked-size"));
  // A redirect's own length is not the file's.
  if (!file.size && reply.ok()) file.size = parse_size(reply.header("content-length"));
  const std::string* at = reply.header("x-repo-commit");
  if (at != nullptr && *at != commit)
    throw_data("the hub answers with commit " + server_words(*at) + " instead of " + commit, reply.url,
               "try again; if it stays, check HF_ENDPOINT, and what a proxy makes of it");
  return file;
}

HttpReply HubClient::get(const RemoteFile& file, std::uint64_t offset, const BodySink& sink) {
  return http_.get(file.url, offset, sink);
}

void HubClient::fail(const HttpReply& reply, const std::string& what) const {
  if (reply.failure == HttpFailure::none) fail_status(reply, what);
  const std::string problem = reply.failure == HttpFailure::timed_out     ? "the hub does not answer in time"
                              : reply.failure == HttpFailure::unreachable ? "the hub cannot be reached"
                              : reply.failure == HttpFailure::refused     ? "the hub's answer is refused"
                                                                          : "the connection to the hub broke";
  const std::string hint =
      reply.failure == HttpFailure::timed_out
          ? "HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT set the patience in seconds"
      : reply.failure == HttpFailure::refused
          ? "check HF_ENDPOINT; SSL_CERT_FILE names the certificates to trust"
          : "check the network, or fetch the files elsewhere and give their folder; HF_ENDPOINT names "
            "another hub" +
                std::string(tried_.empty() ? "" : "; a path was meant: there is nothing at ") + tried_;
  throw_data(problem + " for " + what + ": " + server_words(reply.error), places(reply.url), hint);
}

void HubClient::fail_status(const HttpReply& reply, const std::string& what) const {
  const std::string code = header_or(reply, "x-error-code", "");
  const std::string said = server_words(header_or(reply, "x-error-message", ""));
  const std::string tail = said.empty() ? "" : ": " + said;
  const bool has_token = !settings_.token.empty();
  const std::string log_in =
      has_token ? "the access token that was sent does not allow it: set HF_TOKEN to another; see " + page_
                : "set HF_TOKEN to an access token that may read it; see " + page_;
  if (code == "GatedRepo") {
    throw_data("the " + word_ + " " + id_ + " is gated" + tail, places(reply.url),
               has_token ? "ask for access with the account of your token (HF_TOKEN) at " + page_
                         : "ask for access at " + page_ + ", then set HF_TOKEN to an access token");
  }
  if (code == "RevisionNotFound") {
    throw NoSuchRevision(ExitCode::data,
                         "the " + word_ + " " + id_ + " has no revision " + server_words(revision_),
                         places(reply.url), "give a branch, a tag or a commit of it: git ls-remote " + page_);
  }
  if (code == "EntryNotFound")
    throw_data("the " + word_ + " " + id_ + " has no file " + server_words(what), places(reply.url),
               "look at its files at " + page_ + ", and give another ORG/NAME or revision");
  if (code == "RepoNotFound" || reply.status == 404 || (reply.status == 401 && !has_token)) {
    throw_data("there is no " + word_ + " " + id_ + ", or it is private" + tail, places(reply.url),
               "check the name; " + log_in);
  }
  if (reply.status == 401 || reply.status == 403) {
    throw_data(
        "no access to the " + word_ + " " + id_ + " (HTTP " + std::to_string(reply.status) + ")" + tail,
        places(reply.url), log_in);
  }
  if (reply.status == 429) {
    const auto wait = asked_to_wait(reply);
    throw_data("too many requests for the hub" + tail, places(reply.url),
               (wait ? "try again in " + format_seconds(*wait) : std::string("try again later")) +
                   (has_token ? "; HF_ENDPOINT names another hub" : "; HF_TOKEN raises the limit"));
  }
  throw_data("the hub answers HTTP " + std::to_string(reply.status) + " for " + server_words(what) + tail,
             places(reply.url),
             reply.status >= 500 ? "try again later; HF_ENDPOINT names another hub"
                                 : "check HF_ENDPOINT and the name");
}

}  // namespace anemll
