#include "cli/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/fail.h"
#include "server/access.h"

namespace sluice {
namespace {

constexpr size_t kMaxBodyBytes = 4 << 20;
constexpr long kConnectSeconds = 15;
constexpr int kPollMilliseconds = 1000;

// What this file uses of libcurl. It is loaded when it is first needed: linked, it and the thirty libraries
// that it stands on would cost every command 4 MB and a part of its start.
struct Curl {
#define SLUICE_CURL_FUNCTIONS(each)                                                                \
  each(easy_cleanup) each(easy_getinfo) each(easy_header) each(easy_init) each(easy_setopt)        \
      each(easy_strerror) each(free) each(global_init) each(multi_add_handle) each(multi_cleanup)  \
          each(multi_info_read) each(multi_init) each(multi_perform) each(multi_poll)              \
              each(multi_remove_handle) each(multi_strerror) each(multi_wakeup) each(slist_append) \
                  each(slist_free_all) each(url) each(url_cleanup) each(url_get) each(url_set)     \
                      each(url_strerror)
#define SLUICE_CURL_MEMBER(name) decltype(&::curl_##name) name = nullptr;
  SLUICE_CURL_FUNCTIONS(SLUICE_CURL_MEMBER)

  // kUnsupported when this machine has none, or another one.
  static Result<Curl> load() {
    static const Result<Curl> loaded = open();
    return loaded;
  }

 private:
  static Result<Curl> open() {
    void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      return fail(ErrorCode::kUnsupported, "libcurl is needed to talk with a server (Debian: libcurl4): {}",
                  dlerror());
    Curl curl;
#define SLUICE_CURL_LOAD(name)                                                      \
  curl.name = reinterpret_cast<decltype(curl.name)>(dlsym(library, "curl_" #name)); \
  if (curl.name == nullptr)                                                         \
    return fail(ErrorCode::kUnsupported, "libcurl is too old to talk with a server: {}", dlerror());
    SLUICE_CURL_FUNCTIONS(SLUICE_CURL_LOAD)
    if (const CURLcode ready = curl.global_init(CURL_GLOBAL_DEFAULT); ready != CURLE_OK)
      return fail(ErrorCode::kInternal, "libcurl: {}", curl.easy_strerror(ready));
    return curl;
  }
};

// A handle that is released at the end.
template <class Handle, class Release>
std::unique_ptr<Handle, Release> owned(Handle* handle, Release release) {
  return {handle, release};
}

// A part of a URL; empty when there is none.
std::string part_of(const Curl& curl, CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl.url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return {};
  std::string result(text);
  curl.free(text);
  return result;
}

bool is_on_this_machine(const Curl& curl, const std::string& address) {
  const auto url = owned(curl.url(), curl.url_cleanup);
  if (!url || curl.url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK) return false;
  std::string host = part_of(curl, url.get(), CURLUPART_HOST);
  std::erase_if(host, [](char byte) { return byte == '[' || byte == ']'; });
  return is_loopback_host(host);
}

// One call, attached to a multi handle while it lives.
class Transfer {
 public:
  Transfer(const Curl& curl, CURLM* multi, const HttpCall& call, const std::string& address,
           curl_slist* headers)
      : curl_(curl), multi_(multi), call_(call), easy_(owned(curl.easy_init(), curl.easy_cleanup)) {
    set(CURLOPT_URL, (address + call.path).c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_ERRORBUFFER, reason_.data());
    set(CURLOPT_WRITEFUNCTION, &Transfer::take);
    set(CURLOPT_WRITEDATA, this);
    if (is_on_this_machine(curl, address)) set(CURLOPT_NOPROXY, "*");
    if (call.json) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.json->size()));
      set(CURLOPT_POSTFIELDS, call.json->c_str());
    }
    curl_.multi_add_handle(multi_, easy_.get());
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() { curl_.multi_remove_handle(multi_, easy_.get()); }

  bool is(const CURL* handle) const { return easy_.get() == handle; }

