#include "tests/support/fake_hub.hpp"

#include "src/core/hash.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <httplib.h>
#include <openssl/evp.h>

namespace anemll::test {
namespace {

constexpr const char* kHost = "127.0.0.1";
constexpr int kLongest_s = 60;  // of a reply that hangs

struct Entry {
  std::string content;
  bool large = false;
};

std::string git_sha1(const std::string& content) {
  const std::string data = "blob " + std::to_string(content.size()) + '\0' + content;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha1(), nullptr) != 1)
    throw std::runtime_error("no SHA-1");
  std::string text;
  char hex[3];
  for (unsigned int i = 0; i < size; ++i) {
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned>(digest[i]));
    text += hex;
  }
  return text;
}

std::string encoded(const std::string& path) {
  std::string out;
  for (const char c : path) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("/-_.~", c) != nullptr;
    out += plain ? std::string(1, c) : std::string(hex);
  }
  return out;
}

FakeReply error(int status, const std::string& code) {
  FakeReply reply;
  reply.status = status;
  reply.headers["X-Error-Code"] = code;
  reply.headers["X-Error-Message"] = "fake hub: " + code;
  return reply;
}

/// "bytes=100-" of a body; anything else is the whole.
void apply_range(const std::string& range, FakeReply& reply) {
  if (!range.starts_with("bytes=") || reply.status != 200) return;
  const std::size_t begin = std::strtoull(range.c_str() + 6, nullptr, 10);
  const std::string whole = std::to_string(reply.body.size());
  if (begin >= reply.body.size()) {
    reply = FakeReply();
    reply.status = 416;
    reply.headers["Content-Range"] = "bytes */" + whole;
    return;
  }
  const std::size_t dash = range.find('-');
  std::size_t end = std::stoull(whole) - 1;
  if (dash + 1 < range.size())
    end = std::min<std::size_t>(end, std::strtoull(range.c_str() + dash + 1, nullptr, 10));
  reply.status = 206;
  reply.headers["Content-Range"] = "bytes " + std::to_string(begin) + "-" + std::to_string(end) + "/" + whole;
  reply.body = reply.body.substr(begin, end - begin + 1);
}

}  // namespace

struct FakeHub::Impl {
  httplib::Server servers[2];
  int ports[2] = {0, 0};
  std::vector<std::thread> threads;
  mutable std::mutex mutex;
  std::condition_variable stopped;
  bool stopping = false;
  std::map<std::string, std::map<std::string, Entry>> repositories;
  std::vector<FakeRequest> seen;
  Hook hook;

  void hold() {
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, std::chrono::seconds(kLongest_s), [this] { return stopping; });
  }
  std::string address(int which) const {
    return std::string("http://") + kHost + ":" + std::to_string(ports[which]);
  }
  void handle(bool store, const httplib::Request& request, httplib::Response& response);
  FakeReply route(const FakeRequest& request) const;
  FakeReply listing(const std::string& path) const;
  FakeReply file(const std::string& path, bool resolved) const;
};

FakeReply FakeHub::Impl::listing(const std::string& path) const {
  // models/org/name/revision/main
  const std::size_t at = path.find("/revision/");
  std::string repository = path.substr(0, at);
  if (repository.starts_with("models/")) repository.erase(0, 7);
  const auto found = repositories.find(repository);
  if (found == repositories.end()) return error(401, "RepoNotFound");
  const std::string revision = at == std::string::npos ? "main" : path.substr(at + 10);
  if (revision != "main" && revision != kCommit) return error(404, "RevisionNotFound");
  FakeReply reply;
  reply.headers["Content-Type"] = "application/json";
  reply.body = "{\"id\":\"" + repository + "\",\"sha\":\"" + kCommit + "\",\"siblings\":[";
  bool first = true;
  for (const auto& [name, entry] : found->second) {
    reply.body += std::string(first ? "" : ",") + R"({"rfilename":")" + name + R"("})";
    first = false;
  }
  reply.body += "]}";
  return reply;
}

FakeReply FakeHub::Impl::file(const std::string& path, bool resolved) const {
  // org/name/resolve/main/path, org/name/main/path when resolved
  for (const auto& [repository, files] : repositories) {
    const std::string start = repository + (resolved ? "/" : "/resolve/");
    if (!path.starts_with(start)) continue;
    const std::size_t slash = path.find('/', start.size());
    if (slash == std::string::npos) return error(404, "EntryNotFound");
    const std::string revision = path.substr(start.size(), slash - start.size());
    if (revision != "main" && revision != kCommit) return error(404, "RevisionNotFound");
    const auto found = files.find(path.substr(slash + 1));
    if (found == files.end()) return error(404, "EntryNotFound");
    const Entry& entry = found->second;
    std::string etag(1, '"');
    etag.append(FakeHub::etag(entry.content, entry.large)).append(1, '"');
    FakeReply reply;
    reply.headers["X-Repo-Commit"] = kCommit;
    if (entry.large) {
      reply.status = 302;
      reply.headers["X-Linked-Etag"] = etag;
      reply.headers["X-Linked-Size"] = std::to_string(entry.content.size());
      reply.headers["Location"] = address(1) + "/" + FakeHub::etag(entry.content, true) + "?signature=secret";
    } else if (!resolved) {
      reply.status = 307;
      reply.headers["Location"] =
          "/api/resolve-cache/models/" + repository + "/" + kCommit + "/" + encoded(found->first);
      reply.body = "Temporary Redirect";
    } else {
      reply.headers["ETag"] = etag;
      reply.body = entry.content;
    }
    return reply;
  }
  return error(401, "RepoNotFound");
}

