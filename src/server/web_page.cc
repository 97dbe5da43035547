#include "server/web_page.h"

#include <algorithm>
#include <string>

namespace sluice {
namespace {

constexpr std::string_view kFolder = "/dashboard/";
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const char* content_type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

}  // namespace

HttpResponse web_answer(const HttpRequest& request) {
  std::string_view name = request.path;
  if (name == "/") {
    name = "index.html";
  } else if (name.starts_with(kFolder)) {
    name.remove_prefix(kFolder.size());
  }
  const auto found = std::ranges::find(web_files(), name, &WebFile::name);
  if (found == web_files().end()) {
    return {.status = 404,
            .content_type = "text/plain; charset=utf-8",
            .body = "The dashboard has no such file.\n"};
  }
  HttpResponse answer{.content_type = content_type_of(name),
                      .headers = {{"ETag", std::string(found->etag)},
                                  {"Cache-Control", "no-cache"},  // kept, but asked for anew every time
                                  {"Content-Security-Policy", kPolicy},
                                  {"Referrer-Policy", "no-referrer"}}};
  const std::string* known = request.header("if-none-match");
  if (known != nullptr && known->find(found->etag) != std::string::npos) {
    answer.status = 304;
  } else {
    answer.body = found->bytes;
  }
  return answer;
}

}  // namespace sluice
