// The file that knows libcurl.
#include "src/hub/internal/http.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/build_info.hpp"
#include "src/core/signals.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <exception>
#include <stdexcept>

#include <curl/curl.h>

namespace anemll {
namespace {

constexpr int kMaxRedirects = 10;
constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxHeaderBytes = std::size_t{256} << 10;
constexpr int kPoll_ms = 100;

using Clock = std::chrono::steady_clock;

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDeleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

/// libcurl's own initialisation, once per process.
struct Library {
  Library() {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
      throw std::runtime_error("libcurl cannot be initialised");
  }
};

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  if (const CURLcode code = curl_easy_setopt(easy, option, value); code != CURLE_OK)
    throw std::runtime_error(std::string("libcurl refuses an option: ") + curl_easy_strerror(code));
}

/// `reference` seen from `base` ("" for an absolute one), null when it is no URL.
Url parse_url(const std::string& base, const std::string& reference) {
  Url url(curl_url());
  if (url == nullptr) throw std::bad_alloc();
  if (!base.empty() && curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return nullptr;
  if (curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return nullptr;
  return url;
}

std::string part(const Url& url, CURLUPart which) {
  char* text = nullptr;
  const unsigned int flags = which == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0U;
  if (url == nullptr || curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  if (which != CURLUPART_URL) {
    std::transform(copy.begin(), copy.end(), copy.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
  return copy;
}

/// Scheme, host and port: what a token belongs to.
std::string origin(const Url& url) {
  return part(url, CURLUPART_SCHEME) + "://" + part(url, CURLUPART_HOST) + ":" + part(url, CURLUPART_PORT);
}

/// Whether a Location names a host: "scheme:..." or "//host/...".
bool names_host(const std::string& location) {
  if (location.starts_with("//")) return true;
  const std::size_t colon = location.find(':');
  return colon != std::string::npos && colon < location.find_first_of("/?#");
}

HttpFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return HttpFailure::none;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return HttpFailure::unreachable;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpFailure::timed_out;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return HttpFailure::refused;
    default:
      return HttpFailure::broken;
  }
}

/// One request under way: what libcurl's callbacks fill.
struct Transfer {
  HttpReply reply;
  const BodySink* sink = nullptr;
  bool begun = false;
  std::size_t header_bytes = 0;
  Clock::time_point last_sign = Clock::now();
  std::exception_ptr thrown;

  void begin() {
    if (begun || sink == nullptr || reply.status < 200 || reply.status >= 300) return;
    begun = true;
    sink->begin(reply);
  }

  void header_line(std::string line) {
    last_sign = Clock::now();
    header_bytes += line.size();
    if (header_bytes > kMaxHeaderBytes)
      throw_data("the hub's answer has more than 256 KiB of headers", reply.url, "check HF_ENDPOINT");
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    // A proxy's or an interim answer comes before the last one.
    if (line.starts_with("HTTP/")) {
      reply.headers.clear();
      const std::size_t space = line.find(' ');
      reply.status = space == std::string::npos ? 0 : std::strtol(line.c_str() + space, nullptr, 10);
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) return;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::size_t begin_value = std::min(line.find_first_not_of(" \t", colon + 1), line.size());
    reply.headers[name] = line.substr(begin_value);
  }

  void body(std::span<const std::byte> bytes) {
    last_sign = Clock::now();
    begin();
    if (begun) {
      sink->write(bytes);
      last_sign = Clock::now();  // a slow disk is not a slow server
      return;
    }
    if (reply.body.size() + bytes.size() > kMaxTextBytes)
      throw_data("the hub's answer is longer than 64 MiB", reply.url,
                 "check HF_ENDPOINT and the repository's name");
    reply.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  /// Exceptions must not pass through libcurl: they wait here, and a short count ends the transfer.
  template <class Work>
  std::size_t guarded(std::size_t bytes, const Work& work) {
    try {
      work();
      return bytes;
    } catch (...) {
      thrown = std::current_exception();
      return bytes == 0 ? 1 : 0;
    }
  }
};

extern "C" {
std::size_t anemll_hub_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  return transfer.guarded(size * count, [&] { transfer.header_line({data, size * count}); });
}
std::size_t anemll_hub_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  return transfer.guarded(size * count, [&] { transfer.body(std::as_bytes(std::span(data, size * count))); });
}
}

}  // namespace

struct HttpClient::Impl {
  struct Request {
    bool head = false;
    bool follow_hosts = true;
    std::uint64_t offset = 0;
    double timeout_s = 10;
    const BodySink* sink = nullptr;
  };

  explicit Impl(const HubSettings& given) : settings(given) {
    static const Library library;
    easy.reset(curl_easy_init());
    multi.reset(curl_multi_init());
    if (easy == nullptr || multi == nullptr) throw std::runtime_error("libcurl cannot be initialised");
    endpoint_origin = origin(parse_url("", settings.endpoint));
    for (const char* name : {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
      if (authorities.empty()) authorities = environment(name).value_or("");
    }
  }

  HttpReply request(std::string url, const Request& wanted);
  HttpReply perform(const std::string& url, const Request& wanted);
  CURLcode run(Transfer& transfer, double timeout_s);

  HubSettings settings;
  std::string endpoint_origin;
  std::string authorities;  // certificates, where the environment names them
  std::array<char, CURL_ERROR_SIZE> message{};
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::unique_ptr<CURL, EasyDeleter> easy;  // declared last: cleaned up before the multi handle
};

CURLcode HttpClient::Impl::run(Transfer& transfer, double timeout_s) {
  if (curl_multi_add_handle(multi.get(), easy.get()) != CURLM_OK)
    throw std::runtime_error("libcurl refuses a transfer");
  struct Removal {
    Impl& impl;
    ~Removal() { curl_multi_remove_handle(impl.multi.get(), impl.easy.get()); }
  } removal{*this};
  const auto poll_ms = static_cast<int>(std::clamp(timeout_s * 250, 1.0, double{kPoll_ms}));
  for (;;) {
    int running = 0;
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) return CURLE_RECV_ERROR;
    int left = 0;
    while (const CURLMsg* news = curl_multi_info_read(multi.get(), &left)) {
      if (news->msg == CURLMSG_DONE) return news->data.result;
    }
    if (pending_signal() != 0) {
      throw Error(ExitCode::save_and_requeue, "asked to stop while downloading", transfer.reply.url,
                  "start again: the download goes on where it was");
    }
    if (std::chrono::duration<double>(Clock::now() - transfer.last_sign).count() > timeout_s)
      return CURLE_OPERATION_TIMEDOUT;
    curl_multi_poll(multi.get(), nullptr, 0, poll_ms, nullptr);
  }
}

HttpReply HttpClient::Impl::perform(const std::string& url, const Request& wanted) {
  Transfer transfer;
  transfer.reply.url = url.substr(0, url.find('?'));  // a signed URL's query is a secret
  transfer.sink = wanted.sink;
  message[0] = '\0';
  CURL* handle = easy.get();
  curl_easy_reset(handle);
  set(handle, CURLOPT_URL, url.c_str());
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_ERRORBUFFER, message.data());
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(wanted.timeout_s * 1000) + 1);
  set(handle, CURLOPT_HEADERFUNCTION, &anemll_hub_header);
  set(handle, CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
  set(handle, CURLOPT_WRITEFUNCTION, &anemll_hub_body);
  set(handle, CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
#if LIBCURL_VERSION_NUM >= 0x075500
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  set(handle, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  if (!authorities.empty()) set(handle, CURLOPT_CAINFO, authorities.c_str());
  if (wanted.head) set(handle, CURLOPT_NOBODY, 1L);
  const std::string range = std::to_string(wanted.offset) + "-";
  if (wanted.offset > 0) set(handle, CURLOPT_RANGE, range.c_str());
  const std::string agent = "anemll_train/" + build_info().version + "; libcurl/" LIBCURL_VERSION;
  set(handle, CURLOPT_USERAGENT, agent.c_str());

  std::unique_ptr<curl_slist, ListDeleter> headers;
  const auto add = [&headers](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers.release());  // it became a part of longer
    headers.reset(longer);
  };
  // Otherwise lengths and ranges would be those of a compressed answer.
  add("Accept-Encoding: identity");
  if (!settings.token.empty() && origin(parse_url("", url)) == endpoint_origin)
    add("Authorization: Bearer " + settings.token);
  set(handle, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = run(transfer, wanted.timeout_s);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  transfer.reply.failure = failure_of(code);
  if (code != CURLE_OK) transfer.reply.error = message[0] != '\0' ? message.data() : curl_easy_strerror(code);
  if (code == CURLE_OK) transfer.begin();  // an empty file has no body
  return std::move(transfer.reply);
}

HttpReply HttpClient::Impl::request(std::string url, const Request& wanted) {
  for (int hop = 0;; ++hop) {
    HttpReply reply = perform(url, wanted);
    const std::string* location = reply.header("location");
    const bool redirect = reply.status == 301 || reply.status == 302 || reply.status == 303 ||
                          reply.status == 307 || reply.status == 308;
    if (reply.failure != HttpFailure::none || !redirect || location == nullptr) return reply;
    if (!wanted.follow_hosts && names_host(*location)) return reply;
    const auto refuse = [&](const std::string& why) {
      reply.failure = HttpFailure::refused;
      reply.error = why;
      return reply;
    };
    if (hop == kMaxRedirects) return refuse("more than 10 redirects");
    const Url here = parse_url("", url);
    const Url next = parse_url(url, *location);
    const std::string scheme = part(next, CURLUPART_SCHEME);
    const std::string to = ": " + location->substr(0, location->find('?'));  // what follows may be a secret
    if (scheme != "http" && scheme != "https") return refuse("redirected to what is no web address" + to);
    if (scheme == "http" && part(here, CURLUPART_SCHEME) == "https")
      return refuse("redirected from https to http" + to);
    url = part(next, CURLUPART_URL);
  }
}

HttpClient::HttpClient(const HubSettings& settings) : impl_(std::make_unique<Impl>(settings)) {}
HttpClient::~HttpClient() = default;

HttpReply HttpClient::head(const std::string& url) {
  Impl::Request wanted;
  wanted.head = true;
  wanted.follow_hosts = false;
  wanted.timeout_s = impl_->settings.etag_timeout_s;
  return impl_->request(url, wanted);
}

HttpReply HttpClient::get_text(const std::string& url) {
  Impl::Request wanted;
  wanted.timeout_s = impl_->settings.etag_timeout_s;
  return impl_->request(url, wanted);
}

HttpReply HttpClient::get(const std::string& url, std::uint64_t offset, const BodySink& sink) {
  Impl::Request wanted;
  wanted.offset = offset;
  wanted.timeout_s = impl_->settings.download_timeout_s;
  wanted.sink = &sink;
  return impl_->request(url, wanted);
}

}  // namespace anemll