FakeReply FakeHub::Impl::route(const FakeRequest& request) const {
  if (request.store) {
    for (const auto& [repository, files] : repositories) {
      for (const auto& [name, entry] : files) {
        if (!entry.large || request.path.substr(1) != FakeHub::etag(entry.content, true)) continue;
        FakeReply reply;
        reply.body = entry.content;
        return reply;
      }
    }
    return error(404, "");
  }
  const std::string cache = "/api/resolve-cache/models/";
  if (request.path.starts_with(cache)) return file(request.path.substr(cache.size()), true);
  if (request.path.starts_with("/api/")) return listing(request.path.substr(5));
  return file(request.path.substr(1), false);
}

void FakeHub::Impl::handle(bool store, const httplib::Request& request, httplib::Response& response) {
  FakeRequest seen_now{store,
                       request.method,
                       request.path,
                       request.get_header_value("Authorization"),
                       request.get_header_value("Range"),
                       request.get_header_value("Accept-Encoding")};
  FakeReply reply;
  Hook meddle;
  {
    const std::lock_guard lock(mutex);
    seen.push_back(seen_now);
    reply = route(seen_now);
    if (request.method != "HEAD") apply_range(seen_now.range, reply);
    meddle = hook;
  }
  if (meddle) meddle(seen_now, reply);
  if (reply.silent) hold();
  // The library would cut ranges itself.
  const_cast<httplib::Request&>(request).ranges.clear();
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) {
    if (name != "Content-Type") response.set_header(name, value);
  }
  const auto type = reply.headers.find("Content-Type");
  const std::string mime = type != reply.headers.end() ? type->second : "application/octet-stream";
  if (!reply.cut || request.method == "HEAD") {
    response.set_content(reply.body, mime);
    return;
  }
  response.set_content_provider(reply.body.size(), mime,
                                [this, reply](std::size_t offset, std::size_t, httplib::DataSink& sink) {
                                  if (offset < *reply.cut)
                                    return sink.write(reply.body.data() + offset, *reply.cut - offset);
                                  if (reply.hang) hold();
                                  return false;
                                });
}

FakeHub::FakeHub() : impl_(std::make_unique<Impl>()) {
  for (const int which : {0, 1}) {
    httplib::Server& server = impl_->servers[which];
    server.set_keep_alive_timeout(1);
    server.set_tcp_nodelay(true);
    server.Get(".*", [this, which](const httplib::Request& request, httplib::Response& response) {
      impl_->handle(which == 1, request, response);
    });
    impl_->ports[which] = server.bind_to_any_port(kHost);
    if (impl_->ports[which] <= 0) throw std::runtime_error("the fake hub cannot bind a port");
    impl_->threads.emplace_back([&server] { server.listen_after_bind(); });
  }
  for (httplib::Server& server : impl_->servers) {
    while (!server.is_running()) std::this_thread::yield();
  }
}

FakeHub::~FakeHub() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->stopped.notify_all();
  for (httplib::Server& server : impl_->servers) server.stop();
  for (std::thread& thread : impl_->threads) thread.join();
}

std::string FakeHub::endpoint() const {
  return impl_->address(0);
}
std::string FakeHub::store() const {
  return impl_->address(1);
}

void FakeHub::add(const std::string& repository, const std::string& path, const std::string& content,
                  bool large) {
  const std::lock_guard lock(impl_->mutex);
  impl_->repositories[repository][path] = {content, large};
}

void FakeHub::on_request(Hook hook) {
  const std::lock_guard lock(impl_->mutex);
  impl_->hook = std::move(hook);
}

std::vector<FakeRequest> FakeHub::seen() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

int FakeHub::count(const std::string& method, const std::string& text) const {
  const std::vector<FakeRequest> all = seen();
  return static_cast<int>(std::count_if(all.begin(), all.end(), [&](const FakeRequest& request) {
    return request.method == method && request.path.find(text) != std::string::npos;
  }));
}

std::string FakeHub::etag(const std::string& content, bool large) {
  return large ? sha256_hex(content) : git_sha1(content);
}

}  // namespace anemll::test