  Result<HttpReply> outcome(CURLcode code, const std::string& address) {
    if (!taken_) return tl::unexpected(std::move(taken_).error());
    if (code != CURLE_OK) {
      const char* what = status() == 0 ? "does not answer" : "broke off its answer";
      return fail(ErrorCode::kIo, "{} {}: {}", address, what,
                  reason_[0] == '\0' ? curl_.easy_strerror(code) : reason_.data());
    }
    HttpReply reply{.status = status(), .body = std::move(body_)};
    curl_header* header = nullptr;
    if (curl_.easy_header(easy_.get(), "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
      reply.retry_after = header->value;
    return reply;
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_.easy_setopt(easy_.get(), option, value);
  }

  int status() const {
    long code = 0;
    curl_.easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }

  static size_t take(char* bytes, size_t, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.taken_ = transfer.push({bytes, count});
    return transfer.taken_ ? count : CURL_WRITEFUNC_ERROR;
  }

  Status push(std::string_view bytes) {
    if (call_.on_bytes && status() == 200) return call_.on_bytes(bytes);
    if (body_.size() + bytes.size() > kMaxBodyBytes)
      return fail(ErrorCode::kCorrupt, "{}: the answer has more than {} bytes", call_.path, kMaxBodyBytes);
    body_ += bytes;
    return {};
  }

  const Curl& curl_;
  CURLM* multi_;
  const HttpCall& call_;
  std::unique_ptr<CURL, decltype(Curl::easy_cleanup)> easy_;
  std::array<char, CURL_ERROR_SIZE> reason_{};
  std::string body_;
  Status taken_;
};

}  // namespace

Result<std::string> server_address(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument,
                "\"{}\" is no server's address{}: one such as http://127.0.0.1:8080 was expected", text, why);
  };
  const std::string with_scheme =
      text.find("://") == std::string_view::npos ? "http://" + std::string(text) : std::string(text);
  SLUICE_ASSIGN(const Curl curl, Curl::load());
  const auto url = owned(curl.url(), curl.url_cleanup);
  if (!url) return fail(ErrorCode::kInternal, "libcurl has no memory left");
  if (const CURLUcode code = curl.url_set(url.get(), CURLUPART_URL, with_scheme.c_str(), 0);
      code != CURLUE_OK)
    return refuse(fmt::format(" ({})", curl.url_strerror(code)));
  const std::string scheme = part_of(curl, url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return refuse(" (only http and https are spoken)");
  for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    if (!part_of(curl, url.get(), part).empty())
      return refuse(" (it has more than a host, a port and a path)");
  }
  std::string address = part_of(curl, url.get(), CURLUPART_URL);
  const auto without = [&](std::string_view ending) {
    if (address.ends_with(ending)) address.resize(address.size() - ending.size());
  };
  without("/");
  without("/v1");
  without("/");
  return address;
}

Result<HttpClient> HttpClient::make(std::string_view url, std::string_view api_key) {
  SLUICE_ASSIGN(std::string address, server_address(url));
  const auto is_printable = [](char byte) { return byte > 0x20 && byte < 0x7f; };
  if (!std::ranges::all_of(api_key, is_printable))
    return fail(ErrorCode::kInvalidArgument, "the API key holds a character that cannot be sent in a header");
  return HttpClient(std::move(address),
                    api_key.empty() ? "" : fmt::format("Authorization: Bearer {}", api_key));
}

Result<HttpReply> HttpClient::make_call(const HttpCall& call, const std::stop_token& cancel,
                                        const HttpCall* beside) const {
  SLUICE_ASSIGN(const Curl curl, Curl::load());
  const auto multi = owned(curl.multi_init(), curl.multi_cleanup);
  if (!multi) return fail(ErrorCode::kInternal, "libcurl has no memory left");
  const auto headers =
      owned(curl.slist_append(nullptr, "Content-Type: application/json"), curl.slist_free_all);
  if (has_key()) curl.slist_append(headers.get(), authorization_.c_str());
  Transfer transfer(curl, multi.get(), call, address_, headers.get());
  std::optional<Transfer> other;
  if (beside != nullptr) other.emplace(curl, multi.get(), *beside, address_, headers.get());
  const std::stop_callback wake(cancel, [&] { curl.multi_wakeup(multi.get()); });
  while (!cancel.stop_requested()) {
    int running = 0;
    int left = 0;
    if (const CURLMcode code = curl.multi_perform(multi.get(), &running); code != CURLM_OK)
      return fail(ErrorCode::kInternal, "libcurl: {}", curl.multi_strerror(code));
    while (const CURLMsg* message = curl.multi_info_read(multi.get(), &left)) {
      if (message->msg != CURLMSG_DONE || !transfer.is(message->easy_handle)) continue;
      return transfer.outcome(message->data.result, address_);
    }
    curl.multi_poll(multi.get(), nullptr, 0, kPollMilliseconds, nullptr);
  }
  return fail(ErrorCode::kCancelled, "interrupted");
}

}  // namespace sluice
